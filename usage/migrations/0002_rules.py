"""The rules of usage that stand in the database: what came from outside is kept as it came."""

from django.db import migrations

from core.rules import append_only, changed, function, no_truncate, refuse, set_trigger, trigger

# What a job says from its start on, and what grows while it runs.
_STAYS = (
    "revision, fingerprint, display_id, user_name, account, partition, qos, state, name, "
    'node_list, start, "end", tres, estimated, flags, first_seen_at, req_tres, reservation, '
    "used_cpu_seconds, used_mem_mib_seconds, energy_joules"
)
_RUN = (
    "id, public_id, cluster_id, evidence_id, columns, time_zone, origin, requested_by_id, "
    "created_at"
)
_EXEMPTION = (
    "cluster_id, partition, account, user_name, qos, state, starts_at, reason, author_id, "
    "created_at, reservation"
)
_GROWS = (
    "elapsed_seconds, suspended_seconds, cpu_seconds, gpu_seconds, mem_mib_seconds, node_seconds"
)
_SAYS = f"{_STAYS}, {_GROWS}"

# Read as two clusters, the same jobs would be two jobs each, and billed twice.
_ONE_READER = """
    IF EXISTS (
        SELECT 1 FROM usage_source s JOIN usage_cluster c ON c.id = s.cluster_id
          JOIN usage_source t ON (t.kind, t.place) = (s.kind, s.place)
              AND t.cluster_id > c.id
          JOIN usage_cluster d ON d.id = t.cluster_id
         WHERE coalesce(nullif(c.slurm_name, ''),
             c.name) = coalesce(nullif(d.slurm_name, ''), d.name)
    ) THEN
        RAISE EXCEPTION 'another cluster reads the same accounting from the same place'
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
"""

