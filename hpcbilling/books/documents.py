"""Checks of documents: lines, totals, tax, credit notes, numbers and hashes."""

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from core.bulk import in_batches
from hpcbilling.books.found import Break, Check, compare, sql_check
from receipts.models import Receipt
from receipts.selectors import ISSUED
from receipts.services.contents import hash_of, rows_of

READ_TOGETHER = 20
"""Documents whose lines and charges are read, and held, at once."""

# Notes are worked out one after the other, in the order of their numbers: what a line of one comes
# to is the rounded sum of all so far, less that of all before.
_LINES = """
    WITH charged AS (
        SELECT k.line_id, sum(c.amount) AS amount, sum(c.quantity) AS quantity,
               count(DISTINCT c.job_id) AS jobs, count(c.id) AS found, count(*) AS links,
               bool_and(c.project_id = l.project_id AND c.currency = d.currency
                        AND CASE WHEN d.kind = 'credit_note'
                                 THEN c.reverses_id IS NOT NULL OR c.job_id IS NULL
                                 ELSE c.reverses_id IS NULL AND c.resource = l.resource
                                  AND c.unit_price IS NOT DISTINCT FROM l.unit_price END) AS fits
          FROM receipts_linecharge k
          LEFT JOIN receipts_line l ON l.id = k.line_id
          LEFT JOIN receipts_receipt d ON d.id = l.receipt_id
          LEFT JOIN pricing_charge c ON c.id = k.charge_id
         GROUP BY k.line_id
    ), lines AS (
        SELECT l.*, d.decimals, @named AS name, d.kind,
               coalesce(sum(l.charged) OVER (
                    PARTITION BY coalesce(l.corrects_id, -l.id) ORDER BY s.fiscal_year NULLS LAST,
                    d.sequence NULLS LAST, d.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ), 0) AS before
          FROM receipts_line l JOIN receipts_receipt d ON d.id = l.receipt_id
          LEFT JOIN receipts_series s ON s.id = d.series_id
         WHERE d.kind <> 'opening'
    )
    SELECT l.name || ', line ' || l.position, f.field, f.stored, f.computed
      FROM lines l LEFT JOIN charged c ON c.line_id = l.id
     CROSS JOIN LATERAL (VALUES
        ('charged', l.charged::text, coalesce(c.amount, 0)::numeric(24, 6)::text),
        ('quantity', l.quantity::text, coalesce(c.quantity, 0)::text),
        ('jobs', l.jobs::text, coalesce(c.jobs, 0)::text),
        ('charges', coalesce(c.links, 0)::text, coalesce(c.found, 0)::text),
        ('charges that fit', coalesce(c.fits, false)::text, 'true'),
        ('amount', l.amount::numeric(18, 4)::text,
         CASE WHEN l.kind = 'credit_note'
              THEN round(l.before + l.charged, l.decimals) - round(l.before, l.decimals)
              ELSE round(l.charged, l.decimals) END::numeric(18, 4)::text)
     ) f (field, stored, computed)
     WHERE f.stored IS DISTINCT FROM f.computed
"""
_LOOSE = """
    SELECT 'charge ' || k.charge_id, 'line', k.line_id::text, 'nothing there'
      FROM receipts_linecharge k LEFT JOIN receipts_line l ON l.id = k.line_id
     WHERE l.id IS NULL
    UNION ALL
    SELECT 'charge ' || k.charge_id, 'lines', count(*)::text, '1'
      FROM receipts_linecharge k GROUP BY k.charge_id HAVING count(*) > 1
"""
_TOTALS = """
    WITH sums AS (
        SELECT receipt_id, sum(amount) AS lines FROM receipts_line GROUP BY receipt_id
    ), documents AS (
        SELECT d.*, coalesce(s.lines, 0) AS lines, CASE WHEN d.kind = 'credit_note' THEN
               coalesce(sum(s.lines) OVER (
                    PARTITION BY coalesce(d.corrects_id, -d.id) ORDER BY y.fiscal_year NULLS LAST,
                    d.sequence NULLS LAST, d.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ), 0) ELSE 0 END AS before
          FROM receipts_receipt d
          LEFT JOIN sums s ON s.receipt_id = d.id
          LEFT JOIN receipts_series y ON y.id = d.series_id
    )
    SELECT @named, f.field, f.stored, f.computed
      FROM documents d
     CROSS JOIN LATERAL (
        SELECT (receipts_tax(before + lines, tax_rate, tax_inclusive, decimals)
                - receipts_tax(before, tax_rate, tax_inclusive, decimals))::numeric(18, 4) AS tax
     ) t
     CROSS JOIN LATERAL (VALUES
        (CASE WHEN d.tax_inclusive THEN 'total' ELSE 'net' END,
         (CASE WHEN d.tax_inclusive THEN d.total ELSE d.net_amount END)::text,
         d.lines::numeric(18, 4)::text),
        ('tax', d.tax_amount::text,
         CASE WHEN @issued OR d.kind = 'receipt' THEN t.tax ELSE d.tax_amount END::text),
        ('net + tax', d.total::text, (d.net_amount + d.tax_amount)::text)
     ) f (field, stored, computed)
     WHERE f.stored IS DISTINCT FROM f.computed
"""
_NOTES = """
    WITH notes AS (
        SELECT l.corrects_id, sum(l.charged) AS charged, sum(l.amount) AS amount
          FROM receipts_line l JOIN receipts_receipt d ON d.id = l.receipt_id
         WHERE d.kind = 'credit_note' AND @issued
         GROUP BY l.corrects_id
    )
    SELECT @named || ', line ' || o.position, 'credited', n.charged::text,
           'between 0 and ' || -o.charged
      FROM notes n JOIN receipts_line o ON o.id = n.corrects_id
      JOIN receipts_receipt d ON d.id = o.receipt_id
     WHERE sign(o.charged + n.charged) NOT IN (0, sign(o.charged))
        OR sign(n.charged) NOT IN (0, -sign(o.charged))
    UNION ALL
    SELECT @named, 'credited', n.total::text, 'at most ' || d.total
      FROM (SELECT corrects_id, -sum(total) AS total FROM receipts_receipt
             WHERE kind = 'credit_note' AND status NOT IN ('draft', 'pending')
             GROUP BY corrects_id) n
      JOIN receipts_receipt d ON d.id = n.corrects_id
     WHERE n.total > d.total
    UNION ALL
    SELECT @named, 'corrects', coalesce(o.number, 'nothing'), 'an issued receipt taxed alike'
      FROM receipts_receipt d LEFT JOIN receipts_receipt o ON o.id = d.corrects_id
     WHERE d.kind = 'credit_note' AND @issued
       AND (o.id IS NULL OR o.kind = 'credit_note' OR o.status IN ('draft', 'pending')
            OR (o.project_id, o.currency, o.decimals, o.tax_category, o.tax_rate, o.tax_inclusive)
            <> (d.project_id, d.currency, d.decimals, d.tax_category, d.tax_rate, d.tax_inclusive))
    UNION ALL
    SELECT @named || ', line ' || l.position, 'corrects', coalesce(l.corrects_id::text, 'nothing'),
           'a line of the receipt that it corrects'
      FROM receipts_line l JOIN receipts_receipt d ON d.id = l.receipt_id
      LEFT JOIN receipts_line o ON o.id = l.corrects_id AND o.receipt_id = d.corrects_id
           AND o.project_id = l.project_id AND o.resource = l.resource
     WHERE (d.kind = 'credit_note') <> (o.id IS NOT NULL)
"""
_VOID = """
    SELECT @named, 'left after credit notes', (d.total + coalesce(n.total, 0))::text, '0.0000'
      FROM receipts_receipt d
      LEFT JOIN (SELECT corrects_id, sum(total) AS total FROM receipts_receipt
                  WHERE status NOT IN ('draft', 'pending') GROUP BY corrects_id) n
        ON n.corrects_id = d.id
     WHERE d.status = 'void' AND d.total + coalesce(n.total, 0) <> 0
    UNION ALL
    SELECT @named, 'charges in force', count(*)::text, '0'
      FROM receipts_receipt d JOIN receipts_line l ON l.receipt_id = d.id
      JOIN receipts_linecharge k ON k.line_id = l.id
     WHERE d.status = 'void' AND NOT EXISTS (
        SELECT 1 FROM pricing_charge r WHERE r.reverses_id = k.charge_id)
     GROUP BY d.id, d.number
"""
# A series is of one kind of document: those of receipts, or those given after payment.
_NUMBERS = """
    WITH used AS (
        SELECT series_id, sequence FROM receipts_receipt WHERE series_id IS NOT NULL
        UNION ALL SELECT series_id, sequence FROM payments_officialreceipt
    )
    SELECT s.code || '-' || s.fiscal_year, f.field, f.stored, f.computed
      FROM receipts_series s
      LEFT JOIN (SELECT series_id, count(*) AS used, min(sequence) AS first,
                        max(sequence) AS last FROM used GROUP BY series_id) n ON n.series_id = s.id
     CROSS JOIN LATERAL (VALUES
        ('last number', s.last_number::text, coalesce(n.last, s.opened_after)::text),
        ('first number', coalesce(n.first, s.opened_after + 1)::text, (s.opened_after + 1)::text),
        ('documents', coalesce(n.used, 0)::text, (s.last_number - s.opened_after)::text)
     ) f (field, stored, computed)
     WHERE f.stored IS DISTINCT FROM f.computed
    UNION ALL
    SELECT s.code || '-' || s.fiscal_year, 'number after ' || n.before, n.sequence::text,
           (n.before + 1)::text
      FROM (SELECT series_id, sequence,
                   lag(sequence) OVER (PARTITION BY series_id ORDER BY sequence) AS before
              FROM used) n
      JOIN receipts_series s ON s.id = n.series_id
     WHERE n.sequence <> n.before + 1
"""
_UNCREDITED = """
    SELECT d.number, 'reversed and not credited yet, charges: ' || count(*), sum(c.amount)::text, ''
      FROM pricing_charge c
      JOIN receipts_linecharge b ON b.charge_id = c.reverses_id
      JOIN receipts_line l ON l.id = b.line_id
      JOIN receipts_receipt d ON d.id = l.receipt_id
     WHERE d.status NOT IN ('draft', 'pending')
       AND NOT EXISTS (SELECT 1 FROM receipts_linecharge k WHERE k.charge_id = c.id)
     GROUP BY d.id, d.number ORDER BY d.id
"""


