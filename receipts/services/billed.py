"""Noting how far projects are billed for good, which spares later looks at their old charges."""

from datetime import date

from django.db import connection, transaction

from core.bulk import look_up_by_index

_NOTE = """
    INSERT INTO receipts_billeduntil (project_id, month)
    SELECT p.id, m.month
      FROM accounts_project p
     CROSS JOIN (SELECT month FROM accounts_period WHERE month = %s AND status = 'closed') m
      LEFT JOIN receipts_billeduntil b ON b.project_id = p.id
     WHERE (b.month IS NULL OR b.month < m.month)
       AND NOT EXISTS (
        SELECT 1 FROM pricing_charge c
         WHERE c.project_id = p.id AND c.period_id <= m.month
           AND c.period_id > coalesce(b.month, '-infinity') AND c.reverses_id IS NULL
           AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
           AND NOT EXISTS (
            SELECT 1 FROM receipts_linecharge k
              JOIN receipts_line l ON l.id = k.line_id
              JOIN receipts_receipt d ON d.id = l.receipt_id
             WHERE k.charge_id = c.id AND d.status NOT IN ('draft', 'pending')))
     ORDER BY p.id
        ON CONFLICT (project_id) DO UPDATE SET month = EXCLUDED.month
     WHERE receipts_billeduntil.month < EXCLUDED.month
"""


def note_billed(*, month: date) -> int:
    """Note which projects are billed in full up to a month, if it is closed; returns how many are
    new. Nothing depends on it but how long others take, so it may be left out, or done twice."""
    with transaction.atomic():
        look_up_by_index()
        with connection.cursor() as cursor:
            cursor.execute(_NOTE, [month])
            return int(cursor.rowcount)
