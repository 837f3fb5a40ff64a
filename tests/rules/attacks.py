"""For each rule of the database, SQL that breaks this rule and no other.

``also`` names rules that would refuse the same attack and are put aside with it.
"""

import json
from dataclasses import dataclass, field
from typing import Any

UNBILLED = (
    "reverses_id IS NULL AND id NOT IN (SELECT charge_id FROM receipts_linecharge)"
    " AND id NOT IN (SELECT reverses_id FROM pricing_charge WHERE reverses_id IS NOT NULL)"
)
BILLED = (
    "id IN (SELECT k.charge_id FROM receipts_linecharge k JOIN receipts_line l ON l.id = k.line_id"
    " JOIN receipts_receipt d ON d.id = l.receipt_id WHERE d.status = 'issued')"
)
SECOND = "SELECT id FROM accounts_user WHERE username = 'second'"
DRAFT = "SELECT id FROM pricing_pricelist WHERE status = 'draft'"


@dataclass(frozen=True)
class Attack:
    """Statements that only this rule (and those in ``also``) refuses."""

    sql: str
    also: tuple[str, ...] = field(default=())


def sql_value(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if not isinstance(value, int) else str(value)


def copy_of(table: str, where: str = "true", **changes: Any) -> str:
    """Insert a copy of a row with some columns changed."""
    new = json.dumps(changes).replace("'", "''")
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(x) ||"
        f" jsonb_build_object('id', nextval(pg_get_serial_sequence('{table}', 'id')))"
        f" || '{new}'::jsonb)).* FROM {table} x WHERE {where} ORDER BY id LIMIT 1"
    )


def change(table: str, where: str = "true", **values: Any) -> str:
    """Change one row."""
    sets = ", ".join(f'"{name}" = {sql_value(value)}' for name, value in values.items())
    return f"UPDATE {table} SET {sets} WHERE id = (SELECT min(id) FROM {table} WHERE {where})"


def delete(table: str, where: str = "true") -> str:
    return f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table} WHERE {where})"


def negation(where: str, **changes: Any) -> str:
    """Insert the reversal of a charge, or something like it."""
    new = json.dumps(changes)
    return (
        "INSERT INTO pricing_charge SELECT (jsonb_populate_record(NULL::pricing_charge, to_jsonb(x)"
        " || jsonb_build_object('id', nextval(pg_get_serial_sequence('pricing_charge', 'id')),"
        " 'reverses_id', x.id, 'quantity', -x.quantity, 'amount', -x.amount)"
        f" || '{new}'::jsonb)).* FROM pricing_charge x WHERE {where} ORDER BY id LIMIT 1"
    )


def truncate(table: str) -> Attack:
    return Attack(f"TRUNCATE {table} CASCADE", also=("*_no_truncate",))


# The second cluster becomes another name of the first one's Slurm, and is read from the same place.
SAME_SLURM = "UPDATE usage_cluster SET slurm_name = 'demo' WHERE name = 'second'"
SAME_SOURCE = (
    "INSERT INTO usage_source (cluster_id, position, kind, place, is_enabled)"
    " SELECT (SELECT id FROM usage_cluster WHERE name = 'second'), 1, kind, place, true"
    " FROM usage_source ORDER BY id LIMIT 1"
)
UUID = "00000000-0000-4000-8000-000000000000"
FROZEN_RUN = ("usage_importrun_frozen",)
FROZEN_RECEIPT = ("receipts_receipt_frozen",)

