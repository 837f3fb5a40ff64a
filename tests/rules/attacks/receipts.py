"""Attacks on the rules of receipts."""

from tests.rules.attacks.making import (
    BILLED,
    UUID,
    Attack,
    change,
    copy_of,
    delete,
    negation,
    truncate,
)

FROZEN_RECEIPT = ("receipts_receipt_frozen",)
ISSUED = "status = 'issued' AND kind = 'receipt'"
ISSUE = (
    "UPDATE receipts_receipt SET status = 'issued', number = 'RC-2026-000099', series_id = s.id,"
    " sequence = {sequence}, issued_at = now(), due_on = now(), sha256 = 'x', verify_token = 'x',"
    " alone_limit = 10{more}"
    " FROM (SELECT * FROM receipts_series WHERE code = 'RC' ORDER BY id LIMIT 1) s"
    " WHERE status = 'draft'{where}"
)

BEYOND = (
    copy_of(
        "receipts_receipt",
        ISSUED,
        public_id=UUID,
        status="draft",
        number=None,
        series_id=None,
        sequence=None,
        issued_at=None,
        issued_by_id=None,
        due_on=None,
        sha256="",
        verify_token=None,
        purchase_order_id=None,
        net_amount=-(10**9),
        tax_amount=0,
        total=-(10**9),
    )
    + f";UPDATE receipts_receipt SET kind = 'credit_note', corrects_id = (SELECT min(id)"
    f" FROM receipts_receipt WHERE {ISSUED}) WHERE total = -1000000000;"
    "UPDATE receipts_receipt SET status = 'issued', number = 'CN-X', series_id = s.id,"
    " sequence = 99, issued_at = now(), sha256 = 'x', verify_token = 'x'"
    " FROM (SELECT min(id) AS id FROM receipts_series) s WHERE total = -1000000000"
)
"""A credit note over more than a receipt asked for."""

OFF_ITS_NOTE = (
    "INSERT INTO pricing_adjustment (project_id, kind, at, amount, currency, text, reason, status,"
    " author_id, answer, credits_receipt_id, credits_line_id) SELECT project_id, 'credit', at, -1,"
    " currency, 'x', 'x', 'draft', author_id, '', 1, 1 FROM pricing_adjustment"
    " WHERE status = 'approved' AND kind = 'credit' LIMIT 1;"
    "UPDATE pricing_adjustment SET status = 'submitted', submitted_at = now()"
    " WHERE credits_line_id = 1;"
    "UPDATE pricing_adjustment SET status = 'approved', decided_at = now()"
    " WHERE credits_line_id = 1;"
    "INSERT INTO pricing_charge SELECT (jsonb_populate_record(NULL::pricing_charge, to_jsonb(x)"
    " || jsonb_build_object('id', nextval(pg_get_serial_sequence('pricing_charge', 'id')),"
    " 'amount', -1, 'resource', 'manual:' || (SELECT id FROM pricing_adjustment"
    " WHERE credits_line_id = 1)))).* FROM pricing_charge x WHERE kind = 'manual'"
    " AND resource = 'manual:' || (SELECT id FROM pricing_adjustment WHERE status = 'approved'"
    " AND kind = 'credit' AND credits_line_id IS NULL LIMIT 1) LIMIT 1"
)
"""A part of a line is given back, but on no note."""

