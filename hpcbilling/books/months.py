"""Checks of periods: charges are booked where they belong, and closed months stay as they were."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.models import Period
from audit.models import AuditEvent
from hpcbilling.books.found import Break, Check, compare, sql_check
from hpcbilling.closing.seal import seal_of

# A charge made while its own month was closed is in a later one; never in an earlier one.
_BOOKED = """
    SELECT 'charge ' || c.id, 'period', c.period_id::text,
           CASE WHEN p.month IS NULL THEN 'nothing there' ELSE 'not before its end' END
      FROM pricing_charge c LEFT JOIN accounts_period p ON p.month = c.period_id
     WHERE p.month IS NULL OR c.job_end >= p.ends_at
        OR c.job_end < p.starts_at AND NOT EXISTS (
            SELECT 1 FROM audit_auditevent e
             WHERE e.action = 'period.closed' AND e.target_type = 'accounts.period'
               AND e.target_id < c.period_id::text)
"""
_PREFIX = """
    SELECT 'period ' || p.month, 'status', p.status, 'closed, as a later one is'
      FROM accounts_period p
     WHERE p.status = 'open'
       AND p.month < (SELECT max(month) FROM accounts_period WHERE status = 'closed')
    UNION ALL
    SELECT 'period ' || p.month, 'charge ' || c.id || ' made', c.created_at::text,
           'not after ' || p.closed_at
      FROM accounts_period p JOIN pricing_charge c ON c.period_id = p.month
     WHERE p.status = 'closed' AND c.created_at > p.closed_at
"""


def _sealed() -> Iterator[Break]:
    """The charges of a closed period are those that the seal of its closing tells of, and so is the
    seal, which stands in the audit log too."""
    for period in Period.objects.filter(status=Period.Status.CLOSED).order_by("month"):
        stored: dict[str, Any] = period.seal or {}
        pairs = [(name, stored.get(name), value) for name, value in seal_of(period).items()]
        yield from compare(f"period {period}", [*pairs, ("seal", stored, _told(period))])


def _told(period: Period) -> Any:
    """The seal in the event of a period's last closing; None if there is none."""
    events = AuditEvent.objects.filter(action="period.closed", target_id=str(period.pk))
    event = events.order_by("pk").last()
    return None if event is None else event.content["data"].get("seal")


CHECKS = (
    sql_check("periods", _("Charges are booked into periods that take them"), _BOOKED, _PREFIX),
    Check("seals", _("Closed periods have the charges that they were closed with"), _sealed),
)
