"""Checks of the audit log: it is whole, and tells of each change of a document."""

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from audit.selectors import verify_chain
from hpcbilling.books.found import Break, Check, sql_check

# How often each step of a document was told, against how often it was taken.
_EVENTS = """
    WITH events AS (
        SELECT target_id::bigint AS id,
               count(*) FILTER (WHERE action = 'receipt.drafted') AS drafted,
               count(*) FILTER (WHERE action = 'receipt.discarded') AS discarded,
               count(*) FILTER (WHERE action = 'receipt.submitted') AS submitted,
               count(*) FILTER (WHERE action = 'receipt.returned') AS returned,
               count(*) FILTER (WHERE action = 'receipt.issued') AS issued,
               count(*) FILTER (WHERE action = 'receipt.part_paid') AS part_paid,
               count(*) FILTER (WHERE action = 'receipt.paid') AS paid,
               count(*) FILTER (WHERE action = 'receipt.voided') AS voided
          FROM audit_auditevent
         WHERE target_type = 'receipts.receipt' AND target_id ~ '^[0-9]+$'
         GROUP BY target_id
    )
    SELECT coalesce(d.number, 'document ' || coalesce(d.id, e.id)), f.field,
           coalesce(f.told, 0)::text, f.done::text
      FROM receipts_receipt d FULL JOIN events e ON e.id = d.id
     CROSS JOIN LATERAL (VALUES
        ('drafted', e.drafted, CASE WHEN d.kind = 'opening' THEN e.drafted ELSE 1 END),
        ('discarded', e.discarded, CASE WHEN d.id IS NULL THEN 1 ELSE 0 END),
        ('submitted', e.submitted - e.returned, CASE
            WHEN d.id IS NULL THEN e.submitted - e.returned
            WHEN d.submitted_at IS NULL THEN 0 ELSE 1 END),
        ('issued', e.issued, CASE
            WHEN d.id IS NULL OR d.status IN ('draft', 'pending') THEN 0
            WHEN d.kind = 'opening' THEN e.issued ELSE 1 END),
        ('paid', CASE WHEN d.status = 'paid' THEN least(e.paid, 1) ELSE 0 END,
            CASE WHEN d.status = 'paid' THEN 1 ELSE 0 END),
        ('part_paid', CASE WHEN d.status = 'part_paid' THEN least(e.part_paid, 1) ELSE 0 END,
            CASE WHEN d.status = 'part_paid' THEN 1 ELSE 0 END),
        ('voided', e.voided, CASE WHEN d.status = 'void' THEN 1 ELSE 0 END)
     ) f (field, told, done)
     WHERE coalesce(f.told, 0) <> f.done
"""

# What two people decided, and what was given after payment, was told once for each step.
_DECIDED = """
    WITH told AS (
        SELECT action, target_id, count(*) AS times FROM audit_auditevent
         WHERE target_type IN ('payments.refund', 'receipts.writeoff', 'payments.officialreceipt')
         GROUP BY action, target_id
    ), steps AS (
        SELECT 'refund.' || status AS action, id::text AS target_id, 'refund ' || id AS about
          FROM payments_refund
        UNION ALL
        SELECT 'write_off.' || status, id::text, 'write-off ' || id FROM receipts_writeoff
        UNION ALL
        SELECT 'official_receipt.issued', id::text, number FROM payments_officialreceipt
        UNION ALL
        SELECT 'official_receipt.cancelled', o.id::text, o.number
          FROM payments_officialcancellation c
          JOIN payments_officialreceipt o ON o.id = c.official_id
    )
    SELECT s.about, s.action, coalesce(t.times, 0)::text, '1'
      FROM steps s LEFT JOIN told t ON t.action = s.action AND t.target_id = s.target_id
     WHERE coalesce(t.times, 0) <> 1
"""


def _chain() -> Iterator[Break]:
    broken = verify_chain().broken
    if broken is not None:
        about = f"event {broken.sequence or broken.event_id or ''}"
        yield Break(about, "chain", "", broken.reason)


CHECKS = (
    Check("audit_chain", _("The audit log is whole"), _chain),
    sql_check(
        "audit_events", _("Each change of a document is in the audit log"), _EVENTS, _DECIDED
    ),
)
