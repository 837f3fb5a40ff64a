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
                      WHERE status <> 'rejected' AND NOT (bounced AND status = 'requested')
                      GROUP BY payment_id) r ON r.payment_id = p.id
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
# Each says what one act settled, of the kind that its receipt promised; those in force say together
# what settles the receipt. Their tax is what is left of the receipt's once all is settled; before,
# a cancellation or a credit note may leave it a cent off, which the next one makes good.
_OFFICIAL = """
    WITH given AS (
        SELECT o.*, c.id IS NULL AS in_force
          FROM payments_officialreceipt o
          LEFT JOIN payments_officialcancellation c ON c.official_id = o.id
    ), sums AS (
        SELECT d.id, d.number, d.decimals, receipts_payable(d.id) AS payable,
               receipts_tax_left(d.id) AS tax_left, payments_settled(d.id) AS settled,
               coalesce(d.particulars ->> 'at_payment', 'none') AS at_payment,
               coalesce(g.amount, 0) AS amount, coalesce(g.tax, 0) AS tax, coalesce(g.gone, 0)
               + (SELECT count(*) FROM receipts_receipt n WHERE n.corrects_id = d.id) AS changes
          FROM receipts_receipt d
          LEFT JOIN (SELECT receipt_id, sum(amount) FILTER (WHERE in_force) AS amount,
                            sum(tax_amount) FILTER (WHERE in_force) AS tax,
                            count(*) FILTER (WHERE NOT in_force) AS gone
                       FROM given GROUP BY receipt_id) g ON g.receipt_id = d.id
         WHERE d.kind <> 'credit_note' AND d.status NOT IN ('draft', 'pending')
    )
    SELECT o.number, f.field, f.stored, f.computed
      FROM given o JOIN receipts_receipt d ON d.id = o.receipt_id
      LEFT JOIN payments_allocation a ON a.id = o.allocation_id AND a.receipt_id = o.receipt_id
      LEFT JOIN payments_withholding w ON w.id = o.withholding_id AND w.receipt_id = o.receipt_id
     CROSS JOIN LATERAL (VALUES
        ('amount', o.amount::text,
         (least(o.amount - coalesce(w.amount, 0), coalesce(a.amount, 0))
          + coalesce(w.amount, 0))::text),
        ('withheld', o.withheld::numeric(18, 4)::text,
         coalesce(w.amount, 0)::numeric(18, 4)::text),
        ('net + tax', o.amount::text, (o.net_amount + o.tax_amount)::text),
        ('kind', o.kind, d.particulars ->> 'at_payment')
     ) f (field, stored, computed)
     WHERE f.stored IS DISTINCT FROM f.computed
    UNION ALL
    SELECT s.number, 'in force', s.amount::text,
           CASE s.at_payment WHEN 'none' THEN 0 ELSE s.settled END::text
      FROM sums s WHERE s.amount <> CASE s.at_payment WHEN 'none' THEN 0 ELSE s.settled END
    UNION ALL
    SELECT coalesce(d.number, 'draft ' || d.id), 'payments and certificates',
           'official receipts in force', 'what each settles'
      FROM receipts_receipt d
     WHERE d.id IN (SELECT receipt_id FROM payments_allocation
                     UNION SELECT receipt_id FROM payments_withholding
                     UNION SELECT receipt_id FROM payments_officialreceipt)
       AND payments_documented(d.id) IS NOT TRUE
    UNION ALL
    SELECT s.number, 'tax of official receipts', s.tax::text,
           payments_share(s.amount, s.tax_left, s.payable, s.decimals::integer)::text
      FROM sums s
     WHERE s.amount > 0
       AND abs(s.tax - payments_share(s.amount, s.tax_left, s.payable, s.decimals::integer))
           > CASE WHEN s.amount = s.payable THEN 0
                  ELSE 2 * s.changes * 10.0 ^ (-s.decimals) END
"""
_FILES = """
    SELECT o.number, 'sha256', f.sha256, encode(sha256(f.content), 'hex')
      FROM payments_officialfile f JOIN payments_officialreceipt o ON o.id = f.official_id
     WHERE f.sha256 <> encode(sha256(f.content), 'hex')
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
    sql_check("official_files", _("Files of official receipts are as first rendered"), _FILES),
    Check("official_hashes", _("Official receipts match their hash"), _official_content),
)
