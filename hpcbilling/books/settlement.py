"""Checks of payments: what arrived was allocated, given back or is balance, and nothing is settled
twice."""

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from hpcbilling.books.found import CHUNK, Break, Check, compare, sql_check
from payments.models import OfficialReceipt
from payments.official import hash_of

_PAYMENTS = """
    SELECT 'payment ' || p.id, f.field, f.stored, f.computed
      FROM payments_payment p
      LEFT JOIN payments_inboundevent e ON e.id = p.settled_by_id
       AND (e.payment_id = p.id OR e.outcome = 'mismatch' AND e.resolved_at IS NOT NULL)
     CROSS JOIN LATERAL (VALUES
        ('amount', p.amount::text, e.amount::text),
        ('currency', p.currency, e.currency),
        ('event', coalesce(e.outcome, 'nothing'),
         CASE WHEN e.payment_id = p.id THEN 'applied' ELSE 'mismatch' END)
     ) f (field, stored, computed)
     WHERE p.status = 'succeeded' AND f.stored IS DISTINCT FROM f.computed
"""
_BEYOND_PAYMENT = """
    SELECT 'payment ' || p.id, 'allocated', sum(a.amount)::text,
           'at most ' || CASE WHEN p.status = 'succeeded' THEN p.amount ELSE 0 END
      FROM payments_payment p
      JOIN (SELECT payment_id, amount FROM payments_allocation
             UNION ALL
            SELECT payment_id, amount FROM payments_refund WHERE status <> 'rejected') a
        ON a.payment_id = p.id
     GROUP BY p.id
    HAVING sum(a.amount) > CASE WHEN p.status = 'succeeded' THEN p.amount ELSE 0 END
    UNION ALL
    SELECT 'payment ' || a.payment_id, 'allocated to receipt ' || a.receipt_id,
           sum(a.amount)::text, 'at least 0'
      FROM payments_allocation a
     GROUP BY a.payment_id, a.receipt_id HAVING sum(a.amount) < 0
"""
_STANDING = """
    WITH standing AS (
        SELECT d.id, d.number, d.status, d.kind, receipts_payable(d.id) AS payable,
               payments_settled(d.id) AS settled, coalesce((
                SELECT sum(w.amount) FROM receipts_writeoff w
                 WHERE w.receipt_id = d.id AND w.status = 'approved'), 0) AS given_up
          FROM receipts_receipt d
    )
    SELECT coalesce(s.number, 'draft ' || s.id), 'settled', s.settled::text,
           'at most ' || s.payable - s.given_up
      FROM standing s
     WHERE s.settled > greatest(s.payable - s.given_up, 0) OR s.status = 'void' AND s.settled <> 0
    UNION ALL
    SELECT s.number, 'status', s.status, f.due
      FROM standing s
     CROSS JOIN LATERAL (SELECT CASE WHEN s.given_up > 0 THEN 'written_off'
                                     WHEN s.settled >= s.payable THEN 'paid'
                                     WHEN s.settled > 0 THEN 'part_paid' ELSE 'issued' END) f (due)
     WHERE s.kind <> 'credit_note' AND s.status NOT IN ('draft', 'pending', 'void')
       AND s.status <> f.due
"""
_OFFICIAL = """
    SELECT o.number, f.field, f.stored::text, f.computed::text
      FROM payments_officialreceipt o
     CROSS JOIN LATERAL (VALUES
        ('amount', o.amount,
         coalesce((SELECT a.amount FROM payments_allocation a WHERE a.id = o.allocation_id), 0)
         + coalesce((SELECT w.amount FROM payments_withholding w
                      WHERE w.id = o.withholding_id), 0)),
        ('net', o.net_amount, o.amount - o.tax_amount)
     ) f (field, stored, computed)
     WHERE f.stored <> f.computed
    UNION ALL
    SELECT d.number, 'official receipts, tax', sum(o.tax_amount)::text, d.tax_amount::text
      FROM payments_officialreceipt o JOIN receipts_receipt d ON d.id = o.receipt_id
     WHERE NOT EXISTS (SELECT 1 FROM payments_officialcancellation c WHERE c.official_id = o.id)
     GROUP BY d.id
    HAVING sum(o.amount) >= d.total AND sum(o.tax_amount) <> d.tax_amount
"""


def _content() -> Iterator[Break]:
    """Each official receipt says what its hash was made of."""
    for official in OfficialReceipt.objects.order_by("pk").iterator(CHUNK):
        yield from compare(official.number, (("sha256", official.sha256, hash_of(official)),))


CHECKS = (
    sql_check("payments", _("A payment is what its provider said"), _PAYMENTS),
    sql_check("allocations", _("No payment is allocated beyond its amount"), _BEYOND_PAYMENT),
    sql_check("settlement", _("A receipt's status is what its settlement says"), _STANDING),
    sql_check("official", _("Official receipts say what was settled"), _OFFICIAL),
    Check("official_hashes", _("Official receipts match their hash"), _content),
)
