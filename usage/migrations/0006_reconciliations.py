"""Comparisons with Slurm's own totals are kept as they came out."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0005_missing_jobs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("start", models.DateTimeField(verbose_name="from")),
                ("end", models.DateTimeField(verbose_name="to")),
                ("until", models.DateTimeField(verbose_name="compared up to")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("agreed", "Agrees to the second"),
                            ("explained", "Differs, causes known"),
                            ("unexplained", "Differs, cause unknown"),
                            ("failed", "Slurm's totals could not be read"),
                        ],
                        max_length=12,
                        verbose_name="outcome",
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=255, verbose_name="source")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "jobs_stated",
                    models.BigIntegerField(default=0, verbose_name="jobs that Slurm names"),
                ),
                (
                    "jobs_differing",
                    models.BigIntegerField(default=0, verbose_name="jobs that differ"),
                ),
                (
                    "unexplained",
                    models.BigIntegerField(
                        default=0, verbose_name="differences without a known cause"
                    ),
                ),
                (
                    "quarantined_rows",
                    models.BigIntegerField(default=0, verbose_name="rows in quarantine"),
                ),
                ("figures", models.JSONField(default=dict, verbose_name="figures")),
                ("causes", models.JSONField(default=dict, verbose_name="causes")),
                ("differences", models.JSONField(default=list, verbose_name="differences")),
                ("report", models.JSONField(default=dict, verbose_name="report")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="compared")),
                (
                    "cluster",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reconciliations",
                        to="usage.cluster",
                        verbose_name="cluster",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
            ],
            options={
                "verbose_name": "comparison with Slurm",
                "verbose_name_plural": "comparisons with Slurm",
                "ordering": ("-id",),
                "permissions": (("reconcile_usage", "Can compare usage with Slurm"),),
                "indexes": [models.Index(fields=["cluster", "-id"], name="reconciliation_latest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("end__gt", models.F("start")),
                            ("until__gt", models.F("start")),
                            ("until__lte", models.F("end")),
                        ),
                        name="reconciliation_span",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("error", ""),
                                ("jobs_differing", 0),
                                ("outcome", "agreed"),
                                ("unexplained", 0),
                            ),
                            models.Q(
                                ("error", ""),
                                ("jobs_differing__gt", 0),
                                ("outcome", "explained"),
                                ("unexplained", 0),
                            ),
                            models.Q(
                                ("error", ""), ("outcome", "unexplained"), ("unexplained__gt", 0)
                            ),
                            models.Q(("outcome", "failed"), models.Q(("error", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="reconciliation_outcome",
                    ),
                ],
            },
        ),
        *append_only("usage_reconciliation"),
    ]
