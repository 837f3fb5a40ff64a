"""Attacks on the rules of usage."""

from tests.rules.attacks.making import UUID, Attack, change, copy_of, delete, truncate

# The second cluster becomes another name of the first one's Slurm, and is read from the same place.
SAME_SLURM = "UPDATE usage_cluster SET slurm_name = 'demo' WHERE name = 'second'"
SAME_SOURCE = (
    "INSERT INTO usage_source (cluster_id, position, kind, place, is_enabled)"
    " SELECT (SELECT id FROM usage_cluster WHERE name = 'second'), 1, kind, place, true"
    " FROM usage_source ORDER BY id LIMIT 1"
)
FROZEN_RUN = ("usage_importrun_frozen",)

ATTACKS: dict[str, Attack] = {
    "account_mapping_once": Attack(copy_of("usage_accountmapping")),
    "usage_cluster_name_key": Attack(copy_of("usage_cluster")),
    "exemption_ends_after_start": Attack(change("usage_exemption", ends_at="2019-01-01T00:00:00Z")),
    "exemption_has_reason": Attack(copy_of("usage_exemption", reason=" ")),
    "exemption_of_all_ends": Attack(copy_of("usage_exemption", partition="")),
    "usage_exemption_frozen": Attack(change("usage_exemption", reservation="other")),
    "exemption_decision": Attack(change("usage_exemption", "decision = ''", decision="approved")),
    "exemption_second_person": Attack(
        "UPDATE usage_exemption SET decision = 'approved', decided_by_id = author_id,"
        " decided_at = now() WHERE decision = ''"
    ),
    "usage_exemption_begins_undecided": Attack(
        copy_of("usage_exemption", "decision = 'approved'"),
    ),
    "usage_exemption_decided_once": Attack(
        change("usage_exemption", "decision = 'approved'", decision="refused", decision_reason="x")
    ),
    "usage_exemption_not_revived": Attack(
        "UPDATE usage_exemption SET ends_at = NULL WHERE ends_at <= now()"
    ),
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
        also=(*FROZEN_RUN, "import_run_evidence_gives_jobs_once", "import_run_has_age"),
    ),
    "import_run_older_are_unchanged": Attack(
        change("usage_importrun", "status = 'complete'", jobs_older=1), also=FROZEN_RUN
    ),
    "import_run_has_age": Attack(
        change("usage_importrun", "status = 'complete'", as_of=None), also=FROZEN_RUN
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
    "usage_job_grows_by_imports": Attack(change("usage_job", '"end" IS NULL', gpu_seconds=1)),
    "usage_job_not_set_back": Attack(
        'UPDATE usage_job SET "end" = NULL, revision = revision + 1, run_id = (SELECT max(id) FROM'
        " usage_importrun) WHERE id = (SELECT min(id) FROM usage_job)",
        also=("usage_job_keeps_revisions",),
    ),
    "usage_job_said_once": Attack(
        "UPDATE usage_job SET revision = revision + 1 WHERE id = (SELECT min(id) FROM usage_job)",
        also=("usage_job_keeps_revisions",),
    ),
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
    "source_place_leads_nowhere_else": Attack(change("usage_source", place="demo/../../etc")),
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
}
