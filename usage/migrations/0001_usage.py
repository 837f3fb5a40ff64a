"""Clusters, evidence, import runs and jobs."""

import uuid

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only, no_truncate, refuse

RULES = [
    *append_only("usage_evidence"),
    *append_only("usage_evidencechunk"),
    *append_only("usage_quarantinedrow"),
    *append_only("usage_jobrevision"),
    refuse(
        "usage_job",
        "UPDATE",
        "a job keeps its identity",
        when="(OLD.id, OLD.cluster_id, OLD.job_id, OLD.submit) IS DISTINCT FROM"
        " (NEW.id, NEW.cluster_id, NEW.job_id, NEW.submit)",
        name="usage_job_refuse_update",
    ),
    refuse("usage_job", "DELETE", "jobs are never deleted", name="usage_job_refuse_delete"),
    no_truncate("usage_job"),
    refuse("usage_importrun", "DELETE", "import runs are never deleted"),
    no_truncate("usage_importrun"),
]


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_refusal"),
        ("accounts", "0001_accounts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Cluster",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=64,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9][A-Za-z0-9._@+-]*\\Z",
                                "Use letters, digits and . _ @ + - only, beginning with a letter or digit.",
                            )
                        ],
                        verbose_name="name",
                    ),
                ),
                (
                    "time_zone",
                    models.CharField(
                        default="UTC",
                        help_text="Zone of times in sacct output that carry none, such as Asia/Bangkok.",
                        max_length=64,
                        verbose_name="time zone",
                    ),
                ),
                (
                    "is_enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Disabled clusters are not pulled at night.",
                        verbose_name="enabled",
                    ),
                ),
                (
                    "drop_folder",
                    models.CharField(
                        blank=True,
                        help_text="Below the site's drop folder root; files found there are imported nightly.",
                        max_length=255,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9._/-]*\\Z"
                            )
                        ],
                        verbose_name="drop folder",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "cluster",
                "verbose_name_plural": "clusters",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Evidence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sha256", models.CharField(max_length=64, unique=True, verbose_name="SHA-256")),
                (
                    "content_sha256",
                    models.CharField(
                        max_length=64, unique=True, verbose_name="SHA-256 of the content"
                    ),
                ),
                ("is_packed", models.BooleanField(default=False, verbose_name="packed")),
                ("chunk_bytes", models.PositiveIntegerField(default=1048576)),
                ("size_bytes", models.BigIntegerField(verbose_name="size in bytes")),
                ("stored_bytes", models.BigIntegerField(verbose_name="stored bytes")),
                ("received_at", models.DateTimeField(auto_now_add=True, verbose_name="received")),
            ],
            options={
                "verbose_name": "evidence",
                "verbose_name_plural": "evidence",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("size_bytes__gte", 0), ("stored_bytes__gte", 0)),
                        name="evidence_sizes",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("origin", models.CharField(max_length=255, verbose_name="origin")),
                ("columns", models.JSONField(blank=True, default=list, verbose_name="columns")),
                ("time_zone", models.CharField(max_length=64, verbose_name="time zone")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("prepared", "Waiting for confirmation"),
                            ("running", "Running"),
                            ("complete", "Complete"),
                            ("incomplete", "Incomplete, held back"),
                            ("released", "Incomplete, released"),
                            ("failed", "Refused"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="running",
                        max_length=12,
                        verbose_name="status",
                    ),
                ),
                ("rows_read", models.BigIntegerField(default=0, verbose_name="rows read")),
                ("jobs_new", models.BigIntegerField(default=0, verbose_name="new jobs")),
                ("jobs_changed", models.BigIntegerField(default=0, verbose_name="changed jobs")),
                (
                    "jobs_unchanged",
                    models.BigIntegerField(default=0, verbose_name="unchanged jobs"),
                ),
                ("steps", models.BigIntegerField(default=0, verbose_name="steps")),
                ("quarantined", models.BigIntegerField(default=0, verbose_name="quarantined")),
                ("truncated", models.BooleanField(default=False, verbose_name="cut off")),
                (
                    "error_code",
                    models.CharField(blank=True, max_length=32, verbose_name="kind of error"),
                ),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="started")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                ("released_at", models.DateTimeField(null=True, verbose_name="released")),
                (
                    "release_reason",
                    models.CharField(blank=True, max_length=200, verbose_name="reason for release"),
                ),
                (
                    "cluster",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="usage.cluster",
                        verbose_name="cluster",
                    ),
                ),
                (
                    "evidence",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="usage.evidence",
                        verbose_name="evidence",
                    ),
                ),
                (
                    "released_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="released by",
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
                "verbose_name": "import run",
                "verbose_name_plural": "import runs",
                "ordering": ("-id",),
                "permissions": (
                    ("import_usage", "Can import usage"),
                    ("release_importrun", "Can release incomplete imports"),
                ),
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job_id", models.BigIntegerField(verbose_name="raw job id")),
                ("submit", models.DateTimeField(verbose_name="submitted")),
                ("revision", models.PositiveIntegerField(default=1, verbose_name="revision")),
                ("fingerprint", models.CharField(max_length=64)),
                ("line", models.BigIntegerField(verbose_name="line number")),
                ("raw_offset", models.BigIntegerField()),
                ("raw_size", models.IntegerField()),
                ("raw_digest", models.UUIDField(null=True)),
                ("display_id", models.CharField(max_length=64, verbose_name="job id")),
                ("user_name", models.CharField(blank=True, max_length=128, verbose_name="user")),
                ("account", models.CharField(blank=True, max_length=128, verbose_name="account")),
                (
                    "partition",
                    models.CharField(blank=True, max_length=255, verbose_name="partition"),
                ),
                ("qos", models.CharField(blank=True, max_length=128, verbose_name="QOS")),
                ("state", models.CharField(max_length=32, verbose_name="state")),
                ("name", models.CharField(blank=True, max_length=1024, verbose_name="job name")),
                ("node_list", models.TextField(blank=True, verbose_name="nodes")),
                ("start", models.DateTimeField(null=True, verbose_name="started")),
                ("end", models.DateTimeField(null=True, verbose_name="ended")),
                ("elapsed_seconds", models.BigIntegerField(verbose_name="elapsed seconds")),
                (
                    "suspended_seconds",
                    models.BigIntegerField(default=0, verbose_name="suspended seconds"),
                ),
                ("tres", models.TextField(blank=True, verbose_name="TRES")),
                ("cpu_seconds", models.BigIntegerField(verbose_name="CPU seconds")),
                ("gpu_seconds", models.BigIntegerField(verbose_name="GPU seconds")),
                ("mem_mib_seconds", models.BigIntegerField(verbose_name="memory MiB-seconds")),
                ("node_seconds", models.BigIntegerField(verbose_name="node seconds")),
                (
                    "estimated",
                    models.BooleanField(
                        default=False,
                        help_text="From ReqTRES, for want of AllocTRES.",
                        verbose_name="estimated",
                    ),
                ),
                ("flags", models.JSONField(default=list, verbose_name="remarks")),
                (
                    "first_seen_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="first seen"),
                ),
                (
                    "cluster",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="usage.cluster",
                        verbose_name="cluster",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs_written",
                        to="usage.importrun",
                    ),
                ),
            ],
            options={
                "verbose_name": "job",
                "verbose_name_plural": "jobs",
                "ordering": ("-end", "-id"),
            },
        ),
        migrations.CreateModel(
            name="JobRevision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.PositiveIntegerField()),
                ("values", models.JSONField()),
                ("line", models.BigIntegerField()),
                ("raw_offset", models.BigIntegerField()),
                ("raw_size", models.IntegerField()),
                ("replaced_at", models.DateTimeField(auto_now_add=True)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revisions",
                        to="usage.job",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="usage.importrun",
                    ),
                ),
            ],
            options={
                "verbose_name": "earlier revision of a job",
                "verbose_name_plural": "earlier revisions of jobs",
                "ordering": ("job", "revision"),
            },
        ),
        migrations.CreateModel(
            name="Pull",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slot", models.DateField(verbose_name="night")),
                ("started_at", models.DateTimeField(auto_now_add=True, verbose_name="started")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                ("files", models.PositiveIntegerField(default=0, verbose_name="files")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "cluster",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pulls",
                        to="usage.cluster",
                        verbose_name="cluster",
                    ),
                ),
            ],
            options={
                "verbose_name": "nightly pull",
                "verbose_name_plural": "nightly pulls",
                "ordering": ("-slot", "cluster"),
            },
        ),
        migrations.CreateModel(
            name="QuarantinedRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("line", models.BigIntegerField(verbose_name="line number")),
                ("reason", models.CharField(max_length=32, verbose_name="reason")),
                ("detail", models.CharField(max_length=500, verbose_name="detail")),
                ("raw", models.TextField(verbose_name="row as it came")),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="quarantine",
                        to="usage.importrun",
                        verbose_name="import run",
                    ),
                ),
            ],
            options={
                "verbose_name": "quarantined row",
                "verbose_name_plural": "quarantined rows",
                "ordering": ("-run", "line"),
            },
        ),
        migrations.CreateModel(
            name="AccountMapping",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account", models.CharField(max_length=128, verbose_name="Slurm account")),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
                (
                    "cluster",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mappings",
                        to="usage.cluster",
                        verbose_name="cluster",
                    ),
                ),
            ],
            options={
                "verbose_name": "account mapping",
                "verbose_name_plural": "account mappings",
                "ordering": ("cluster", "account"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("cluster", "account"), name="account_mapping_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EvidenceChunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.PositiveIntegerField()),
                ("data", models.BinaryField()),
                (
                    "evidence",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="chunks",
                        to="usage.evidence",
                    ),
                ),
            ],
            options={
                "ordering": ("evidence", "index"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("evidence", "index"), name="evidence_chunk_once"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "rows_read",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("jobs_new"), "+", models.F("jobs_changed")
                                    ),
                                    "+",
                                    models.F("jobs_unchanged"),
                                ),
                                "+",
                                models.F("steps"),
                            ),
                            "+",
                            models.F("quarantined"),
                        ),
                    )
                ),
                name="import_run_rows_add_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("jobs_changed__gte", 0),
                    ("jobs_new__gte", 0),
                    ("jobs_unchanged__gte", 0),
                    ("quarantined__gte", 0),
                    ("rows_read__gte", 0),
                    ("steps__gte", 0),
                ),
                name="import_run_counts_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("status__in", ("prepared", "running"))),
                    models.Q(
                        ("finished_at__isnull", False),
                        (
                            "status__in",
                            ("complete", "incomplete", "released", "failed", "cancelled"),
                        ),
                    ),
                    _connector="OR",
                ),
                name="import_run_finished_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("status", "released"),
                        ("released_at__isnull", False),
                        models.Q(("release_reason", ""), _negated=True),
                    ),
                    models.Q(
                        models.Q(("status", "released"), _negated=True),
                        ("release_reason", ""),
                        ("released_at", None),
                    ),
                    _connector="OR",
                ),
                name="import_run_release_has_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "complete"), _negated=True),
                    models.Q(("quarantined", 0), ("truncated", False)),
                    _connector="OR",
                ),
                name="import_run_complete_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("status__in", ("failed", "cancelled", "prepared")), _negated=True
                ),
                fields=("cluster", "evidence", "columns", "time_zone"),
                name="import_run_once",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["end"], name="job_end"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["user_name", "end"], name="job_user_end"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["run"], name="job_run"),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                fields=("cluster", "job_id", "submit"), name="job_identity"
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cpu_seconds__gte", 0),
                    ("elapsed_seconds__gte", 0),
                    ("gpu_seconds__gte", 0),
                    ("mem_mib_seconds__gte", 0),
                    ("node_seconds__gte", 0),
                    ("suspended_seconds__gte", 0),
                ),
                name="job_quantities_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("start", None), ("end", None), ("end__gte", models.F("start")), _connector="OR"
                ),
                name="job_ends_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="jobrevision",
            constraint=models.UniqueConstraint(
                fields=("job", "revision"), name="job_revision_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="pull",
            constraint=models.UniqueConstraint(
                fields=("cluster", "slot"), name="pull_once_a_night"
            ),
        ),
        migrations.AddConstraint(
            model_name="quarantinedrow",
            constraint=models.UniqueConstraint(fields=("run", "line"), name="quarantined_row_once"),
        ),
        *RULES,
    ]