ATTACKS: dict[str, Attack] = {
    "receipts_receipt_within": Attack(
        BEYOND,
        also=("receipts_receipt_issue", "receipts_receipt_order", "payments_status_agrees"),
    ),
    "receipts_credit_on_its_line": Attack(OFF_ITS_NOTE, also=("pricing_charge_booked",)),
    "receipt_window": Attack(
        change("receipts_receipt", "status = 'draft'", window_end="2000-01-01T00:00:00Z")
    ),
    "receipt_total": Attack(change("receipts_receipt", "status = 'draft'", total=1)),
    "receipt_amounts_in_range": Attack(
        change("receipts_receipt", "status = 'draft'", net_amount="NaN", total="NaN")
    ),
    "receipt_currency": Attack(change("receipts_receipt", "status = 'draft'", currency="bht")),
    "receipt_issued_has_number": Attack(
        change("receipts_receipt", "status = 'draft'", number="RC-0")
    ),
    "receipt_paid_has_time": Attack(
        change("receipts_receipt", "status = 'draft'", paid_at="2026-11-21T00:00:00Z")
    ),
    "receipt_void_has_reason": Attack(
        change("receipts_receipt", "status = 'draft'", void_reason="because")
    ),
    "receipt_number_once": Attack(
        change("receipts_receipt", "status = 'paid'", sequence=1), also=FROZEN_RECEIPT
    ),
    "receipts_receipt_number_key": Attack(
        change("receipts_receipt", "status = 'paid'", number="RC-2026-000001"),
        also=FROZEN_RECEIPT,
    ),
    "receipts_receipt_public_id_key": Attack(
        "INSERT INTO receipts_receipt SELECT (jsonb_populate_record(NULL::receipts_receipt,"
        " to_jsonb(x) || jsonb_build_object('id', 999))).* FROM receipts_receipt x"
        " WHERE status = 'draft'"
    ),
    "receipts_receipt_frozen": Attack(change("receipts_receipt", ISSUED, due_on="2099-01-01")),
    "receipts_receipt_verify_token_key": Attack(
        "UPDATE receipts_receipt SET verify_token = (SELECT min(verify_token)"
        " FROM receipts_receipt WHERE kind = 'receipt') WHERE kind = 'credit_note'",
        also=FROZEN_RECEIPT,
    ),
    "receipt_period": Attack(
        change("receipts_receipt", "status = 'draft'", period="2026-11-02"),
        also=("receipts_receipt_keeps_month",),
    ),
    "receipt_kind": Attack(change("receipts_receipt", "status = 'draft'", kind="credit_note")),
    "receipt_asks_for_money": Attack(
        change("receipts_receipt", ISSUED, net_amount=-1, tax_amount=0, total=-1),
        also=(*FROZEN_RECEIPT, "payments_status_agrees"),
    ),
    "receipt_tax_category": Attack(
        change("receipts_receipt", "status = 'draft'", tax_category="none")
    ),
    "receipt_pending_has_time": Attack(
        change("receipts_receipt", "status = 'draft'", submitted_at="2026-11-21T00:00:00Z")
    ),
    "receipt_issued_by_other": Attack(
        f"UPDATE receipts_receipt SET submitted_by_id = issued_by_id WHERE {ISSUED}",
        also=FROZEN_RECEIPT,
    ),
    "receipt_written_off_has_time": Attack(
        change("receipts_receipt", ISSUED, status="written_off"),
        also=("payments_status_agrees",),
    ),
    "receipts_receipt_starts_as_draft": Attack(
        copy_of(
            "receipts_receipt",
            ISSUED,
            public_id=UUID,
            number="RC-2026-000099",
            sequence=99,
            verify_token="x",
        )
    ),
    "receipts_receipt_issue": Attack(
        ISSUE.format(sequence=99, more="", where=""), also=("receipts_receipt_order",)
    ),
    "receipts_receipt_order": Attack(
        "UPDATE receipts_series SET last_number = last_number + 1"
        " WHERE id = (SELECT min(id) FROM receipts_series WHERE code = 'RC');"
        + ISSUE.format(
            sequence="s.last_number",
            more=", purchase_order_id = (SELECT min(id) FROM receipts_purchaseorder)",
            where=" AND project_id = (SELECT min(project_id) FROM receipts_purchaseorder)",
        )
    ),
    "receipts_receipt_alone": Attack(
        "UPDATE receipts_series SET last_number = last_number + 1"
        " WHERE id = (SELECT min(id) FROM receipts_series WHERE code = 'RC');"
        + ISSUE.format(
            sequence="s.last_number",
            more=", issued_by_id = created_by_id",
            where=" AND project_id = (SELECT min(project_id) FROM receipts_purchaseorder)",
        ).replace("alone_limit = 10", "alone_limit = 9.99"),
        also=("receipts_receipt_order",),
    ),
    "receipts_purchaseorder_frozen": Attack(change("receipts_purchaseorder", number="other")),
    "purchase_order_number_once": Attack(
        copy_of("receipts_purchaseorder", starts_on="2030-01-01", expires_on="2030-12-31")
    ),
    "purchase_order_no_overlap": Attack(copy_of("receipts_purchaseorder", number="other")),
    "purchase_order_ends_after_start": Attack(
        change("receipts_purchaseorder", expires_on="2020-01-01"),
        also=("purchase_order_no_overlap",),
    ),
    "purchase_order_ceiling": Attack(change("receipts_purchaseorder", ceiling=0)),
    "receipts_void_reverses": Attack(
        change(
            "receipts_receipt",
            ISSUED,
            status="void",
            void_reason="x",
            voided_at="2026-11-21T00:00:00Z",
        )
    ),
    "receipts_billed_charge_stands": Attack(negation(BILLED.replace("issued", "draft"))),
    "receipts_receipt_no_truncate": truncate("receipts_receipt"),
    "receipts_receipt_keeps_month": Attack(
        change("receipts_receipt", "status = 'draft'", period="2020-01-01")
    ),
    "run_once": Attack(copy_of("receipts_billingrun", status="drafting", ended_at=None)),
    "run_steps": Attack(
        change("receipts_billingrun", "status = 'drafting'", ended_at="2026-11-21T00:00:00Z")
    ),
    "receipts_billingrun_begins": Attack(
        copy_of(
            "receipts_billingrun",
            closed_at="2020-01-01T00:00:00Z",
            status="drafting",
            ended_at=None,
        )
    ),
    "receipts_billingrun_ends": Attack(
        change("receipts_billingrun", started_at="2020-01-01T00:00:00Z")
    ),
    "receipts_billingrun_refuse": Attack(
        "DELETE FROM receipts_runentry; DELETE FROM receipts_billingrun",
        also=("receipts_runentry_refuse",),
    ),
    "receipts_billingrun_no_truncate": truncate("receipts_billingrun"),
    "run_entry_once": Attack(copy_of("receipts_runentry", "state = 'waiting'")),
    "run_entry_document": Attack(change("receipts_runentry", "state = 'drafted'", total=None)),
    "run_entry_approved": Attack(
        change("receipts_runentry", "state = 'drafted'", approved_at="2026-11-21T00:00:00Z")
    ),
    "receipts_runentry_receipt_id_key": Attack(
        "UPDATE receipts_runentry SET state = 'drafted', total = 1, receipt_id ="
        " (SELECT min(receipt_id) FROM receipts_runentry WHERE state = 'drafted')"
        " WHERE state = 'waiting'",
        also=("receipts_runentry_document",),
    ),
    "receipts_runentry_steps": Attack(
        change("receipts_runentry", "state = 'waiting'", state="discarded")
    ),
    "receipts_runentry_document": Attack(
        "UPDATE receipts_runentry SET state = 'drafted', total = 1, receipt_id ="
        " (SELECT max(id) FROM receipts_receipt WHERE status = 'draft')"
        " WHERE id = (SELECT max(id) FROM receipts_runentry WHERE state = 'waiting')"
    ),
    "receipts_billeduntil_true": Attack(
        "INSERT INTO receipts_billeduntil (project_id, month)"
        " SELECT project_id, period_id FROM pricing_charge c WHERE NOT EXISTS ("
        " SELECT 1 FROM receipts_linecharge k WHERE k.charge_id = c.id) LIMIT 1"
    ),
    "receipts_runentry_refuse": Attack(delete("receipts_runentry")),
    "receipts_runentry_no_truncate": truncate("receipts_runentry"),
    "line_position_once": Attack(
        "INSERT INTO receipts_line SELECT (jsonb_populate_record(NULL::receipts_line, to_jsonb(x)"
        " || jsonb_build_object('id', 999))).* FROM receipts_line x JOIN receipts_receipt d"
        " ON d.id = x.receipt_id WHERE d.status = 'draft' LIMIT 1"
    ),
    "receipts_line_frozen": Attack(change("receipts_line", amount=0)),
    "receipts_line_no_truncate": truncate("receipts_line"),
    "receipts_linecharge_charge_id_key": Attack(
        "INSERT INTO receipts_linecharge (line_id, charge_id) SELECT k.line_id, k.charge_id"
        " FROM receipts_linecharge k JOIN receipts_line l ON l.id = k.line_id"
        " JOIN receipts_receipt d ON d.id = l.receipt_id WHERE d.status = 'draft' LIMIT 1"
    ),
    "receipts_linecharge_joins_draft": Attack(
        "INSERT INTO receipts_linecharge (line_id, charge_id) SELECT l.id, c.id"
        " FROM receipts_line l JOIN receipts_receipt d ON d.id = l.receipt_id"
        " CROSS JOIN pricing_charge c WHERE d.status = 'issued' AND c.id NOT IN"
        " (SELECT charge_id FROM receipts_linecharge) LIMIT 1"
    ),
    "receipts_linecharge_frozen": Attack(
        "DELETE FROM receipts_linecharge WHERE charge_id IN"
        f" (SELECT id FROM pricing_charge WHERE {BILLED})"
    ),
    "receipts_linecharge_no_truncate": truncate("receipts_linecharge"),
    "document_file_once": Attack(copy_of("receipts_documentfile")),
    "document_file_form": Attack(copy_of("receipts_documentfile", form="xml")),
    "document_file_digest": Attack(copy_of("receipts_documentfile", is_copy=True, sha256="0" * 64)),
    "receipts_documentfile_issued": Attack(
        "INSERT INTO receipts_documentfile (receipt_id, form, language, is_copy, content, sha256,"
        " renderer, created_at) SELECT d.id, f.form, f.language, f.is_copy, f.content, f.sha256,"
        " f.renderer, now() FROM receipts_documentfile f JOIN receipts_receipt d"
        " ON d.status = 'draft' LIMIT 1"
    ),
    "receipts_documentfile_refuse": Attack(delete("receipts_documentfile")),
    "receipts_documentfile_no_truncate": truncate("receipts_documentfile"),
    "series_once": Attack(copy_of("receipts_series", last_number=0)),
    "series_pattern": Attack(copy_of("receipts_series", code="X", last_number=0, pattern="RC")),
    "series_goes_on": Attack(
        copy_of("receipts_series", code="X", last_number=1, opened_after=2),
        also=("receipts_series_begins",),
    ),
    "receipts_series_begins": Attack(copy_of("receipts_series", code="X", last_number=5)),
    "receipts_series_refuse_update": Attack(
        change("receipts_series", last_number=0), also=("payments_series_number_taken",)
    ),
    "payments_series_number_taken": Attack(
        "UPDATE receipts_series SET last_number = last_number + 1 WHERE code = 'RC'"
    ),
    "receipts_series_refuse_delete": Attack(
        "INSERT INTO receipts_series (code, fiscal_year, pattern, opened_after, last_number)"
        " VALUES ('X', 2026, '{number}', 0, 0);"
        "DELETE FROM receipts_series WHERE code = 'X'"
    ),
    "receipts_series_no_truncate": truncate("receipts_series"),
}