RULES = [
    *append_only("usage_evidence"),
    *append_only("usage_evidencechunk"),
    *append_only("usage_quarantinedrow"),
    *append_only("usage_jobrevision"),
    refuse(
        "usage_job",
        "UPDATE",
        "a job keeps its identity",
        name="usage_job_refuse_update",
        when=changed("id, cluster_id, job_id, submit"),
    ),
    refuse(
        "usage_job",
        "DELETE",
        "jobs are never deleted",
        name="usage_job_refuse_delete",
    ),
    no_truncate("usage_job"),
    refuse(
        "usage_importrun",
        "DELETE",
        "import runs are never deleted",
    ),
    no_truncate("usage_importrun"),
    # In place of foreign keys, which would look up the same two rows for each of a million jobs.
    # Runs are never deleted, keep their key and their cluster, and that is a foreign key of theirs.
    set_trigger(
        "usage_job",
        name="usage_job_of_running_import",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM (SELECT DISTINCT run_id, cluster_id FROM new_rows) job
                  LEFT JOIN usage_importrun run ON run.id = job.run_id
                 WHERE run.cluster_id IS DISTINCT FROM job.cluster_id OR run.status <> 'running'
            ) THEN
                RAISE EXCEPTION 'jobs are added by an import of their cluster while it runs'
                    USING ERRCODE = 'foreign_key_violation';
            END IF;
        """,
    ),
    # What is billed may follow from what a job says, so a change leaves what it said before, and is
    # held back again until the import that brought it is over.
    trigger(
        "usage_job",
        name="usage_job_keeps_revisions",
        timing="BEFORE UPDATE",
        when=f'{changed(_SAYS)} AND NOT (OLD."end" IS NULL AND NOT {changed(_STAYS)})',
        body="""
            IF NEW.revision <= OLD.revision OR NEW.revision - OLD.revision <> (
                SELECT count(*) FROM usage_jobrevision
                 WHERE job_id = OLD.id AND revision >= OLD.revision AND revision < NEW.revision
            ) OR NOT EXISTS (
                SELECT 1 FROM usage_importrun
                 WHERE id = NEW.run_id AND cluster_id = NEW.cluster_id AND status = 'running'
            ) THEN
                RAISE EXCEPTION 'a job changes only with a revision that keeps what it said'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # A job is held back until its run is complete or released. Unchanged it goes over only from a
    # run that ended incomplete to one that is running: neither is a held job let go nor a free one
    # held again that way. A job that runs is billed by nobody, so it goes over with each reading.
    trigger(
        "usage_job",
        name="usage_job_held_by_run",
        timing="BEFORE UPDATE",
        when=f"""
            OLD.revision = NEW.revision
                AND {changed("run_id, line, raw_offset, raw_size, raw_digest")}
        """,
        body="""
            IF OLD."end" IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM usage_importrun WHERE id = OLD.run_id AND status = 'incomplete'
            ) OR NOT EXISTS (
                SELECT 1 FROM usage_importrun
                 WHERE id = NEW.run_id AND cluster_id = NEW.cluster_id AND status = 'running'
            ) THEN
                RAISE EXCEPTION 'a job is held and let go by its import only'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "usage_importrun",
        name="usage_importrun_frozen",
        timing="BEFORE UPDATE",
        body=f"""
            IF {changed(_RUN)}
               OR OLD.finished_at IS NOT NULL AND to_jsonb(NEW) <> to_jsonb(OLD)
                  AND NOT (OLD.status = 'incomplete' AND NEW.status = 'released'
                           AND to_jsonb(NEW) - ARRAY['status', 'released_at', 'released_by_id',
                               'release_reason',
                               'released_by_decision_id'] = to_jsonb(OLD) - ARRAY['status',
                               'released_at', 'released_by_id', 'release_reason',
                               'released_by_decision_id']) THEN
                RAISE EXCEPTION '% on % is refused: an import that ended is only ever released',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # Coverage is derived from windows: one that was read must stay what it was.
    refuse(
        "usage_window",
        "UPDATE",
        "a window that was answered never changes",
        name="usage_window_frozen",
        when="OLD.status IN ('read', 'empty', 'split')",
    ),
    # Read into another cluster's books, it would count as covered here.
    trigger(
        "usage_window",
        name="usage_window_of_one_cluster",
        timing="BEFORE INSERT OR UPDATE",
        body="""
            IF EXISTS (SELECT 1 FROM usage_importrun
                        WHERE id = NEW.run_id AND cluster_id <> NEW.cluster_id)
               OR EXISTS (SELECT 1 FROM usage_pull
                           WHERE id = NEW.pull_id AND cluster_id <> NEW.cluster_id) THEN
                RAISE EXCEPTION 'a window, its pull and its import are of one cluster'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "usage_source",
        name="usage_source_one_reader",
        timing="AFTER INSERT OR UPDATE",
        body=_ONE_READER,
    ),
    trigger(
        "usage_cluster",
        name="usage_cluster_one_reader",
        timing="AFTER UPDATE",
        body=_ONE_READER,
    ),
    refuse(
        "usage_window",
        "DELETE",
        "windows are never deleted",
    ),
    no_truncate("usage_window"),
    refuse(
        "usage_pull",
        "DELETE",
        "pulls are never deleted",
    ),
    no_truncate("usage_pull"),
    *append_only("usage_quarantinedecision"),
    # Nobody dismisses a row twice or in the name of another one: what counts is the last decision.
    trigger(
        "usage_quarantinedecision",
        name="usage_quarantinedecision_follows",
        timing="BEFORE INSERT",
        body="""
            IF NEW.number <> 1 + (
                   SELECT count(*) FROM usage_quarantinedecision d
                    WHERE d.cluster_id = NEW.cluster_id AND d.digest = NEW.digest
               ) OR NEW.kind <> (CASE NEW.number % 2 WHEN 1 THEN 'dismissed' ELSE 'reopened' END)
               OR NOT EXISTS (
                   SELECT 1 FROM usage_quarantinedrow w JOIN usage_importrun r ON r.id = w.run_id
                    WHERE w.id = NEW.row_id AND w.digest = NEW.digest
                      AND r.cluster_id = NEW.cluster_id
               ) THEN
                RAISE EXCEPTION 'a decision follows the last one on the same row'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # A second reading in another way would be the same jobs as others, billed a second time.
    trigger(
        "usage_importrun",
        name="usage_importrun_retries",
        timing="BEFORE INSERT",
        when="NEW.retry_of_id IS NOT NULL",
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM usage_importrun r
                 WHERE r.id = NEW.retry_of_id AND r.finished_at IS NOT NULL
                   AND (r.cluster_id, r.evidence_id, r.columns, r.time_zone)
                     = (NEW.cluster_id, NEW.evidence_id, NEW.columns, NEW.time_zone)
            ) THEN
                RAISE EXCEPTION 'a second reading reads the same input in the same way'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "usage_importrun",
        "UPDATE",
        "a run reads again what it was made for",
        name="usage_importrun_keeps_retry",
        when="OLD.retry_of_id IS DISTINCT FROM NEW.retry_of_id",
    ),
    refuse(
        "usage_missingjob",
        "DELETE",
        "what was missed once is never forgotten",
    ),
    no_truncate("usage_missingjob"),
    *append_only("usage_reconciliation"),
    refuse(
        "usage_exemption",
        "DELETE",
        "exemptions are ended, never deleted",
    ),
    no_truncate("usage_exemption"),
    function(
        "usage_exemption_of(job bigint)",
        returns="bigint",
        body="""
            SELECT min(e.id) FROM usage_job j JOIN usage_exemption e
                ON e.cluster_id = j.cluster_id
               AND e.partition IN ('', j.partition) AND e.account IN ('', j.account)
               AND e.user_name IN ('', j.user_name) AND e.qos IN ('', j.qos)
               AND e.state IN ('', j.state) AND e.reservation IN ('', j.reservation)
               AND coalesce(j."end", now()) >= e.starts_at
               AND (e.ends_at IS NULL OR coalesce(j."end", now()) < e.ends_at)
               AND (e.decision = 'approved' OR e.decision = ''
                   AND e.starts_at >= e.created_at - interval '5 minutes')
             WHERE j.id = job
        """,
    ),
    refuse(
        "usage_exemption",
        "UPDATE",
        "of an exemption only the end changes",
        name="usage_exemption_frozen",
        when=changed(_EXEMPTION),
    ),
    # Of a job that runs these grow, without a revision.
    trigger(
        "usage_job",
        name="usage_job_grows_by_imports",
        timing="BEFORE UPDATE",
        when=f'{changed(_GROWS)} AND (OLD."end" IS NULL AND NOT {changed(_STAYS)})',
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM usage_importrun
                 WHERE id = NEW.run_id AND cluster_id = NEW.cluster_id AND status = 'running'
            ) THEN
                RAISE EXCEPTION 'a job that runs grows by an import only'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # See usage.ages. A run whose age is not known yet is still being read.
    trigger(
        "usage_job",
        name="usage_job_not_set_back",
        timing="BEFORE UPDATE",
        when='OLD.revision <> NEW.revision AND OLD."end" IS NOT NULL',
        body="""
            IF NEW."end" IS NULL OR NOT (OLD.estimated AND NOT NEW.estimated) AND EXISTS (
                SELECT 1 FROM usage_importrun before, usage_importrun now
                 WHERE before.id = OLD.run_id AND now.id = NEW.run_id
                     AND now.as_of < before.as_of
            ) THEN
                RAISE EXCEPTION 'an older input does not undo what a newer one told'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # Of two rows that contradict each other in one input, the second one is never what a job says.
    refuse(
        "usage_job",
        "UPDATE",
        "an import says of a job one thing",
        name="usage_job_said_once",
        when="OLD.revision <> NEW.revision AND OLD.run_id = NEW.run_id",
    ),
    # Nobody pretends that it was entered long ago, or approved at once.
    trigger(
        "usage_exemption",
        name="usage_exemption_begins_undecided",
        timing="BEFORE INSERT",
        body="""
            IF NEW.decision <> '' THEN
                RAISE EXCEPTION 'an exemption is entered by one person and decided by another'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            NEW.created_at := now();
            RETURN NEW;
        """,
    ),
    refuse(
        "usage_exemption",
        "UPDATE",
        "an exemption is decided once",
        name="usage_exemption_decided_once",
        when=f"""
            OLD.decision <> ''
                AND {changed("decision, decided_by_id, decided_at, decision_reason")}
        """,
    ),
    refuse(
        "usage_exemption",
        "UPDATE",
        "an exemption that ended does not begin again",
        name="usage_exemption_not_revived",
        when="OLD.ends_at <= now() AND (NEW.ends_at IS NULL OR NEW.ends_at > OLD.ends_at)",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
