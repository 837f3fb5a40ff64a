"""An older input never undoes what a newer one told, and an import says of a job one thing."""

from django.db import migrations, models
from django.db.models import F, Q

from core.rules import refuse, trigger

# Of a job that runs these grow, without a revision.
_GROWS = (
    "elapsed_seconds, suspended_seconds, cpu_seconds, gpu_seconds, mem_mib_seconds, node_seconds"
)
_STAYS = (
    "revision, fingerprint, display_id, user_name, account, partition, qos, state, name, node_list,"
    ' start, "end", tres, estimated, flags, first_seen_at, req_tres, reservation,'
    " used_cpu_seconds, used_mem_mib_seconds, energy_joules"
)


def _row(row: str, columns: str) -> str:
    return "(" + ", ".join(f"{row}.{name.strip()}" for name in columns.split(",")) + ")"


def _changes(columns: str) -> str:
    return f"{_row('OLD', columns)} IS DISTINCT FROM {_row('NEW', columns)}"


_RUNS_ON = f'(OLD."end" IS NULL AND NOT {_changes(_STAYS)})'


def _keeps_revisions(when: str) -> str:
    return (
        "DROP TRIGGER usage_job_keeps_revisions ON usage_job;"
        " CREATE TRIGGER usage_job_keeps_revisions BEFORE UPDATE ON usage_job FOR EACH ROW"
        f" WHEN ({when}) EXECUTE FUNCTION usage_job_keeps_revisions();"
    )


_SAID = f"{_STAYS}, {_GROWS}"
RULES = [
    migrations.RunSQL(
        _keeps_revisions(f"{_changes(_SAID)} AND NOT {_RUNS_ON}"),
        _keeps_revisions(_changes(_SAID)),
    ),
    trigger(
        "usage_job",
        name="usage_job_grows_by_imports",
        timing="BEFORE UPDATE",
        when=f"{_changes(_GROWS)} AND {_RUNS_ON}",
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
                 WHERE before.id = OLD.run_id AND now.id = NEW.run_id AND now.as_of < before.as_of
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
        when="OLD.revision <> NEW.revision AND OLD.run_id = NEW.run_id",
        name="usage_job_said_once",
    ),
]


class Migration(migrations.Migration):
    dependencies = [("usage", "0008_facts_of_richer_prices")]

    operations = [
        migrations.AddField(
            model_name="importrun",
            name="as_of",
            field=models.DateTimeField(null=True, verbose_name="as of"),
        ),
        migrations.AddField(
            model_name="importrun",
            name="jobs_older",
            field=models.BigIntegerField(default=0, verbose_name="older than what is known"),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.CheckConstraint(
                condition=Q(jobs_older__gte=0, jobs_older__lte=F("jobs_unchanged")),
                name="import_run_older_are_unchanged",
            ),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.CheckConstraint(
                condition=~Q(status__in=("complete", "incomplete", "released"))
                | Q(jobs_new=0, jobs_changed=0)
                | Q(as_of__isnull=False),
                name="import_run_has_age",
            ),
        ),
        *RULES,
    ]
