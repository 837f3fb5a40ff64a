"""What richer prices look at: what a job asked for, what it really used, and its reservation."""

from django.db import migrations, models

_SAID = (
    "revision, fingerprint, display_id, user_name, account, partition, qos, state, name, node_list,"
    ' start, "end", elapsed_seconds, suspended_seconds, tres, cpu_seconds, gpu_seconds,'
    " mem_mib_seconds, node_seconds, estimated, flags, first_seen_at"
)
_FACTS = ", req_tres, reservation, used_cpu_seconds, used_mem_mib_seconds, energy_joules"
_KEPT = "cluster_id, partition, account, user_name, qos, state, starts_at, reason, author_id, created_at"


def _row(row: str, columns: str) -> str:
    return "(" + ", ".join(f"{row}.{name.strip()}" for name in columns.split(",")) + ")"


def _changes(columns: str) -> str:
    return f"{_row('OLD', columns)} IS DISTINCT FROM {_row('NEW', columns)}"


def _keeps_revisions(columns: str) -> str:
    """A change of any of these leaves a revision; what it has to look like is known already."""
    return (
        "DROP TRIGGER usage_job_keeps_revisions ON usage_job;"
        " CREATE TRIGGER usage_job_keeps_revisions BEFORE UPDATE ON usage_job FOR EACH ROW"
        f" WHEN ({_changes(columns)}) EXECUTE FUNCTION usage_job_keeps_revisions();"
    )


def _frozen(columns: str) -> str:
    return (
        "DROP TRIGGER usage_exemption_frozen ON usage_exemption;"
        " CREATE TRIGGER usage_exemption_frozen BEFORE UPDATE ON usage_exemption FOR EACH ROW"
        f" WHEN ({_changes(columns)})"
        " EXECUTE FUNCTION core_refuse('of an exemption only the end changes');"
    )


_EXEMPTION_OF = """
    CREATE OR REPLACE FUNCTION usage_exemption_of(job bigint) RETURNS bigint LANGUAGE sql STABLE
    SET search_path = public, pg_temp AS $rule$
        SELECT min(e.id) FROM usage_job j JOIN usage_exemption e
            ON e.cluster_id = j.cluster_id
           AND e.partition IN ('', j.partition) AND e.account IN ('', j.account)
           AND e.user_name IN ('', j.user_name) AND e.qos IN ('', j.qos)
           AND e.state IN ('', j.state) -- CRITERION
           AND coalesce(j."end", now()) >= e.starts_at
           AND (e.ends_at IS NULL OR coalesce(j."end", now()) < e.ends_at)
         WHERE j.id = job
    $rule$
    """
_BY_RESERVATION = _EXEMPTION_OF.replace("-- CRITERION", "AND e.reservation IN ('', j.reservation)")
RULES = [
    migrations.RunSQL(_keeps_revisions(_SAID + _FACTS), _keeps_revisions(_SAID)),
    migrations.RunSQL(_frozen(_KEPT + ", reservation"), _frozen(_KEPT)),
    migrations.RunSQL(_BY_RESERVATION, _EXEMPTION_OF),
]


class Migration(migrations.Migration):
    dependencies = [("usage", "0007_exemptions")]

    operations = [
        migrations.RemoveConstraint(
            model_name="exemption",
            name="exemption_of_all_ends",
        ),
        migrations.AddField(
            model_name="cluster",
            name="reads_steps",
            field=models.BooleanField(
                default=False,
                help_text="Reads the steps of jobs as well, which tell the CPU time and memory"
                " really used: several times as many rows. Needed only where a price list"
                " charges by use.",
                verbose_name="read what jobs really used",
            ),
        ),
        migrations.AddField(
            model_name="exemption",
            name="reservation",
            field=models.CharField(
                blank=True,
                help_text="Name of a Slurm reservation, such as one for maintenance.",
                max_length=255,
                verbose_name="reservation",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="energy_joules",
            field=models.BigIntegerField(null=True, verbose_name="energy in joules"),
        ),
        migrations.AddField(
            model_name="job",
            name="req_tres",
            field=models.TextField(
                blank=True, db_default="", default="", verbose_name="requested TRES"
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="reservation",
            field=models.TextField(
                blank=True, db_default="", default="", verbose_name="reservation"
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="used_cpu_seconds",
            field=models.BigIntegerField(null=True, verbose_name="CPU seconds used"),
        ),
        migrations.AddField(
            model_name="job",
            name="used_mem_mib_seconds",
            field=models.BigIntegerField(null=True, verbose_name="memory MiB-seconds used"),
        ),
        migrations.AddConstraint(
            model_name="exemption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at__isnull", False),
                    models.Q(
                        ("account", ""),
                        ("partition", ""),
                        ("qos", ""),
                        ("reservation", ""),
                        ("state", ""),
                        ("user_name", ""),
                        _negated=True,
                    ),
                    _connector="OR",
                ),
                name="exemption_of_all_ends",
                violation_error_message="Without any criterion every job of the cluster is"
                " exempt: give an end.",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("used_cpu_seconds", None), ("used_cpu_seconds__gte", 0), _connector="OR"
                    ),
                    models.Q(
                        ("used_mem_mib_seconds", None),
                        ("used_mem_mib_seconds__gte", 0),
                        _connector="OR",
                    ),
                    models.Q(("energy_joules", None), ("energy_joules__gte", 0), _connector="OR"),
                ),
                name="job_used_positive",
            ),
        ),
        *RULES,
    ]
