"""Sources of a cluster in their order, and the windows of time that were read from them."""

import datetime

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core.rules import no_truncate, refuse, trigger

# Read as two clusters, the same jobs would be two jobs each, and billed twice.
_ONE_READER = """
    IF EXISTS (
        SELECT 1 FROM usage_source s JOIN usage_cluster c ON c.id = s.cluster_id
          JOIN usage_source t ON (t.kind, t.place) = (s.kind, s.place) AND t.cluster_id > c.id
          JOIN usage_cluster d ON d.id = t.cluster_id
         WHERE coalesce(nullif(c.slurm_name, ''), c.name) = coalesce(nullif(d.slurm_name, ''), d.name)
    ) THEN
        RAISE EXCEPTION 'another cluster reads the same accounting from the same place'
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
"""

RULES = [
    # Coverage is derived from windows: one that was read must stay what it was.
    refuse(
        "usage_window",
        "UPDATE",
        "a window that was answered never changes",
        when="OLD.status IN ('read', 'empty', 'split')",
        name="usage_window_frozen",
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
    *(
        trigger(table, name=f"{table}_one_reader", timing=f"AFTER {events}", body=_ONE_READER)
        for table, events in (
            ("usage_source", "INSERT OR UPDATE"),
            ("usage_cluster", "UPDATE"),
        )
    ),
    refuse("usage_window", "DELETE", "windows are never deleted"),
    no_truncate("usage_window"),
    refuse("usage_pull", "DELETE", "pulls are never deleted"),
    no_truncate("usage_pull"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0002_jobs_change_only_by_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=1, verbose_name="order")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("slurmrestd", "slurmrestd"),
                            ("sacct", "sacct"),
                            ("folder", "Drop folder"),
                        ],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                (
                    "place",
                    models.CharField(
                        help_text="Name of a connection that the operator configured; for a drop folder, the folder below the site's drop folder root.",
                        max_length=255,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9._/-]*\\Z"
                            )
                        ],
                        verbose_name="connection or folder",
                    ),
                ),
                ("is_enabled", models.BooleanField(default=True, verbose_name="enabled")),
            ],
            options={
                "verbose_name": "source",
                "verbose_name_plural": "sources",
                "ordering": ("cluster", "position"),
            },
        ),
        migrations.CreateModel(
            name="Window",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("start", models.DateTimeField(verbose_name="from")),
                ("end", models.DateTimeField(verbose_name="until")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("read", "Read"),
                            ("empty", "Empty"),
                            ("failed", "Failed"),
                            ("split", "Split"),
                        ],
                        default="waiting",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=255, verbose_name="source")),
                (
                    "tried",
                    models.JSONField(blank=True, default=list, verbose_name="sources that failed"),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("asked_at", models.DateTimeField(null=True, verbose_name="asked")),
                ("error", models.TextField(blank=True, verbose_name="error")),
            ],
            options={
                "verbose_name": "window",
                "verbose_name_plural": "windows",
                "ordering": ("-start", "-id"),
            },
        ),
        migrations.AlterModelOptions(
            name="pull",
            options={
                "ordering": ("-slot", "-id"),
                "verbose_name": "pull",
                "verbose_name_plural": "pulls",
            },
        ),
        migrations.RemoveConstraint(
            model_name="pull",
            name="pull_once_a_night",
        ),
        migrations.RemoveField(
            model_name="cluster",
            name="drop_folder",
        ),
        migrations.AddField(
            model_name="cluster",
            name="overlap_days",
            field=models.PositiveSmallIntegerField(
                default=7,
                help_text="Slurm's records arrive and change for days after a job's end.",
                verbose_name="days read again each night",
            ),
        ),
        migrations.AddField(
            model_name="cluster",
            name="pull_at",
            field=models.TimeField(
                default=datetime.time(1, 30),
                help_text="Time of the nightly pull, on the cluster's own clock.",
                verbose_name="pulled at",
            ),
        ),
        migrations.AddField(
            model_name="cluster",
            name="reads_from",
            field=models.DateField(
                blank=True,
                help_text="From this day on every day must have been read; days that were not are gaps, and read by themselves. Empty: usage comes in files, and no day is expected.",
                null=True,
                verbose_name="complete from",
            ),
        ),
        migrations.AddField(
            model_name="cluster",
            name="rescan_days",
            field=models.PositiveSmallIntegerField(
                default=35,
                help_text="The weekly, deeper look back.",
                verbose_name="days read again each week",
            ),
        ),
        migrations.AddField(
            model_name="cluster",
            name="slurm_name",
            field=models.CharField(
                blank=True,
                help_text="What Slurm calls it, where that differs from the name here.",
                max_length=64,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[A-Za-z0-9][A-Za-z0-9._@+-]*\\Z",
                        "Use letters, digits and . _ @ + - only, beginning with a letter or digit.",
                    )
                ],
                verbose_name="name in Slurm",
            ),
        ),
        migrations.AddField(
            model_name="pull",
            name="kind",
            field=models.CharField(
                choices=[
                    ("nightly", "Nightly"),
                    ("rescan", "Weekly look back"),
                    ("backfill", "Backfill"),
                    ("manual", "By hand"),
                ],
                default="nightly",
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AddField(
            model_name="pull",
            name="requested_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="requested by",
            ),
        ),
        migrations.AlterField(
            model_name="cluster",
            name="is_enabled",
            field=models.BooleanField(
                default=True, help_text="Disabled clusters are not pulled.", verbose_name="enabled"
            ),
        ),
        migrations.AlterField(
            model_name="pull",
            name="cluster",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="pulls",
                to="usage.cluster",
                verbose_name="cluster",
            ),
        ),
        migrations.AlterField(
            model_name="pull",
            name="slot",
            field=models.DateField(verbose_name="day"),
        ),
        migrations.AddConstraint(
            model_name="cluster",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("overlap_days__gte", 1),
                    ("rescan_days__lte", 400),
                    ("rescan_days__gte", models.F("overlap_days")),
                ),
                name="cluster_days_read_again",
            ),
        ),
        migrations.AddConstraint(
            model_name="pull",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ("nightly", "rescan"))),
                fields=("cluster", "slot", "kind"),
                name="pull_once_a_slot",
            ),
        ),
        migrations.AddConstraint(
            model_name="pull",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("nightly", "rescan", "backfill", "manual"))),
                name="pull_kind",
            ),
        ),
        migrations.AddField(
            model_name="source",
            name="cluster",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="sources",
                to="usage.cluster",
                verbose_name="cluster",
            ),
        ),
        migrations.AddField(
            model_name="window",
            name="cluster",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="windows",
                to="usage.cluster",
                verbose_name="cluster",
            ),
        ),
        migrations.AddField(
            model_name="window",
            name="pull",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="windows",
                to="usage.pull",
                verbose_name="pull",
            ),
        ),
        migrations.AddField(
            model_name="window",
            name="run",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="windows",
                to="usage.importrun",
                verbose_name="import run",
            ),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(
                fields=("cluster", "position"), name="source_position_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(
                fields=("cluster", "kind", "place"), name="source_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("slurmrestd", "sacct", "folder"))),
                name="source_kind",
            ),
        ),
        migrations.AddIndex(
            model_name="window",
            index=models.Index(fields=["cluster", "end"], name="window_cluster_end"),
        ),
        migrations.AddConstraint(
            model_name="window",
            constraint=models.CheckConstraint(
                condition=models.Q(("end__gt", models.F("start"))), name="window_ends_after_start"
            ),
        ),
        migrations.AddConstraint(
            model_name="window",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("run__isnull", False), ("status", "read")),
                    models.Q(
                        ("run", None), ("status__in", ("waiting", "empty", "failed", "split"))
                    ),
                    _connector="OR",
                ),
                name="window_read_has_run",
            ),
        ),
        migrations.AddConstraint(
            model_name="window",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ("read", "empty")), _negated=True),
                    models.Q(("asked_at__gte", models.F("end")), ("asked_at__isnull", False)),
                    _connector="OR",
                ),
                name="window_asked_after_its_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="window",
            constraint=models.UniqueConstraint(
                fields=("pull", "start", "end"), name="window_once_a_pull"
            ),
        ),
        *RULES,
    ]
