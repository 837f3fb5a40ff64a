"""Checks of payments: what was paid is what was allocated, and nothing is settled twice."""

from django.utils.translation import gettext_lazy as _

from hpcbilling.books.found import sql_check

_PAYMENTS = """
    SELECT 'payment ' || p.id, f.field, f.stored, f.computed
      FROM payments_payment p
      LEFT JOIN payments_inboundevent e ON e.id = p.settled_by_id AND e.payment_id = p.id
     CROSS JOIN LATERAL (VALUES
        ('amount', p.amount::text, e.amount::text),
        ('currency', p.currency, e.currency),
        ('event', coalesce(e.outcome, 'nothing'), 'applied')
     ) f (field, stored, computed)
     WHERE p.status = 'succeeded' AND f.stored IS DISTINCT FROM f.computed
"""
_BEYOND_PAYMENT = """
    SELECT 'payment ' || p.id, 'allocated', sum(a.amount)::text,
           'at most ' || CASE WHEN p.status = 'succeeded' THEN p.amount ELSE 0 END
      FROM payments_allocation a JOIN payments_payment p ON p.id = a.payment_id
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
               coalesce(a.amount, 0) AS settled
          FROM receipts_receipt d
          LEFT JOIN (SELECT receipt_id, sum(amount) AS amount FROM payments_allocation
                      GROUP BY receipt_id) a ON a.receipt_id = d.id
    )
    SELECT coalesce(s.number, 'draft ' || s.id), 'settled', s.settled::text,
           'at most ' || s.payable
      FROM standing s WHERE s.settled > greatest(s.payable, 0) AND s.status <> 'void'
    UNION ALL
    SELECT s.number, 'status', s.status,
           CASE WHEN s.settled >= s.payable THEN 'paid'
                WHEN s.settled > 0 THEN 'part_paid' ELSE 'issued' END
      FROM standing s
     WHERE s.kind <> 'credit_note' AND s.status IN ('issued', 'part_paid', 'paid')
       AND s.status <> CASE WHEN s.settled >= s.payable THEN 'paid'
                            WHEN s.settled > 0 THEN 'part_paid' ELSE 'issued' END
       AND NOT (s.payable = 0 AND s.settled = 0)
"""

CHECKS = (
    sql_check("payments", _("A payment is what its provider said"), _PAYMENTS),
    sql_check("allocations", _("No payment is allocated beyond its amount"), _BEYOND_PAYMENT),
    sql_check("settlement", _("A receipt's status is what its settlement says"), _STANDING),
)
