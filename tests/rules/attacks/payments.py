"""Attacks on the rules of payments."""

from tests.rules.attacks.making import SECOND, UUID, Attack, change, copy_of, delete, truncate

OPEN = "SELECT min(id) FROM receipts_receipt WHERE status = 'issued' AND kind = 'receipt'"
PART = "status = 'part_paid'"
VOID = "SELECT min(id) FROM receipts_receipt WHERE status = 'void'"
KEPT = "SELECT payment_id FROM payments_refund LIMIT 1"
LATE = "2026-11-21T00:00:00Z"
DOCUMENTED = "payments_*_documented"


def withhold(**values: str) -> Attack:
    """Write down a little tax withheld of the part paid receipt."""
    row = {
        "amount": "0.01", "percent": "3", "certificate": "'new'", "day": "now()",
        "reverses_id": "NULL", "reason": "''", "recorded_by_id": f"({SECOND})", **values,
    }  # fmt: skip
    return Attack(
        f"INSERT INTO payments_withholding (receipt_id, recorded_at, {', '.join(row)})"
        f" SELECT id, now(), {', '.join(row.values())} FROM receipts_receipt WHERE {PART}",
        also=(DOCUMENTED,),
    )


def take_back(certificate: str, **values: str) -> Attack:
    """Take back what this certificate is about."""
    found = f"SELECT min(id) FROM payments_withholding WHERE certificate = '{certificate}'"
    day = f"(SELECT day FROM payments_withholding WHERE id = ({found}))"
    row = {"amount": "-1", "certificate": f"'{certificate}'", "day": day, "reason": "'a mistake'"}
    return withhold(**row, **{"reverses_id": f"({found})", **values})


WITHHOLDINGS = {
    "withholding_reversal_has_reason": withhold(recorded_by_id="NULL"),
    "withholding_has_certificate": withhold(certificate="''"),
    "payments_withholding_reverses_id_key": take_back("WHT-1"),
    "payments_withholding_fits": take_back("WHT-2", percent="4"),
    "payments_withholding_documented": withhold(),
    "payments_withholding_agrees": withhold(amount="receipts_payable(id) - payments_settled(id)"),
    "payments_withholding_refuse": Attack(change("payments_withholding", amount="2")),
    "payments_withholding_no_truncate": truncate("payments_withholding"),
}
WAITS = "status = 'requested'"
REFUND_WAITS = f"{WAITS} AND NOT bounced"
BOUNCED = "status = 'requested' AND bounced"
APPROVED = f"approved_at = now(), approved_by_id = ({SECOND})"
REFUNDS = {
    "payments_refund_fits": Attack(copy_of("payments_refund", REFUND_WAITS, amount=100000)),
    "payments_refund_frozen": Attack(change("payments_refund", REFUND_WAITS, amount="0.01")),
    "refund_bounces_once": Attack(
        copy_of("payments_refund", BOUNCED), also=("payments_refund_fits",)
    ),
    "refund_bounced_at_once": Attack(
        f"UPDATE payments_refund SET status = 'approved', {APPROVED} WHERE {BOUNCED}"
    ),
    "payments_bounced_settles_nothing": Attack(
        f"UPDATE payments_refund SET status = 'paid_out', done_at = now(), reference = 'x',"
        f" {APPROVED} WHERE {BOUNCED}"
    ),
    "payments_refund_no_truncate": truncate("payments_refund"),
    "refund_amount_and_reason": Attack(copy_of("payments_refund", REFUND_WAITS, reason="")),
    "refund_steps": Attack(copy_of("payments_refund", REFUND_WAITS, done_at=LATE)),
    "refund_second_person": Attack(
        "UPDATE payments_refund SET status = 'approved', approved_at = now(),"
        f" approved_by_id = requested_by_id WHERE {REFUND_WAITS}"
    ),
}


def official(where: str = "true", **values: object) -> Attack:
    """Give an official receipt of something once more, with some of it changed."""
    fresh = {"number": "new", "sequence": 999, "verify_token": "new", "replaces_id": None}
    made = copy_of("payments_officialreceipt", where, **{**fresh, **values})
    return Attack(made, also=("payments_official_fits", DOCUMENTED))


