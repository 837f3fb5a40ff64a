"""What someone may do to the books who owns the tables, and the check that notices it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tamper:
    """SQL that breaks an invariant; the check that has to tell, and what it has to name."""

    check: str
    field: str
    sql: str


_USAGE = "SELECT id FROM pricing_charge WHERE kind = 'usage' AND unit_price IS NOT NULL"
_FREE = f"""{_USAGE} AND reverses_id IS NULL
    AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = pricing_charge.id)"""
_PAID = "(SELECT min(id) FROM receipts_receipt WHERE status = 'paid')"
_VOID = "(SELECT min(id) FROM receipts_receipt WHERE status = 'void')"
_NOTE = "(SELECT min(id) FROM receipts_receipt WHERE kind = 'credit_note')"
_COPY = """
    INSERT INTO pricing_charge SELECT (jsonb_populate_record(c, jsonb_build_object(
        'id', (SELECT max(id) + 1 FROM pricing_charge), {values}))).*
      FROM pricing_charge c WHERE c.id = ({chosen} LIMIT 1)
"""

TAMPERS = (
    Tamper(
        "charges",
        "amount",
        f"UPDATE pricing_charge SET amount = amount + 0.000001 WHERE id = ({_FREE} LIMIT 1)",
    ),
    Tamper(
        "charges",
        "amount",
        f"UPDATE pricing_charge SET quantity = quantity + 3600 WHERE id = ({_FREE} LIMIT 1)",
    ),
    Tamper(
        "charges",
        "unit_price",
        "UPDATE pricing_rate SET unit_price = unit_price + 1 WHERE id = ("
        " SELECT max(rate_id) FROM pricing_charge WHERE unit_price IS NOT NULL)",
    ),
    Tamper(
        "charges",
        "unit_price",
        f"UPDATE pricing_charge SET rate_id = NULL WHERE id = ({_FREE} LIMIT 1)",
    ),
    Tamper(
        "charges",
        "unit_size",
        f"UPDATE pricing_charge SET unit_size = 60 WHERE id = ({_FREE} LIMIT 1)",
    ),
    Tamper(
        "charges",
        "amount",
        "UPDATE pricing_pricelist SET minimum_per_job = 120 WHERE minimum_per_job = 100",
    ),
    Tamper(
        "charges",
        "reverses",
        "UPDATE pricing_charge SET quantity = 2 * quantity, amount = 2 * amount"
        " WHERE id = (SELECT min(id) FROM pricing_charge WHERE reverses_id IS NOT NULL)",
    ),
    Tamper(
        "charges",
        "reverses",
        "DELETE FROM pricing_charge WHERE id = (SELECT min(reverses_id) FROM pricing_charge)",
    ),
    Tamper(
        "counters",
        "amount",
        "UPDATE pricing_charge SET amount = amount - 1 WHERE id = ("
        " SELECT max(id) FROM pricing_charge WHERE counter_after IS NOT NULL)",
    ),
    Tamper(
        "counters",
        "counter_before",
        "UPDATE pricing_charge SET counter_before = counter_before + 1,"
        " counter_after = counter_after + 1 WHERE id = ("
        " SELECT max(id) FROM pricing_charge WHERE counter_after IS NOT NULL)",
    ),
    Tamper(
        "counters",
        "quantity",
        "UPDATE pricing_counter SET quantity = quantity + 1",
    ),
    Tamper(
        "counters",
        "amount",
        "UPDATE pricing_slab SET unit_price = unit_price + 1 WHERE rate_id IN ("
        " SELECT rate_id FROM pricing_charge WHERE counter_after IS NOT NULL)",
    ),
    Tamper(
        "true_ups",
        "amount",
        "UPDATE pricing_charge SET amount = amount + 1 WHERE kind = 'true_up'",
    ),
    Tamper(
        "one_charge",
        "charges in force",
        _COPY.format(values="'generation', 9", chosen=_FREE),
    ),
    Tamper(
        "rated",
        "charges in force",
        "DELETE FROM pricing_charge WHERE job_id = ("
        f" SELECT job_id FROM pricing_charge WHERE id = ({_FREE} LIMIT 1))",
    ),
    Tamper(
        "rated",
        "charges in force",
        "UPDATE pricing_jobrating SET status = 'exempt', reason = 'exempted'"
        " WHERE job_id = (SELECT min(job_id) FROM pricing_jobrating WHERE status = 'rated')",
    ),
    Tamper(
        "rated",
        "job",
        "DELETE FROM usage_job WHERE id = ("
        f" SELECT job_id FROM pricing_charge WHERE id = ({_FREE} LIMIT 1))",
    ),
    Tamper(
        "one_bucket",
        "buckets",
        "UPDATE pricing_jobrating SET status = 'lost'"
        " WHERE job_id = (SELECT min(job_id) FROM pricing_jobrating WHERE status = 'rated')",
    ),
    Tamper(
        "lines",
        "amount",
        "UPDATE receipts_line SET amount = amount + 0.01 WHERE id = ("
        " SELECT max(l.id) FROM receipts_line l JOIN receipts_receipt d ON d.id = l.receipt_id"
        "  WHERE d.kind = 'receipt')",
    ),
    Tamper(
        "lines",
        "amount",
        f"UPDATE receipts_line SET amount = amount - 0.01 WHERE receipt_id = {_NOTE}",
    ),
    Tamper(
        "lines",
        "charged",
        "DELETE FROM receipts_linecharge WHERE id = (SELECT max(id) FROM receipts_linecharge)",
    ),
    Tamper(
        "lines",
        "quantity",
        f"UPDATE receipts_line SET quantity = quantity + 1 WHERE receipt_id = {_PAID}",
    ),
    Tamper(
        "lines",
        "jobs",
        f"UPDATE receipts_line SET jobs = jobs + 1 WHERE receipt_id = {_PAID}",
    ),
    Tamper(
        "lines",
        "charges that fit",
        f"UPDATE receipts_line SET project_id = project_id + 1 WHERE receipt_id = {_PAID}",
    ),
    Tamper(
        "lines",
        "charges",
        "DELETE FROM pricing_charge WHERE id = (SELECT max(charge_id) FROM receipts_linecharge)",
    ),
    Tamper(
        "lines",
        "line",
        f"DELETE FROM receipts_line WHERE receipt_id = {_PAID}",
    ),
    Tamper(
        "lines",
        "lines",
        "INSERT INTO receipts_linecharge (line_id, charge_id)"
        " SELECT (SELECT max(id) FROM receipts_line), min(charge_id) FROM receipts_linecharge",
    ),
    Tamper(
        "totals",
        "net",
        "UPDATE receipts_receipt SET net_amount = net_amount - 1, tax_amount = tax_amount + 1"
        f" WHERE id = {_PAID}",
    ),
    Tamper(
        "totals",
        "tax",
        "UPDATE receipts_receipt SET tax_amount = tax_amount + 0.01, total = total + 0.01"
        f" WHERE id = {_PAID}",
    ),
    Tamper(
        "totals",
        "tax",
        f"UPDATE receipts_receipt SET tax_rate = 10 WHERE id = {_NOTE}",
    ),
    Tamper(
        "totals",
        "net + tax",
        f"UPDATE receipts_receipt SET total = total - 1 WHERE id = {_PAID}",
    ),
    Tamper(
        "credit_notes",
        "credited",
        f"UPDATE receipts_receipt SET total = total - 1 WHERE id = {_NOTE}",
    ),
    Tamper(
        "credit_notes",
        "credited",
        "UPDATE receipts_line SET charged = charged - 1 WHERE corrects_id IS NOT NULL",
    ),
    Tamper(
        "credit_notes",
        "corrects",
        f"UPDATE receipts_receipt SET corrects_id = {_PAID}, tax_rate = 10 WHERE id = {_NOTE}",
    ),
    Tamper(
        "credit_notes",
        "corrects",
        f"UPDATE receipts_line SET corrects_id = NULL WHERE receipt_id = {_NOTE}",
    ),
    Tamper(
        "void",
        "left after credit notes",
        f"UPDATE receipts_receipt SET corrects_id = {_PAID} WHERE corrects_id = {_VOID}",
    ),
    Tamper(
        "void",
        "charges in force",
        "DELETE FROM pricing_charge WHERE reverses_id IN (SELECT k.charge_id"
        " FROM receipts_linecharge k JOIN receipts_line l ON l.id = k.line_id"
        f" WHERE l.receipt_id = {_VOID})",
    ),
    Tamper(
        "numbers",
        "last number",
        "UPDATE receipts_series SET last_number = last_number + 1",
    ),
    Tamper(
        "numbers",
        "documents",
        f"UPDATE receipts_receipt SET series_id = NULL WHERE id = {_PAID}",
    ),
    Tamper(
        "numbers",
        "number after 1",
        "UPDATE receipts_receipt SET sequence = sequence + 1 WHERE sequence > 1",
    ),
    Tamper(
        "numbers",
        "first number",
        "UPDATE receipts_series SET opened_after = 1 WHERE last_number > 1",
    ),
    Tamper(
        "hashes",
        "sha256",
        "UPDATE receipts_receipt SET parties = jsonb_set(parties, '{buyer,name}', '\"me\"')"
        f" WHERE id = {_PAID}",
    ),
    Tamper(
        "hashes",
        "sha256",
        f"UPDATE receipts_receipt SET due_on = due_on + 30 WHERE id = {_PAID}",
    ),
    Tamper(
        "hashes",
        "number",
        f"UPDATE receipts_receipt SET number = 'R-0' WHERE id = {_PAID}",
    ),
    Tamper(
        "payments",
        "amount",
        "UPDATE payments_payment SET amount = amount + 1 WHERE status = 'succeeded'",
    ),
    Tamper(
        "payments",
        "event",
        "UPDATE payments_payment SET status = 'succeeded' WHERE status = 'pending'",
    ),
    Tamper(
        "allocations",
        "allocated and refunded",
        "UPDATE payments_allocation SET amount = amount + 1",
    ),
    Tamper(
        "allocations",
        "receipt",
        "UPDATE payments_payment SET currency = 'USD' WHERE status = 'succeeded'",
    ),
    Tamper(
        "settlement",
        "settled",
        "UPDATE payments_withholding SET amount = amount + 100000",
    ),
    Tamper(
        "official",
        "tax of official receipts",
        "UPDATE payments_officialreceipt SET tax_amount = tax_amount + 1",
    ),
    Tamper(
        "audit_events",
        "official_receipt.cancelled",
        "DELETE FROM audit_auditevent WHERE action = 'official_receipt.cancelled'",
    ),
    Tamper(
        "audit_events",
        "official_receipt.issued",
        "DELETE FROM audit_auditevent WHERE action = 'official_receipt.issued'",
    ),
    Tamper(
        "settlement",
        "settled",
        "UPDATE payments_allocation SET amount = amount + 1",
    ),
    Tamper(
        "settlement",
        "status",
        "DELETE FROM payments_allocation",
    ),
    Tamper(
        "settlement",
        "status",
        "UPDATE receipts_receipt SET status = 'paid', paid_at = now()"
        " WHERE status = 'issued' AND kind = 'receipt'",
    ),
    Tamper(
        "settlement",
        "settled",
        "UPDATE payments_withholding SET amount = amount + 100000 WHERE reverses_id IS NULL",
    ),
    Tamper(
        "settlement",
        "written off",
        "UPDATE receipts_writeoff SET status = 'approved'",
    ),
    Tamper(
        "allocations",
        "allocated and refunded",
        "UPDATE payments_refund SET amount = 100000",
    ),
    Tamper(
        "official",
        "amount",
        "UPDATE payments_officialreceipt SET amount = amount + 1, net_amount = net_amount + 1",
    ),
    Tamper(
        "official",
        "in force",
        "INSERT INTO payments_officialcancellation (official_id, reason, cancelled_at)"
        " SELECT max(id), 'wrong', now() FROM payments_officialreceipt",
    ),
    Tamper(
        "official",
        "in force",
        "DELETE FROM payments_officialcancellation",
    ),
    Tamper(
        "official",
        "payments and certificates",
        "UPDATE payments_officialreceipt SET allocation_id = ("
        " SELECT max(id) FROM payments_allocation)",
    ),
    Tamper(
        "official",
        "kind",
        "UPDATE payments_officialreceipt SET kind = 'receipt_tax_invoice'",
    ),
    Tamper(
        "official_files",
        "sha256",
        "UPDATE payments_officialfile SET content = 'x'",
    ),
    Tamper(
        "official_hashes",
        "sha256",
        "UPDATE payments_officialreceipt SET paid_on = paid_on - 1",
    ),
    Tamper(
        "periods",
        "period",
        "UPDATE pricing_charge SET period_id = period_id - interval '1 month'"
        f" WHERE id = ({_FREE} LIMIT 1)",
    ),
    Tamper(
        "periods",
        "period",
        "DELETE FROM accounts_period WHERE status = 'open'",
    ),
    Tamper(
        "periods",
        "status",
        "UPDATE accounts_period SET status = 'open' WHERE month = '2020-01-01'",
    ),
    Tamper(
        "seals",
        "sha256",
        "UPDATE pricing_charge SET period_id = '2020-01-01', job_end = '2020-01-05'"
        f" WHERE id = ({_FREE} LIMIT 1)",
    ),
    Tamper(
        "seals",
        "seal",
        "UPDATE accounts_period SET seal = '{}' WHERE month = '2020-01-01'",
    ),
    Tamper(
        "charges",
        "amount",
        "UPDATE pricing_charge SET amount = 2 * amount WHERE kind = 'manual'",
    ),
    Tamper(
        "charges",
        "charges",
        "UPDATE pricing_charge SET kind = 'true_up' WHERE kind = 'manual'",
    ),
    Tamper(
        "journal",
        "sum in THB",
        f"UPDATE receipts_receipt SET total = total + 1 WHERE id = {_PAID}",
    ),
    Tamper(
        "ledger",
        "receivable in THB",
        f"UPDATE receipts_receipt SET status = 'draft' WHERE id = {_PAID}",
    ),
    Tamper(
        "ledger",
        "balance in THB",
        "UPDATE payments_payment SET status = 'pending' WHERE status = 'succeeded'",
    ),
    Tamper(
        "journals_kept",
        "sha256",
        "UPDATE insights_journalexport SET sha256 = repeat('0', 64)",
    ),
    Tamper(
        "audit_chain",
        "chain",
        "UPDATE audit_auditevent SET actor_name = 'nobody' WHERE id = ("
        " SELECT max(id) FROM audit_auditevent)",
    ),
    Tamper(
        "audit_chain",
        "chain",
        "DELETE FROM audit_auditevent WHERE action = 'receipt.paid'",
    ),
    *(
        Tamper(
            "audit_events",
            step,
            f"DELETE FROM audit_auditevent WHERE action = 'receipt.{step}'",
        )
        for step in ("drafted", "issued", "paid", "voided")
    ),
    Tamper(
        "audit_events",
        "discarded",
        f"DELETE FROM receipts_receipt WHERE id = {_PAID}",
    ),
    Tamper(
        "audit_events",
        "submitted",
        f"UPDATE receipts_receipt SET submitted_at = now() WHERE id = {_PAID}",
    ),
)
