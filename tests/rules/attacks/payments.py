"""Attacks on the rules of payments."""

from tests.rules.attacks.making import UUID, Attack, change, copy_of, delete, truncate

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
        f" '{UUID}'))).* FROM payments_payment x WHERE status = 'succeeded'",
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
    "allocation_once": Attack(copy_of("payments_allocation"), also=("payments_allocation_fits",)),
    "allocation_amount_in_range": Attack(
        "INSERT INTO payments_allocation (payment_id, receipt_id, amount, created_at)"
        " SELECT payment_id, (SELECT min(id) FROM receipts_receipt), -1, now()"
        " FROM payments_allocation LIMIT 1"
    ),
    "payments_allocation_fits": Attack(
        "INSERT INTO payments_allocation (payment_id, receipt_id, amount, created_at)"
        " SELECT payment_id, (SELECT min(id) FROM receipts_receipt WHERE status = 'issued'),"
        " amount, now() FROM payments_allocation LIMIT 1"
    ),
    "payments_allocation_refuse": Attack(delete("payments_allocation")),
    "payments_allocation_no_truncate": truncate("payments_allocation"),
    "payments_paid_is_allocated": Attack(
        change(
            "receipts_receipt", "status = 'issued'", status="paid", paid_at="2026-11-21T00:00:00Z"
        )
    ),
}