def cancel(when: str = "now()", reason: str = "wrong", *, early: bool = False) -> Attack:
    """Cancel an official receipt that is in force, maybe earlier than it was given."""
    return Attack(
        "INSERT INTO payments_officialcancellation (official_id, reason, cancelled_at)"
        f" SELECT max(id), '{reason}', {when} FROM payments_officialreceipt",
        also=(DOCUMENTED, *(("payments_cancellation_fits",) if early else ())),
    )


KEEP = {"number": "new", "sequence": 999, "verify_token": "new"}
OFFICIAL = {
    "payments_official_fits": official(),
    "payments_official_documented": official(),
    # Of what another receipt was settled by; then the credit note of this one.
    "payments_note_documented": Attack(
        official().sql.replace("'id', nextval", f"'receipt_id', ({VOID}), 'id', nextval")
        + "; UPDATE receipts_receipt SET status = status WHERE kind = 'credit_note'",
        also=("payments_official_fits", DOCUMENTED),
    ),
    "payments_official_in_open_month": official(issued_at="2020-01-05T00:00:00Z"),
    "payments_cancellation_in_open_month": cancel("'2020-01-05'", early=True),
    "payments_cancellation_fits": cancel("'2026-01-05'"),
    "payments_cancellation_documented": cancel(),
    "official_file_once": Attack(copy_of("payments_officialfile")),
    "official_file_language": Attack(copy_of("payments_officialfile", language="fr")),
    "official_file_digest": Attack(copy_of("payments_officialfile", is_copy=True, sha256="0" * 64)),
    "payments_officialfile_refuse": Attack(delete("payments_officialfile")),
    "payments_officialfile_no_truncate": truncate("payments_officialfile"),
    "official_receipt_number_once": official(sequence=1, where="sequence = 1"),
    "official_receipt_amounts": official(amount=-1),
    "official_receipt_of_an_act": official(allocation_id=None, withholding_id=None),
    "official_receipt_has_hash": official(sha256=""),
    "payments_officialreceipt_number_key": Attack(
        copy_of("payments_officialreceipt", sequence=999, verify_token="new", replaces_id=None),
        also=("payments_official_fits", DOCUMENTED),
    ),
    "payments_officialreceipt_verify_token_key": Attack(
        copy_of("payments_officialreceipt", sequence=999, number="new", replaces_id=None),
        also=("payments_official_fits", DOCUMENTED),
    ),
    "payments_officialreceipt_replaces_id_key": Attack(
        copy_of("payments_officialreceipt", "replaces_id IS NOT NULL", **KEEP),
        also=("payments_official_fits", DOCUMENTED),
    ),
    "payments_officialreceipt_refuse": Attack(delete("payments_officialreceipt")),
    "payments_officialreceipt_no_truncate": truncate("payments_officialreceipt"),
    "official_cancellation_has_reason": cancel(reason=""),
    "payments_officialcancellation_official_id_key": Attack(
        copy_of("payments_officialcancellation")
    ),
    "payments_officialcancellation_refuse": Attack(delete("payments_officialcancellation")),
    "payments_officialcancellation_no_truncate": truncate("payments_officialcancellation"),
}
NO = {"status": "rejected", "rejected_at": LATE, "rejected_because": "no"}
WRITE_OFFS = {
    "write_off_once": Attack(copy_of("receipts_writeoff", WAITS)),
    "write_off_amount_and_reason": Attack(copy_of("receipts_writeoff", WAITS, **NO, reason="")),
    "write_off_steps": Attack(
        copy_of("receipts_writeoff", WAITS, **{**NO, "rejected_because": ""})
    ),
    "write_off_second_person": Attack(
        "UPDATE receipts_writeoff SET status = 'approved', approved_at = now(),"
        f" approved_by_id = requested_by_id WHERE {WAITS}",
        also=("payments_write_off_agrees",),
    ),
    "receipts_writeoff_frozen": Attack(change("receipts_writeoff", WAITS, amount="0.01")),
    "receipts_writeoff_no_truncate": truncate("receipts_writeoff"),
}
ATTACKS: dict[str, Attack] = {
    "inbound_event_once": Attack(copy_of("payments_inboundevent")),
    "inbound_event_mismatch_has_reason": Attack(
        copy_of("payments_inboundevent", "outcome = 'mismatch'", external_event_id="n", reason="")
    ),
    "inbound_event_resolution": Attack(
        copy_of(
            "payments_inboundevent", "outcome = 'applied'", external_event_id="n", resolution="done"
        )
    ),
    "inbound_event_amount": Attack(
        copy_of("payments_inboundevent", external_event_id="n", amount="NaN")
    ),
    "payments_inboundevent_frozen": Attack(change("payments_inboundevent", amount="1.00")),
    "payments_inboundevent_no_truncate": truncate("payments_inboundevent"),
    "payments_payment_public_id_key": Attack(
        copy_of("payments_payment", "status = 'pending'", external_id="new", provider="third")
    ),
    "payment_one_pending": Attack(
        copy_of("payments_payment", "status = 'pending'", external_id="new", public_id=UUID)
    ),
    "payment_external_once": Attack(
        copy_of(
            "payments_payment",
            "status = 'pending' AND external_id <> ''",
            public_id=UUID,
            status="failed",
        )
    ),
    "payment_amount_in_range": Attack(
        change("payments_payment", "status = 'pending'", amount="NaN"),
        also=("payments_payment_keeps_purpose",),
    ),
    "payments_payment_keeps_purpose": Attack(
        change("payments_payment", "status = 'pending'", amount="0.01")
    ),
    "payments_payment_refuse_delete": Attack(
        "DELETE FROM payments_payment WHERE status = 'pending' AND provider = 'dummy'"
    ),
    "payment_settled_by_event": Attack(
        change("payments_payment", "status = 'pending'", settled_at="2026-11-21T00:00:00Z")
    ),
    "payments_payment_settled_by_id_key": Attack(
        "INSERT INTO payments_payment SELECT (jsonb_populate_record(NULL::payments_payment,"
        " to_jsonb(x) || jsonb_build_object('id', 999, 'external_id', 'new', 'public_id',"
        f" '{UUID}'))).* FROM payments_payment x WHERE status = 'succeeded' LIMIT 1",
        also=("payments_payment_settles",),
    ),
    "payments_payment_settles": Attack(
        "UPDATE payments_payment SET status = 'succeeded', settled_at = now(), settled_by_id ="
        " (SELECT min(id) FROM payments_inboundevent WHERE outcome = 'mismatch')"
        " WHERE id = (SELECT min(id) FROM payments_payment WHERE status = 'pending')"
    ),
    "payments_payment_frozen": Attack(
        change("payments_payment", "status = 'succeeded'", external_id="other"),
        also=("payments_payment_settles", "payments_payment_keeps_purpose"),
    ),
    "payments_payment_no_truncate": truncate("payments_payment"),
    "allocation_amount_in_range": Attack(
        "INSERT INTO payments_allocation (payment_id, receipt_id, amount, created_at)"
        " SELECT payment_id, receipt_id, 0, now() FROM payments_allocation LIMIT 1"
    ),
    # Of another project's payment, and nothing in all.
    "payments_allocation_fits": Attack(
        "INSERT INTO payments_allocation (payment_id, receipt_id, amount, created_at)"
        f" SELECT p.id, ({OPEN}), v, now() FROM payments_payment p,"
        f" (VALUES (1), (-1)) t(v) WHERE p.id = ({KEPT}) ORDER BY v DESC"
    ),
    "payments_allocation_agrees": Attack(
        "INSERT INTO payments_allocation (payment_id, receipt_id, amount, created_at)"
        f" SELECT ({KEPT}), id, receipts_payable(id) - payments_settled(id), now()"
        f" FROM receipts_receipt WHERE {PART}",
        also=(DOCUMENTED,),
    ),
    "payments_allocation_documented": Attack(
        "INSERT INTO payments_allocation (payment_id, receipt_id, amount, created_at)"
        f" SELECT ({KEPT}), id, 0.01, now() FROM receipts_receipt WHERE {PART}"
    ),
    "payments_allocation_refuse": Attack(change("payments_allocation", amount="0.01")),
    "payments_allocation_no_truncate": truncate("payments_allocation"),
    "payments_status_agrees": Attack(
        change(
            "receipts_receipt",
            "status = 'issued' AND kind = 'receipt'",
            status="paid",
            paid_at="2026-11-21T00:00:00Z",
        )
    ),
    "payments_write_off_agrees": Attack(
        "UPDATE receipts_writeoff SET status = 'approved', approved_at = now(),"
        f" approved_by_id = ({SECOND}) WHERE status = 'requested'"
    ),
    **WITHHOLDINGS,
    **REFUNDS,
    **OFFICIAL,
    **WRITE_OFFS,
}
