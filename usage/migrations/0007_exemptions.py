"""Exemptions of clusters: which jobs are not charged, why, and who says so."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from core.rules import no_truncate, refuse

_KEPT = "cluster_id, partition, account, user_name, qos, state, starts_at, reason, author_id, created_at"


def _row(row: str) -> str:
    return "(" + ", ".join(f"{row}.{name.strip()}" for name in _KEPT.split(",")) + ")"


RULES = [
    refuse(
        "usage_exemption",
        "UPDATE",
        "of an exemption only the end changes",
        when=f"{_row('OLD')} IS DISTINCT FROM {_row('NEW')}",
        name="usage_exemption_frozen",
    ),
    refuse("usage_exemption", "DELETE", "exemptions are ended, never deleted"),
    no_truncate("usage_exemption"),
    # The exemption that a job falls under, the oldest if there are several. One place says what
    # matches: rating asks here, and so does the rule that no other job is exempt. A job that runs is
    # looked at as if it ended now.
    migrations.RunSQL(
        """
        CREATE FUNCTION usage_exemption_of(job bigint) RETURNS bigint LANGUAGE sql STABLE
        SET search_path = public, pg_temp AS $rule$
            SELECT min(e.id) FROM usage_job j JOIN usage_exemption e
                ON e.cluster_id = j.cluster_id
               AND e.partition IN ('', j.partition) AND e.account IN ('', j.account)
               AND e.user_name IN ('', j.user_name) AND e.qos IN ('', j.qos)
               AND e.state IN ('', j.state)
               AND coalesce(j."end", now()) >= e.starts_at
               AND (e.ends_at IS NULL OR coalesce(j."end", now()) < e.ends_at)
             WHERE j.id = job
        $rule$
        """,
        "DROP FUNCTION usage_exemption_of(bigint)",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0006_reconciliations"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Exemption",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "partition",
                    models.CharField(blank=True, max_length=255, verbose_name="partition"),
                ),
                (
                    "account",
                    models.CharField(blank=True, max_length=128, verbose_name="Slurm account"),
                ),
                ("user_name", models.CharField(blank=True, max_length=128, verbose_name="user")),
                ("qos", models.CharField(blank=True, max_length=128, verbose_name="QOS")),
                (
                    "state",
                    models.CharField(
                        blank=True,
                        help_text="As in Slurm, such as NODE_FAIL.",
                        max_length=32,
                        verbose_name="state",
                    ),
                ),
                (
                    "starts_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now,
                        help_text="Jobs that end from here on.",
                        verbose_name="from",
                    ),
                ),
                (
                    "ends_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Jobs that end before. Empty: until further notice.",
                        null=True,
                        verbose_name="until",
                    ),
                ),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "author",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                (
                    "cluster",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="exemptions",
                        to="usage.cluster",
                        verbose_name="cluster",
                    ),
                ),
            ],
            options={
                "verbose_name": "exemption",
                "verbose_name_plural": "exemptions",
                "ordering": ("cluster", "-starts_at", "-id"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ends_at", None),
                            ("ends_at__gte", models.F("starts_at")),
                            _connector="OR",
                        ),
                        name="exemption_ends_after_start",
                        violation_error_message="It can't end before it begins.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason__regex", "^\\s*$"), _negated=True),
                        name="exemption_has_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ends_at__isnull", False),
                            models.Q(
                                ("account", ""),
                                ("partition", ""),
                                ("qos", ""),
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
                ],
            },
        ),
        *RULES,
    ]
