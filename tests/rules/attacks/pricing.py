"""Attacks on the rules of pricing."""

from tests.rules.attacks.making import (
    DRAFT,
    DRAFT_SLABS,
    SECOND,
    SUBMIT,
    SUBMITTED,
    UNBILLED,
    Attack,
    change,
    copy_of,
    delete,
    negation,
    truncate,
)

DRAFTED = "status = 'draft'"
ITEM_ONCE = ("outage_item_once",)
ANEW = ("pricing_charge_one_live", "pricing_charge_next", "pricing_newlycharged_is_rated")
"""What refuses that a job is charged again."""
TAKE_BACK = (
    "INSERT INTO pricing_charge SELECT (jsonb_populate_record(NULL::pricing_charge, to_jsonb(x)"
    " || jsonb_build_object('id', nextval(pg_get_serial_sequence('pricing_charge', 'id')),"
    " 'reverses_id', x.id, 'quantity', -x.quantity, 'amount', -x.amount))).*"
    " FROM pricing_charge x WHERE job_id ="
    f" (SELECT min(job_id) FROM pricing_charge WHERE {UNBILLED}) AND {UNBILLED}"
)
"""All charges of a job."""
TAKEN_BACK = "id = (SELECT reverses_id FROM pricing_charge ORDER BY id DESC LIMIT 1)"


def _canary(**changes: str) -> str:
    """A comparison of the list that has none yet."""
    return copy_of("pricing_canary", **changes).replace(
        "to_jsonb(x) ||",
        f"to_jsonb(x) || jsonb_build_object('price_list_id', ({SUBMITTED})) ||",
    )


