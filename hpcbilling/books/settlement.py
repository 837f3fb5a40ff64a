"""Checks of payments: what was paid is what was allocated, and nothing is settled twice."""

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from hpcbilling.books.found import CHUNK, Break, Check, compare, sql_check
from payments.models import OfficialReceipt
from payments.services.official import hash_of

# It succeeded by its own event, or a person kept what came by one that matched nothing.
_PAYMENTS = """
    SELECT 'payment ' || p.id, f.field, f.stored, f.computed
      FROM payments_payment p
      LEFT JOIN payments_inboundevent e ON e.id = p.settled_by_id
           AND (e.payment_id = p.id AND e.outcome = 'applied'
                OR e.outcome = 'mismatch' AND e.resolved_at IS NOT NULL)
     CROSS JOIN LATERAL (VALUES
        ('amount', p.amount::text, e.amount::text),
        ('currency', p.currency, e.currency),
        ('event', coalesce(e.kind, 'nothing'), 'payment.succeeded')
     ) f (field, stored, computed)
     WHERE p.status = 'succeeded' AND f.stored IS DISTINCT FROM f.computed
"""
_BEYOND_PAYMENT = """
    WITH used AS (
        SELECT p.id, CASE WHEN p.status = 'succeeded' THEN p.amount ELSE 0 END AS arrived,
               coalesce(a.amount, 0) AS allocated, coalesce(r.amount, 0) AS refunded
          FROM payments_payment p
          LEFT JOIN (SELECT payment_id, sum(amount) AS amount FROM payments_allocation
                      GROUP BY payment_id) a ON a.payment_id = p.id
          LEFT JOIN (SELECT payment_id, sum(amount) AS amount FROM payments_refund
                      WHERE status <> 'rejected' GROUP BY payment_id) r ON r.payment_id = p.id
    )
    SELECT 'payment ' || u.id, 'allocated and refunded', (u.allocated + u.refunded)::text,
           'at most ' || u.arrived
      FROM used u WHERE u.allocated + u.refunded > u.arrived
    UNION ALL
    SELECT 'payment ' || a.payment_id, 'allocated to receipt ' || a.receipt_id,
           sum(a.amount)::text, 'at least 0'
      FROM payments_allocation a
     GROUP BY a.payment_id, a.receipt_id HAVING sum(a.amount) < 0
    UNION ALL
    SELECT 'allocation ' || a.id, 'receipt', coalesce(d.number, 'nothing'),
           'of the project and currency of the payment'
      FROM payments_allocation a JOIN payments_payment p ON p.id = a.payment_id
      JOIN receipts_receipt o ON o.id = p.receipt_id
      LEFT JOIN receipts_receipt d ON d.id = a.receipt_id
     WHERE (d.project_id, d.currency) IS DISTINCT FROM (o.project_id, p.currency)
"""
_STANDING = """
    WITH standing AS (
        SELECT d.id, d.number, d.status, d.total + coalesce(n.total, 0) AS payable,
               coalesce(a.amount, 0) + coalesce(w.amount, 0) AS settled, o.amount AS written_off
          FROM receipts_receipt d
          LEFT JOIN (SELECT corrects_id, sum(total) AS total FROM receipts_receipt
                      WHERE status = 'issued' GROUP BY corrects_id) n ON n.corrects_id = d.id
          LEFT JOIN (SELECT receipt_id, sum(amount) AS amount FROM payments_allocation
                      GROUP BY receipt_id) a ON a.receipt_id = d.id
          LEFT JOIN (SELECT receipt_id, sum(amount) AS amount FROM payments_withholding
                      GROUP BY receipt_id) w ON w.receipt_id = d.id
          LEFT JOIN receipts_writeoff o ON o.receipt_id = d.id AND o.status = 'approved'
         WHERE d.kind <> 'credit_note'
    )
    SELECT coalesce(s.number, 'draft ' || s.id), 'settled', s.settled::text,
           'from 0 to ' || CASE WHEN s.status IN ('draft', 'pending', 'void') THEN 0
                                ELSE s.payable END
      FROM standing s
     WHERE s.settled < 0
        OR s.settled > CASE WHEN s.status IN ('draft', 'pending', 'void') THEN 0
                            ELSE s.payable END
    UNION ALL
    SELECT s.number, 'status', s.status,
           CASE WHEN s.settled >= s.payable THEN 'paid'
                WHEN s.settled > 0 THEN 'part_paid' ELSE 'issued' END
      FROM standing s
     WHERE s.status IN ('issued', 'part_paid', 'paid')
       AND s.status <> CASE WHEN s.settled >= s.payable THEN 'paid'
                            WHEN s.settled > 0 THEN 'part_paid' ELSE 'issued' END
    UNION ALL
    SELECT s.number, 'written off', coalesce(s.written_off::text, 'nothing'),
           CASE WHEN s.status = 'written_off' THEN (s.payable - s.settled)::text
                ELSE 'nothing' END
      FROM standing s
     WHERE (s.status = 'written_off' OR s.written_off IS NOT NULL)
       AND (s.status <> 'written_off' OR s.written_off IS DISTINCT FROM s.payable - s.settled)
"""
# Each says what one act settled; those in force say of a receipt's tax its rounded share.
_OFFICIAL = """
    SELECT o.number, f.field, f.stored, f.computed
      FROM payments_officialreceipt o
      LEFT JOIN payments_allocation a ON a.id = o.allocation_id AND a.receipt_id = o.receipt_id
      LEFT JOIN payments_withholding w ON w.id = o.withholding_id AND w.receipt_id = o.receipt_id
     CROSS JOIN LATERAL (VALUES
        ('amount', o.amount::text, (coalesce(a.amount, 0) + coalesce(w.amount, 0))::text),
        ('withheld', o.withheld::numeric(18, 4)::text,
         coalesce(w.amount, 0)::numeric(18, 4)::text),
        ('net + tax', o.amount::text, (o.net_amount + o.tax_amount)::text)
     ) f (field, stored, computed)
     WHERE f.stored IS DISTINCT FROM f.computed
    UNION ALL
    SELECT d.number, 'tax of official receipts', sum(o.tax_amount)::text,
           payments_share(sum(o.amount), d.tax_amount, d.total, d.decimals::integer)::text
      FROM payments_officialreceipt o JOIN receipts_receipt d ON d.id = o.receipt_id
     WHERE NOT EXISTS (SELECT 1 FROM payments_officialcancellation c WHERE c.official_id = o.id)
     GROUP BY d.id
    HAVING sum(o.tax_amount) IS DISTINCT FROM
           payments_share(sum(o.amount), d.tax_amount, d.total, d.decimals::integer)
"""


def _official_content() -> Iterator[Break]:
    """Each official receipt says what its hash was made of."""
    for official in OfficialReceipt.objects.order_by("pk").iterator(CHUNK):
        yield from compare(official.number, [("sha256", official.sha256, hash_of(official))])


CHECKS = (
    sql_check("payments", _("A payment is what its provider said"), _PAYMENTS),
    sql_check("allocations", _("No payment is allocated beyond its amount"), _BEYOND_PAYMENT),
    sql_check("settlement", _("A receipt's status is what its settlement says"), _STANDING),
    sql_check("official", _("Official receipts say what was settled"), _OFFICIAL),
    Check("official_hashes", _("Official receipts match their hash"), _official_content),
)