ATTACKS: dict[str, Attack] = {
    # accounts
    "accounts_apitoken_digest_key": Attack(copy_of("accounts_apitoken")),
    "accounts_apitoken_no_truncate": truncate("accounts_apitoken"),
    "accounts_apitoken_refuse": Attack(change("accounts_apitoken", scopes='["*"]')),
    "api_token_digest": Attack(copy_of("accounts_apitoken", digest="key")),
    "api_token_expires_later": Attack(
        copy_of("accounts_apitoken", digest="1" * 64, expires_at="2020-01-01T00:00:00Z")
    ),
    "api_token_scopes_known": Attack(
        copy_of("accounts_apitoken", digest="1" * 64, scopes=["everything"])
    ),
    "accounts_idempotentrequest_refuse": Attack(change("accounts_idempotentrequest", answer="")),
    "idempotent_request_once": Attack(copy_of("accounts_idempotentrequest")),
    "idempotent_request_status": Attack(
        copy_of("accounts_idempotentrequest", key="other", status=500)
    ),
    "accounts_department_code_key": Attack(copy_of("accounts_department")),
    "membership_role_known": Attack(change("accounts_membership", role="boss")),
    "membership_once": Attack(copy_of("accounts_membership")),
    "accounts_project_code_key": Attack(copy_of("accounts_project")),
    "accounts_project_owner_id_key": Attack(
        "UPDATE accounts_project SET owner_id = (SELECT min(id) FROM accounts_user)"
    ),
    "project_tier_ends_after_start": Attack(
        change("accounts_projecttier", ends_at="2020-01-01T00:00:00Z")
    ),
    "project_tier_override_has_reason": Attack(change("accounts_projecttier", override=1)),
    "project_tier_no_overlap": Attack(
        copy_of("accounts_projecttier", starts_at="2026-01-01T00:00:00Z")
    ),
    "accounts_tier_code_key": Attack(copy_of("accounts_tier")),
    "accounts_user_username_key": Attack(copy_of("accounts_user")),
    # audit
    "audit_event_sequence_unique": Attack(
        "UPDATE audit_auditevent SET sequence = 1 WHERE sequence = 2",
        also=("audit_auditevent_refuse_update",),
    ),
    "audit_head_single": Attack(
        "INSERT INTO audit_audithead VALUES (2, 0, '')", also=("audit_audithead_refuse",)
    ),
    "audit_audithead_refuse": Attack("DELETE FROM audit_audithead"),
    "audit_audithead_refuse_update": Attack("UPDATE audit_audithead SET sequence = 0"),
    "audit_audithead_no_truncate": truncate("audit_audithead"),
    "audit_auditevent_no_truncate": truncate("audit_auditevent"),
    "audit_auditevent_refuse_delete": Attack(delete("audit_auditevent")),
    "audit_auditevent_refuse_update": Attack(change("audit_auditevent", actor_name="nobody")),
    # usage
    "account_mapping_once": Attack(copy_of("usage_accountmapping")),
    "usage_cluster_name_key": Attack(copy_of("usage_cluster")),
    "exemption_ends_after_start": Attack(change("usage_exemption", ends_at="2019-01-01T00:00:00Z")),
    "exemption_has_reason": Attack(copy_of("usage_exemption", reason=" ")),
    "exemption_of_all_ends": Attack(copy_of("usage_exemption", partition="")),
    "usage_exemption_frozen": Attack(change("usage_exemption", reservation="other")),
    "usage_exemption_refuse": Attack(delete("usage_exemption")),
    "usage_exemption_no_truncate": truncate("usage_exemption"),
    "evidence_sizes": Attack(
        copy_of("usage_evidence", sha256="1" * 64, content_sha256="1" * 64, size_bytes=-1)
    ),
    "usage_evidence_sha256_key": Attack(copy_of("usage_evidence", content_sha256="1" * 64)),
    "usage_evidence_content_sha256_key": Attack(copy_of("usage_evidence", sha256="1" * 64)),
    "usage_evidence_refuse": Attack(change("usage_evidence", size_bytes=1)),
    "usage_evidence_no_truncate": truncate("usage_evidence"),
    "evidence_chunk_once": Attack(copy_of("usage_evidencechunk")),
    "usage_evidencechunk_refuse": Attack(delete("usage_evidencechunk")),
    "usage_evidencechunk_no_truncate": truncate("usage_evidencechunk"),
    "import_run_rows_add_up": Attack(change("usage_importrun", rows_read=77), also=FROZEN_RUN),
    "import_run_counts_positive": Attack(
        "UPDATE usage_importrun SET steps = -1, jobs_new = jobs_new + 1",
        also=(*FROZEN_RUN, "import_run_evidence_gives_jobs_once"),
    ),
    "import_run_finished_has_time": Attack(
        change("usage_importrun", finished_at=None), also=FROZEN_RUN
    ),
    "import_run_release_has_name": Attack(
        change("usage_importrun", "status = 'incomplete'", status="released")
    ),
    "import_run_complete_is_whole": Attack(
        change("usage_importrun", "status = 'incomplete'", status="complete"), also=FROZEN_RUN
    ),
    "import_run_once": Attack(
        copy_of("usage_importrun", public_id=UUID), also=("import_run_evidence_gives_jobs_once",)
    ),
    "import_run_evidence_gives_jobs_once": Attack(
        copy_of("usage_importrun", "jobs_new > 0", public_id=UUID, time_zone="Asia/Tokyo")
    ),
    "import_run_retried_once": Attack(
        copy_of("usage_importrun", "retry_of_id IS NOT NULL", public_id=UUID)
    ),
    "usage_importrun_retries": Attack(
        "INSERT INTO usage_importrun SELECT (jsonb_populate_record(NULL::usage_importrun,"
        " to_jsonb(x) || jsonb_build_object('id', 999, 'public_id',"
        f" '{UUID}', 'retry_of_id', x.id, 'time_zone', 'Asia/Tokyo'))).*"
        " FROM usage_importrun x WHERE status = 'complete' LIMIT 1"
    ),
    "usage_importrun_keeps_retry": Attack(
        "UPDATE usage_importrun SET retry_of_id = (SELECT min(id) FROM usage_importrun)"
        " WHERE retry_of_id IS NOT NULL"
    ),
    "usage_importrun_public_id_key": Attack(
        copy_of("usage_importrun", time_zone="Asia/Tokyo"),
        also=("import_run_evidence_gives_jobs_once",),
    ),
    "usage_importrun_frozen": Attack(
        change("usage_importrun", "status = 'complete'", time_zone="Asia/Tokyo")
    ),
    "usage_importrun_refuse": Attack(
        delete("usage_importrun", "retry_of_id IS NOT NULL"),
    ),
    "usage_importrun_no_truncate": truncate("usage_importrun"),
    "job_identity": Attack(copy_of("usage_job"), also=("usage_job_of_running_import",)),
    "job_quantities_positive": Attack(
        change("usage_job", cpu_seconds=-1), also=("usage_job_keeps_revisions",)
    ),
    "job_used_positive": Attack(
        change("usage_job", used_cpu_seconds=-1), also=("usage_job_keeps_revisions",)
    ),
    "job_ends_after_start": Attack(
        change("usage_job", "start IS NOT NULL", end="2000-01-01T00:00:00Z"),
        also=("usage_job_keeps_revisions",),
    ),
    "usage_job_keeps_revisions": Attack(change("usage_job", cpu_seconds=1)),
    "usage_job_held_by_run": Attack(
        "UPDATE usage_job SET run_id = (SELECT min(id) FROM usage_importrun WHERE status ="
        " 'incomplete') WHERE id = (SELECT min(id) FROM usage_job)"
    ),
    "usage_job_of_running_import": Attack(copy_of("usage_job", job_id=4712)),
    "usage_job_refuse_update": Attack(change("usage_job", job_id=4711)),
    "usage_job_refuse_delete": Attack(
        copy_of("usage_job", job_id=4711) + ";" + delete("usage_job", "job_id = 4711"),
        also=("usage_job_of_running_import",),
    ),
    "usage_job_no_truncate": truncate("usage_job"),
    "job_revision_once": Attack(copy_of("usage_jobrevision")),
    "usage_jobrevision_refuse": Attack(change("usage_jobrevision", line=99)),
    "usage_jobrevision_no_truncate": truncate("usage_jobrevision"),
    "pull_once_a_slot": Attack(copy_of("usage_pull")),
    "pull_kind": Attack(change("usage_pull", kind="hourly")),
    "source_once": Attack(copy_of("usage_source", position=3)),
    "usage_source_one_reader": Attack(f"{SAME_SLURM};{SAME_SOURCE}"),
    "usage_cluster_one_reader": Attack(f"{SAME_SOURCE};{SAME_SLURM}"),
    "source_position_once": Attack(copy_of("usage_source", place="elsewhere")),
    "source_kind": Attack(change("usage_source", kind="ftp")),
    "cluster_days_read_again": Attack(change("usage_cluster", overlap_days=0)),
    "reconciliation_span": Attack(
        copy_of("usage_reconciliation", until="2020-01-01T00:00:00Z"),
    ),
    "reconciliation_outcome": Attack(copy_of("usage_reconciliation", jobs_differing=1)),
    "usage_reconciliation_refuse": Attack(change("usage_reconciliation", source="elsewhere")),
    "usage_reconciliation_no_truncate": truncate("usage_reconciliation"),
    "window_once_a_pull": Attack(copy_of("usage_window", "status = 'waiting'")),
    "window_ends_after_start": Attack(
        change("usage_window", "status = 'waiting'", end="2020-01-01T00:00:00Z")
    ),
    "window_read_has_run": Attack(
        change("usage_window", "status = 'waiting'", status="read", asked_at="2027-01-01T00:00:00Z")
    ),
    "window_asked_after_its_end": Attack(
        change(
            "usage_window", "status = 'waiting'", status="empty", asked_at="2020-01-01T00:00:00Z"
        )
    ),
    "usage_window_of_one_cluster": Attack(
        "UPDATE usage_window SET cluster_id = (SELECT id FROM usage_cluster WHERE name = 'second')"
        " WHERE status = 'waiting'"
    ),
    "usage_window_frozen": Attack(change("usage_window", "status = 'read'", attempts=7)),
    "usage_window_refuse": Attack(delete("usage_window", "status = 'waiting'")),
    "usage_window_no_truncate": truncate("usage_window"),
    "missing_job_once": Attack(copy_of("usage_missingjob")),
    "usage_missingjob_refuse": Attack(delete("usage_missingjob")),
    "usage_missingjob_no_truncate": truncate("usage_missingjob"),
    "usage_pull_refuse": Attack(
        copy_of("usage_pull", kind="manual") + ";" + delete("usage_pull", "kind = 'manual'")
    ),
    "usage_pull_no_truncate": truncate("usage_pull"),
    "quarantined_row_once": Attack(copy_of("usage_quarantinedrow")),
    "usage_quarantinedrow_refuse": Attack(change("usage_quarantinedrow", detail="other")),
    "quarantined_row_identity": Attack(copy_of("usage_quarantinedrow", line=99, job_id=7)),
    "quarantine_decision_once": Attack(
        copy_of("usage_quarantinedecision"), also=("usage_quarantinedecision_follows",)
    ),
    "quarantine_decision_has_reason": Attack(
        copy_of("usage_quarantinedecision", number=2, kind="reopened", reason=" ")
    ),
    "usage_quarantinedecision_follows": Attack(copy_of("usage_quarantinedecision", number=2)),
    "usage_quarantinedecision_refuse": Attack(change("usage_quarantinedecision", reason="other")),
    "usage_quarantinedecision_no_truncate": truncate("usage_quarantinedecision"),
    "usage_quarantinedrow_no_truncate": truncate("usage_quarantinedrow"),
    # pricing
    "price_list_currency_code": Attack(
        copy_of("pricing_pricelist", "status = 'draft'", revision=9, currency="bht")
    ),
    "price_list_steps": Attack(change("pricing_pricelist", "status = 'draft'", status="submitted")),
    "price_list_second_person": Attack(
        "UPDATE pricing_pricelist SET status = 'published', published_at = now(),"
        " approved_by_id = submitted_by_id WHERE status = 'submitted'"
    ),
    "pricing_pricelist_starts_as_draft": Attack(
        copy_of("pricing_pricelist", "status = 'submitted'", revision=9)
    ),
    "pricing_pricelist_submitted_first": Attack(
        "UPDATE pricing_pricelist SET status = 'published', published_at = now(),"
        f" submitted_at = now(), submitted_by_id = created_by_id, approved_by_id = ({SECOND})"
        " WHERE status = 'draft'"
    ),
    "pricing_pricelist_is_approved": Attack(
        "UPDATE pricing_pricelist SET status = 'published', published_at = now()"
        " WHERE status = 'submitted'"
    ),
    "pricing_pricelist_stands": Attack(
        change("pricing_pricelist", "status = 'submitted'", note="cheaper")
    ),
    "pricing_pricelist_refuse_delete": Attack(
        "UPDATE pricing_pricelist SET status = 'draft', submitted_at = NULL, submitted_by_id = NULL"
        " WHERE status = 'submitted';"
        "DELETE FROM pricing_rate WHERE price_list_id NOT IN (SELECT id FROM pricing_pricelist"
        " WHERE status = 'published');"
        "UPDATE pricing_pricelist SET status = 'submitted', submitted_at = now() WHERE status ="
        " 'draft';" + delete("pricing_pricelist", "status = 'submitted'")
    ),
    "price_list_once": Attack(copy_of("pricing_pricelist", "status = 'draft'")),
    "pricing_pricelist_refuse": Attack(
        change("pricing_pricelist", "status = 'published'", note="cheaper")
    ),
    "pricing_pricelist_no_truncate": truncate("pricing_pricelist"),
    "rate_in_range": Attack(
        change("pricing_rate", f"price_list_id IN ({DRAFT})", unit_price="NaN")
    ),
    "rate_resource_known": Attack(
        change("pricing_rate", f"price_list_id IN ({DRAFT})", resource="coffee")
    ),
    "rate_once": Attack(copy_of("pricing_rate", f"price_list_id IN ({DRAFT})")),
    "pricing_rate_frozen": Attack(
        change("pricing_rate", f"price_list_id NOT IN ({DRAFT})", unit_price="0.01")
    ),
    "pricing_rate_no_truncate": truncate("pricing_rate"),
    "charge_once": Attack(copy_of("pricing_charge", UNBILLED)),
    "charge_amount_recomputes": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, amount=1),
        also=("pricing_charge_one_live",),
    ),
    "charge_currency_code": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, currency="?"),
        also=("pricing_charge_one_live", "pricing_charge_price"),
    ),
    "charge_sign": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, quantity=0, amount=0),
        also=("pricing_charge_one_live", "pricing_charge_quantity"),
    ),
    "charge_price_in_range": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, unit_price="NaN", amount="NaN"),
        also=("pricing_charge_one_live", "pricing_charge_price", "charge_amount_recomputes"),
    ),
    "charge_reversed_once": Attack(
        negation(UNBILLED)
        + ";"
        + negation("id = (SELECT reverses_id FROM pricing_charge ORDER BY id DESC LIMIT 1)"),
        also=("charge_once",),
    ),
    "pricing_charge_negates": Attack(negation(UNBILLED, resource="gpu")),
    "pricing_charge_one_live": Attack(copy_of("pricing_charge", UNBILLED, generation=2)),
    "pricing_charge_price": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, unit_price="0.000000", amount="0.000000"),
        also=("pricing_charge_one_live",),
    ),
    "pricing_charge_quantity": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, quantity=36),
        also=("pricing_charge_one_live", "charge_amount_recomputes"),
    ),
    "pricing_charge_project": Attack(
        copy_of("pricing_charge", UNBILLED, generation=9, project_id=4711),
        also=("pricing_charge_one_live",),
    ),
    "pricing_project_stays": Attack(
        copy_of("accounts_project", code="short-lived")
        + ";UPDATE pricing_jobrating SET project_id = (SELECT max(id) FROM accounts_project)"
        " WHERE status = 'exempt';" + delete("accounts_project")
    ),
    "pricing_charge_rating_agrees": Attack(
        "INSERT INTO pricing_charge SELECT (jsonb_populate_record(NULL::pricing_charge, to_jsonb(x)"
        " || jsonb_build_object('id', nextval(pg_get_serial_sequence('pricing_charge', 'id')),"
        " 'reverses_id', x.id, 'quantity', -x.quantity, 'amount', -x.amount))).*"
        " FROM pricing_charge x WHERE job_id ="
        f" (SELECT min(job_id) FROM pricing_charge WHERE {UNBILLED}) AND {UNBILLED}"
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
    # receipts
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
    "receipts_receipt_frozen": Attack(
        change("receipts_receipt", "status = 'issued'", due_on="2099-01-01")
    ),
    "receipts_receipt_starts_as_draft": Attack(
        copy_of(
            "receipts_receipt",
            "status = 'issued'",
            public_id=UUID,
            number="RC-2026-000099",
            sequence=99,
        )
    ),
    "receipts_receipt_issue": Attack(
        "UPDATE receipts_receipt SET status = 'issued', number = 'RC-2026-000099', sequence = 99,"
        " series_id = (SELECT min(id) FROM receipts_series), issued_at = now(), due_on = now(),"
        " sha256 = 'x' WHERE status = 'draft'"
    ),
    "receipts_void_reverses": Attack(
        change(
            "receipts_receipt",
            "status = 'issued'",
            status="void",
            void_reason="x",
            voided_at="2026-11-21T00:00:00Z",
        )
    ),
    "receipts_billed_charge_stands": Attack(negation(BILLED)),
    "receipts_receipt_no_truncate": truncate("receipts_receipt"),
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
    "receipts_linecharge_frozen": Attack(
        "DELETE FROM receipts_linecharge WHERE charge_id IN"
        f" (SELECT id FROM pricing_charge WHERE {BILLED})"
    ),
    "receipts_linecharge_no_truncate": truncate("receipts_linecharge"),
    "notice_once": Attack(copy_of("receipts_notice")),
    "notice_kind_known": Attack(copy_of("receipts_notice", kind="overdue")),
    "receipts_notice_refuse": Attack(delete("receipts_notice")),
    "receipts_notice_no_truncate": truncate("receipts_notice"),
    "series_once": Attack(copy_of("receipts_series")),
    "receipts_series_refuse_update": Attack(change("receipts_series", last_number=0)),
    "receipts_series_refuse_delete": Attack(
        "INSERT INTO receipts_series (code, fiscal_year, last_number) VALUES ('X', 2026, 0);"
        "DELETE FROM receipts_series WHERE code = 'X'"
    ),
    "receipts_series_no_truncate": truncate("receipts_series"),
    # payments
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