ATTACKS: dict[str, Attack] = {
    "price_list_currency_code": Attack(
        copy_of("pricing_pricelist", "status = 'draft'", revision=9, currency="bht")
    ),
    "price_list_steps": Attack(change("pricing_pricelist", "status = 'draft'", status="submitted")),
    "price_list_second_person": Attack(
        "UPDATE pricing_pricelist SET status = 'published', published_at = now(),"
        " approved_by_id = submitted_by_id WHERE status = 'submitted'",
        also=("pricing_pricelist_approved_by_other", "pricing_pricelist_was_compared"),
    ),
    "pricing_pricelist_starts_as_draft": Attack(
        copy_of("pricing_pricelist", "status = 'submitted'", revision=9)
    ),
    "pricing_pricelist_submitted_first": Attack(
        "UPDATE pricing_pricelist SET status = 'published', published_at = now(),"
        f" submitted_at = now(), submitted_by_id = created_by_id, approved_by_id = ({SECOND})"
        " WHERE status = 'draft'",
        also=("pricing_pricelist_was_compared",),
    ),
    "pricing_pricelist_is_approved": Attack(
        "UPDATE pricing_pricelist SET status = 'published', published_at = now()"
        " WHERE status = 'submitted'",
        also=("pricing_pricelist_was_compared",),
    ),
    "pricing_pricelist_was_compared": Attack(
        "UPDATE pricing_pricelist SET status = 'published', published_at = now(),"
        f" approved_by_id = ({SECOND}) WHERE status = 'submitted'"
    ),
    "canary_named_override": Attack(_canary(outcome="overridden", override_reason="as agreed")),
    "canary_in_range": Attack(_canary(month="2026-11-02")),
    "pricing_canary_price_list_id_key": Attack(copy_of("pricing_canary")),
    "pricing_canary_refuse": Attack(change("pricing_canary", limit_percent=900)),
    "pricing_canary_no_truncate": truncate("pricing_canary"),
    "price_study_in_range": Attack(copy_of("pricing_pricestudy", until="2020-01-01T00:00Z")),
    "price_study_steps": Attack(
        copy_of("pricing_pricestudy", "status = 'done'", figures=None, digest="")
    ),
    "pricing_pricestudy_refuse": Attack(
        change("pricing_pricestudy", "status = 'done'", cost="1.00")
    ),
    "pricing_pricelist_stands": Attack(
        change("pricing_pricelist", "status = 'submitted'", note="cheaper")
    ),
    "pricing_pricelist_refuse_delete": Attack(
        f"DELETE FROM pricing_rate WHERE price_list_id IN ({SUBMITTED});"
        + delete("pricing_pricelist", "status = 'submitted'"),
        also=("pricing_rate_frozen",),
    ),
    "pricing_pricelist_has_rates": Attack(
        f"DELETE FROM pricing_slab WHERE {DRAFT_SLABS};"
        "DELETE FROM pricing_equivalentpart;DELETE FROM"
        " pricing_equivalent;"
        f"DELETE FROM pricing_rate WHERE price_list_id IN ({DRAFT});{SUBMIT}"
    ),
    "pricing_pricelist_slabs_rise": Attack(
        f"UPDATE pricing_slab SET up_to = 100, unit_price = 1 WHERE {DRAFT_SLABS};{SUBMIT}"
    ),
    "pricing_pricelist_has_no_ties": Attack(
        "INSERT INTO pricing_rate SELECT (jsonb_populate_record(NULL::pricing_rate, to_jsonb(x) ||"
        """ '{"id": 999, "cluster_id": null, "qos": "high"}')).* FROM pricing_rate x"""
        f" WHERE resource = 'gpu' AND price_list_id IN ({DRAFT});"
        "INSERT INTO pricing_slab (rate_id, position, unit_price, flat_fee) VALUES (999, 1, 1, 0);"
        + SUBMIT
    ),
    "pricing_pricelist_units_defined": Attack(
        f"DELETE FROM pricing_rate WHERE resource = 'unit:che';{SUBMIT}"
    ),
    "pricing_pricelist_units_apart": Attack(
        copy_of("pricing_equivalent", code="other")
        + ";INSERT INTO pricing_equivalentpart (equivalent_id, resource, counts, per)"
        " SELECT max(id), 'cpu', 1, 1 FROM pricing_equivalent;"
        + copy_of("pricing_rate", "resource = 'unit:che'", resource="unit:other")
        + ";"
        + SUBMIT
    ),
    "pricing_pricelist_items_known": Attack(
        copy_of("pricing_rate", "resource = 'unit:che'", resource="sku:nothing") + ";" + SUBMIT
    ),
    "pricing_pricelist_free_known": Attack(
        change("pricing_pricelist", "status = 'draft'", free_resources="{coffee}") + ";" + SUBMIT
    ),
    "pricing_pricelist_keeps_editors": Attack(
        f"UPDATE pricing_pricelist SET edited_by_id = ({SECOND}) WHERE status = 'draft';"
        "UPDATE pricing_pricelist SET edited_by_id = created_by_id WHERE status = 'draft';"
        f"UPDATE pricing_pricelist SET status = 'submitted', submitted_at = now(), submitted_by_id"
        " = created_by_id WHERE status = 'draft';"
        f"UPDATE pricing_pricelist SET status = 'published', published_at = now(), approved_by_id ="
        f" ({SECOND}) WHERE status = 'submitted' AND effective_at = (SELECT min(effective_at)"
        " FROM pricing_pricelist WHERE status = 'submitted')",
        also=("pricing_pricelist_was_compared",),
    ),
    "pricing_pricelist_approved_by_other": Attack(
        "INSERT INTO pricing_pricelisteditor (price_list_id, user_id)"
        f" SELECT id, ({SECOND}) FROM pricing_pricelist WHERE status = 'submitted';"
        "UPDATE pricing_pricelist SET status = 'published', published_at = now(),"
        f" approved_by_id = ({SECOND}) WHERE status = 'submitted'",
        also=("pricing_pricelist_was_compared",),
    ),
    "pricing_pricelisteditor_stays": Attack(delete("pricing_pricelisteditor")),
    "pricing_pricelisteditor_no_truncate": truncate("pricing_pricelisteditor"),
    "price_list_of_one": Attack(change("pricing_pricelist", "status = 'draft'", tier_id=None)),
    "price_list_ends_after_start": Attack(
        "UPDATE pricing_pricelist SET tier_id = NULL, ends_at = effective_at, project_id ="
        " (SELECT min(id) FROM accounts_project) WHERE status = 'draft'"
    ),
    "price_list_terms_in_range": Attack(
        change("pricing_pricelist", "status = 'draft'", cap="1", commitment="2")
    ),
    "price_list_editor_once": Attack(copy_of("pricing_pricelisteditor")),
    "price_list_once": Attack(copy_of("pricing_pricelist", "status = 'draft'")),
    "pricing_pricelist_refuse": Attack(
        change("pricing_pricelist", "status = 'published'", note="cheaper")
    ),
    "pricing_pricelist_no_truncate": truncate("pricing_pricelist"),
    "rate_in_range": Attack(
        change("pricing_rate", f"price_list_id IN ({DRAFT})", unit_price="NaN")
    ),
    "rate_price_by_model": Attack(
        change("pricing_rate", f"price_list_id IN ({DRAFT})", unit_price=None)
    ),
    "rate_resource_known": Attack(
        change("pricing_rate", f"price_list_id IN ({DRAFT})", resource="coffee")
    ),
    "rate_once": Attack(copy_of("pricing_rate", f"price_list_id IN ({DRAFT})")),
    "rate_basis_known": Attack(
        change("pricing_rate", f"price_list_id IN ({DRAFT}) AND resource = 'gpu'", basis="used")
    ),
    "rate_terms_in_range": Attack(
        change("pricing_rate", f"price_list_id IN ({DRAFT})", discount_percent="NaN")
    ),
    "slab_in_range": Attack(change("pricing_slab", DRAFT_SLABS, unit_price="NaN")),
    "slab_once": Attack(copy_of("pricing_slab", DRAFT_SLABS)),
    "state_policy_in_range": Attack(change("pricing_statepolicy", reason=" ")),
    "state_policy_once": Attack(copy_of("pricing_statepolicy")),
    "equivalent_combine_known": Attack(change("pricing_equivalent", combine="avg")),
    "equivalent_once": Attack(copy_of("pricing_equivalent")),
    "equivalent_part_in_range": Attack(change("pricing_equivalentpart", per=0)),
    "equivalent_part_once": Attack(copy_of("pricing_equivalentpart")),
    "pricing_slab_frozen": Attack(
        f"INSERT INTO pricing_slab (rate_id, position, unit_price, flat_fee) SELECT id, 1, 0, 0"
        f" FROM pricing_rate WHERE price_list_id IN ({SUBMITTED})"
    ),
    "pricing_slab_no_truncate": truncate("pricing_slab"),
    "pricing_statepolicy_frozen": Attack(
        "INSERT INTO pricing_statepolicy (price_list_id, state, percent, reason)"
        f" SELECT id, 'FAILED', 0, 'x' FROM ({SUBMITTED}) x"
    ),
    "pricing_statepolicy_no_truncate": truncate("pricing_statepolicy"),
    "pricing_equivalent_frozen": Attack(
        "INSERT INTO pricing_equivalent (price_list_id, code, name, partition, combine)"
        f" SELECT id, 'x', 'x', '', 'max' FROM ({SUBMITTED}) x"
    ),
    "pricing_equivalent_no_truncate": truncate("pricing_equivalent"),
    "pricing_equivalentpart_frozen": Attack(f"{SUBMIT};UPDATE pricing_equivalentpart SET per = 2"),
    "pricing_equivalentpart_no_truncate": truncate("pricing_equivalentpart"),
    "pricing_sku_keeps_code": Attack(change("pricing_sku", unit="hour")),
    "pricing_sku_refuse": Attack(delete("pricing_sku")),
    "pricing_sku_no_truncate": truncate("pricing_sku"),
    "pricing_sku_code_key": Attack(copy_of("pricing_sku")),
    "counter_in_range": Attack(
        change("pricing_counter", month="2026-11-02"), also=("pricing_counter_counts",)
    ),
    "counter_once": Attack(copy_of("pricing_counter"), also=("counter_no_overlap",)),
    "counter_no_overlap": Attack(
        copy_of("pricing_counter", month="2026-10-01"), also=("pricing_counter_begins",)
    ),
    "counter_of_a_month": Attack(
        change("pricing_counter", ends_at="2027-11-01T00:00:00Z"), also=("pricing_counter_counts",)
    ),
    "pricing_counter_begins": Attack(
        "INSERT INTO pricing_counter (project_id, rate_id, month, starts_at, ends_at, quantity,"
        " amount) SELECT (SELECT id FROM accounts_project WHERE code = 'pi_niran'), rate_id,"
        " '2020-01-01', starts_at, ends_at, 0, 0 FROM pricing_counter WHERE quantity = 0"
    ),
    "pricing_counter_counts": Attack(
        "UPDATE pricing_counter SET quantity = 0, amount = 0 WHERE quantity > 0"
    ),
    "pricing_counter_refuse": Attack(delete("pricing_counter", "quantity = 0")),
    "pricing_counter_no_truncate": truncate("pricing_counter"),
    # The first charge by slabs is taken back: what is left is dearer than what was charged for it.
    "pricing_counter_adds_up": Attack(
        negation("counter_before = 0 AND quantity > 0", counter_before=72000, counter_after=43200)
    ),
    "pricing_charge_counts": Attack(
        copy_of("pricing_charge", "counter_before = 0 AND quantity > 0", generation=9),
        also=ANEW,
    ),
    "pricing_charge_terms": Attack(
        copy_of("pricing_charge", "kind = 'minimum'", generation=9, amount=1),
        also=ANEW,
    ),
    "pricing_charge_trued_up": Attack(negation("kind = 'true_up'")),
    "pricing_fee_stands": Attack(negation("kind = 'manual' AND amount = 4000")),
    "outage_credit_in_range": Attack(copy_of("pricing_outagecredit", DRAFTED, percent="100.01")),
    "outage_credit_steps": Attack(
        copy_of("pricing_outagecredit", DRAFTED, submitted_at="2026-11-01T00:00Z")
    ),
    "outage_credit_second_person": Attack(
        "UPDATE pricing_outagecredit SET status = 'approved', decided_at = now(),"
        " decided_by_id = author_id WHERE status = 'submitted'"
    ),
    "outage_credit_has_figures": Attack(
        "UPDATE pricing_outagecredit SET status = 'submitted', submitted_at = now()"
        " WHERE status = 'draft'"
    ),
    "pricing_outagecredit_begins": Attack(copy_of("pricing_outagecredit", "status = 'submitted'")),
    "pricing_outagecredit_stands": Attack(
        "UPDATE pricing_outagecredit SET figures = '{}', status = 'withdrawn', decided_at = now()"
        " WHERE status = 'submitted'"
    ),
    "pricing_outagecredit_moves": Attack(
        "UPDATE pricing_outagecredit SET status = 'withdrawn', decided_by_id = NULL"
        " WHERE status = 'approved'"
    ),
    "pricing_outagecredit_refuse": Attack(delete("pricing_outagecredit", DRAFTED)),
    "pricing_outagecredit_no_truncate": truncate("pricing_outagecredit"),
    "adjustment_in_range": Attack(copy_of("pricing_adjustment", DRAFTED, amount=5)),
    "adjustment_percent_of_discount": Attack(copy_of("pricing_adjustment", DRAFTED, percent=5)),
    "adjustment_steps": Attack(
        copy_of("pricing_adjustment", DRAFTED, submitted_at="2026-11-01T00:00Z")
    ),
    "adjustment_second_person": Attack(
        "UPDATE pricing_adjustment SET status = 'approved', decided_at = now(),"
        " decided_by_id = author_id WHERE status = 'submitted'",
        also=("pricing_adjustment_charged",),
    ),
    "adjustment_of_outage": Attack(copy_of("pricing_adjustment", DRAFTED, kind="outage")),
    "adjustment_credits_a_line": Attack(
        copy_of("pricing_adjustment", DRAFTED, credits_receipt_id=1)
    ),
    "pricing_adjustment_begins": Attack(copy_of("pricing_adjustment", "status = 'submitted'")),
    "pricing_adjustment_stands": Attack(
        "UPDATE pricing_adjustment SET amount = -1, status = 'withdrawn', decided_at = now()"
        " WHERE status = 'submitted'"
    ),
    "pricing_adjustment_moves": Attack(
        "UPDATE pricing_adjustment SET status = 'withdrawn', decided_by_id = NULL"
        " WHERE status = 'approved'"
    ),
    "pricing_adjustment_refuse": Attack(delete("pricing_adjustment", DRAFTED)),
    "pricing_adjustment_no_truncate": truncate("pricing_adjustment"),
    "pricing_adjustment_charged": Attack(
        "UPDATE pricing_adjustment SET status = 'approved', decided_at = now()"
        " WHERE status = 'submitted'"
    ),
    "pricing_charge_adjusts": Attack(
        copy_of("pricing_charge", "kind = 'manual'"), also=("pricing_charge_booked",)
    ),
    "outage_item_once": Attack(copy_of("pricing_outageitem", amount="-0.000001")),
    "outage_item_in_range": Attack(copy_of("pricing_outageitem", amount=0), also=ITEM_ONCE),
    "pricing_outageitem_fits": Attack(copy_of("pricing_outageitem", amount=-9999), also=ITEM_ONCE),
    "pricing_outageitem_refuse": Attack(delete("pricing_outageitem")),
    "pricing_outageitem_no_truncate": truncate("pricing_outageitem"),
    "pricing_charge_item_once": Attack(copy_of("pricing_charge", "kind = 'item'")),
    "pricing_jobrating_borne": Attack(
        "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT r.* FROM pricing_jobrating r"
        " JOIN accounts_project p ON p.id = r.project_id WHERE p.code = 'shared';"
        "DELETE FROM pricing_jobrating WHERE job_id IN (SELECT job_id FROM kept);"
        "UPDATE accounts_split SET ends_at = starts_at WHERE project_id IN"
        " (SELECT project_id FROM kept);"
        "INSERT INTO pricing_jobrating SELECT * FROM kept",
        also=("pricing_jobrating_refuse",),
    ),
    "pricing_share_stays": Attack(
        "DELETE FROM accounts_splitshare WHERE id IN (SELECT share_id FROM pricing_charge)",
        also=("accounts_splitshare_whole",),
    ),
    "pricing_rate_frozen": Attack(
        change("pricing_rate", f"price_list_id NOT IN ({DRAFT})", unit_price="0.01")
    ),
    "pricing_rate_no_truncate": truncate("pricing_rate"),
    "charge_once": Attack(copy_of("pricing_charge", UNBILLED), also=ANEW),
    "charge_amount_recomputes": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, amount=1),
        also=ANEW,
    ),
    "charge_currency_code": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, currency="?"),
        also=(*ANEW, "pricing_charge_price"),
    ),
    "charge_basis_known": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, basis="guessed"),
        also=(*ANEW, "pricing_charge_quantity"),
    ),
    "charge_job_by_kind": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, kind="item"),
        also=ANEW,
    ),
    "charge_priced_one_way": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, unit_price=None),
        also=(*ANEW, "pricing_charge_price"),
    ),
    "charge_sign": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, quantity=0, amount=0),
        also=(*ANEW, "pricing_charge_quantity"),
    ),
    "charge_price_in_range": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, unit_price="NaN", amount="NaN"),
        also=(*ANEW, "pricing_charge_price", "charge_amount_recomputes"),
    ),
    "charge_reversed_once": Attack(
        negation(UNBILLED) + ";" + negation(TAKEN_BACK),
        also=("charge_once",),
    ),
    "pricing_charge_booked": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, period_id="2030-01-01"),
        also=ANEW,
    ),
    "pricing_charge_negates": Attack(negation(UNBILLED, resource="gpu")),
    "pricing_charge_one_live": Attack(copy_of("pricing_charge", UNBILLED, generation=2), also=ANEW),
    "pricing_charge_price": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, unit_price="0.000000", amount="0.000000"),
        also=ANEW,
    ),
    "pricing_charge_quantity": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, quantity=36),
        also=(*ANEW, "charge_amount_recomputes"),
    ),
    "pricing_charge_project": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, project_id=4711),
        also=ANEW,
    ),
    "pricing_project_stays": Attack(
        copy_of("accounts_project", code="short-lived")
        + ";UPDATE pricing_jobrating SET project_id = (SELECT max(id) FROM accounts_project)"
        " WHERE status = 'exempt';" + delete("accounts_project")
    ),
    "pricing_charge_rating_agrees": Attack(TAKE_BACK),
    "pricing_charge_next": Attack(
        f"{TAKE_BACK};{copy_of('pricing_charge', TAKEN_BACK, generation=3)};"
        "UPDATE pricing_jobrating SET generation = 3 WHERE job_id ="
        " (SELECT job_id FROM pricing_charge ORDER BY id DESC LIMIT 1)"
    ),
    # A job that has no price, and is charged all the same.
    "pricing_newlycharged_is_rated": Attack(
        f"{TAKE_BACK};UPDATE pricing_jobrating SET status = 'unpriced', reason = 'no_rate'"
        f" WHERE job_id = (SELECT job_id FROM pricing_charge WHERE {TAKEN_BACK});"
        + copy_of("pricing_charge", TAKEN_BACK, generation=2)
    ),
    "pricing_charge_refuse": Attack(change("pricing_charge", UNBILLED, estimated="true")),
    "pricing_charge_no_truncate": truncate("pricing_charge"),
    "job_rating_reason": Attack(
        "UPDATE pricing_jobrating SET reason = 'no_tier' WHERE status = 'rated'"
    ),
    "pricing_jobrating_fits_changed": Attack(
        "UPDATE pricing_jobrating SET status = 'exempt', reason = 'no_usage' WHERE status = 'rated'"
    ),
    "pricing_jobrating_fits": Attack(
        "INSERT INTO pricing_jobrating"
        " (job_id, status, reason, job_revision, generation, since, due)"
        " SELECT 4711, 'unpriced', 'no_project', 1, 0, now(), false"
    ),
    "pricing_jobrating_project": Attack(
        "INSERT INTO usage_job SELECT (jsonb_populate_record(NULL::usage_job, to_jsonb(x) ||"
        ' \'{"id": 4711, "job_id": 4711}\')).* FROM usage_job x LIMIT 1;'
        "INSERT INTO pricing_jobrating (job_id, status, reason, project_id, job_revision,"
        " generation, since, due) SELECT 4711, 'unpriced', 'no_tier', 4711, 1, 0, now(), false",
        also=("usage_job_of_running_import",),
    ),
    "pricing_jobrating_project_changed": Attack(
        "UPDATE pricing_jobrating SET project_id = 4711 WHERE status = 'exempt'"
    ),
    "pricing_jobrating_goes_on": Attack(
        "UPDATE pricing_jobrating SET generation = 0 WHERE status = 'rated'"
    ),
    "pricing_jobrating_refuse": Attack("DELETE FROM pricing_jobrating"),
    "pricing_jobrating_refuse_update": Attack(
        "UPDATE pricing_jobrating SET job_id = 4711 WHERE job_id ="
        " (SELECT min(job_id) FROM pricing_jobrating WHERE status = 'exempt')",
        also=("pricing_jobrating_fits_changed",),
    ),
    "pricing_jobrating_no_truncate": truncate("pricing_jobrating"),
    "pricing_ratedrun_refuse": Attack("DELETE FROM pricing_ratedrun"),
    "pricing_ratedrun_no_truncate": truncate("pricing_ratedrun"),
    "pricing_ratedrun_whole": Attack(
        "INSERT INTO pricing_ratedrun (run_id) SELECT id FROM usage_importrun"
        " WHERE status = 'incomplete'"
    ),
}
