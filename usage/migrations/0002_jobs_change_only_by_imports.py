"""Jobs and import runs change only the way imports change them, through whatever door."""

from django.db import migrations, models

from core.rules import set_trigger, trigger

_SAID = (
    "revision, fingerprint, display_id, user_name, account, partition, qos, state, name, node_list,"
    ' start, "end", elapsed_seconds, suspended_seconds, tres, cpu_seconds, gpu_seconds,'
    " mem_mib_seconds, node_seconds, estimated, flags, first_seen_at"
)


def _row(row: str, columns: str) -> str:
    return "(" + ", ".join(f"{row}.{name.strip()}" for name in columns.split(",")) + ")"


_RUN_IDENTITY = "id, public_id, cluster_id, evidence_id, columns, time_zone, origin, requested_by_id, created_at"
_RELEASE = (
    "ARRAY['status', 'released_at', 'released_by_id', 'release_reason', 'released_by_decision_id']"
)

RULES = [
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
        when=f"{_row('OLD', _SAID)} IS DISTINCT FROM {_row('NEW', _SAID)}",
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
        when="OLD.revision = NEW.revision AND"
        " (OLD.run_id, OLD.line, OLD.raw_offset, OLD.raw_size, OLD.raw_digest) IS DISTINCT FROM"
        " (NEW.run_id, NEW.line, NEW.raw_offset, NEW.raw_size, NEW.raw_digest)",
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
            IF {_row("OLD", _RUN_IDENTITY)} IS DISTINCT FROM {_row("NEW", _RUN_IDENTITY)}
               OR OLD.finished_at IS NOT NULL AND to_jsonb(NEW) <> to_jsonb(OLD)
                  AND NOT (OLD.status = 'incomplete' AND NEW.status = 'released'
                           AND to_jsonb(NEW) - {_RELEASE} = to_jsonb(OLD) - {_RELEASE}) THEN
                RAISE EXCEPTION '% on % is refused: an import that ended is only ever released',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_usage")]

    operations = [
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("jobs_new__gt", 0)),
                fields=("evidence",),
                name="import_run_evidence_gives_jobs_once",
            ),
        ),
        *RULES,
    ]
