"""Checks of periods: charges are booked where they belong, and closed months stay as they were."""

from django.utils.translation import gettext_lazy as _

from hpcbilling.books.found import sql_check

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

CHECKS = (
    sql_check("periods", _("Charges are booked into periods that take them"), _BOOKED, _PREFIX),
)