def _content() -> Iterator[Break]:
    """Each issued document says what its hash was made of, under the number of its place."""
    issued = Receipt.objects.filter(status__in=ISSUED).select_related("corrects", "series")
    for some in in_batches(issued.order_by("pk").iterator(READ_TOGETHER), READ_TOGETHER):
        rows = rows_of([receipt.pk for receipt in some])
        for receipt in some:
            series, sequence = receipt.series, receipt.sequence
            number = receipt.number
            if series is not None and sequence is not None:
                number = series.text_of(sequence)
            pairs = (
                ("number", receipt.number, number),
                ("sha256", receipt.sha256, hash_of(receipt, rows)),
            )
            yield from compare(str(receipt.number), pairs)


CHECKS = (
    sql_check("lines", _("Each line is the sum of its charges, rounded once"), _LINES, _LOOSE),
    sql_check("totals", _("Lines add up to the net, and net and tax to the total"), _TOTALS),
    sql_check("credit_notes", _("Credit notes stay within what they correct"), _NOTES),
    sql_check("void", _("Void receipts are credited in whole"), _VOID),
    sql_check("numbers", _("Numbers follow each other without a gap"), _NUMBERS),
    Check("hashes", _("Issued documents match their hash"), _content),
    sql_check(
        "uncredited",
        _("Reversals that wait for a credit note"),
        _UNCREDITED,
        informs=True,
    ),
)
