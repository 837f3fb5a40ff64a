"""Quarantined rows are settled by people, or by later readings."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only, refuse, trigger

RULES = [
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
        when="OLD.retry_of_id IS DISTINCT FROM NEW.retry_of_id",
        name="usage_importrun_keeps_retry",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0003_sources_and_windows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="QuarantineDecision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                ("number", models.PositiveSmallIntegerField(verbose_name="number")),
                (
                    "kind",
                    models.CharField(
                        choices=[("dismissed", "Dismissed"), ("reopened", "Opened again")],
                        max_length=9,
                        verbose_name="decision",
                    ),
                ),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                ("decided_at", models.DateTimeField(auto_now_add=True, verbose_name="decided")),
            ],
            options={
                "verbose_name": "decision on a quarantined row",
                "verbose_name_plural": "decisions on quarantined rows",
                "ordering": ("-id",),
            },
        ),
        migrations.AlterModelOptions(
            name="quarantinedrow",
            options={
                "ordering": ("-run", "line"),
                "permissions": (("decide_quarantinedrow", "Can dismiss quarantined rows"),),
                "verbose_name": "quarantined row",
                "verbose_name_plural": "quarantined rows",
            },
        ),
        migrations.RemoveConstraint(
            model_name="importrun",
            name="import_run_once",
        ),
        migrations.RemoveConstraint(
            model_name="importrun",
            name="import_run_evidence_gives_jobs_once",
        ),
        migrations.AddField(
            model_name="importrun",
            name="retry_of",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="retries",
                to="usage.importrun",
                verbose_name="reads again",
            ),
        ),
        migrations.AddField(
            model_name="quarantinedrow",
            name="digest",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="quarantinedrow",
            name="job_id",
            field=models.BigIntegerField(null=True, verbose_name="raw job id"),
        ),
        migrations.AddField(
            model_name="quarantinedrow",
            name="submit",
            field=models.DateTimeField(null=True, verbose_name="submitted"),
        ),
        migrations.AddIndex(
            model_name="quarantinedrow",
            index=models.Index(fields=["digest"], name="quarantined_row_digest"),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    models.Q(("status__in", ("failed", "cancelled", "prepared")), _negated=True),
                    ("retry_of", None),
                ),
                fields=("cluster", "evidence", "columns", "time_zone"),
                name="import_run_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "failed"), _negated=True),
                fields=("retry_of",),
                name="import_run_retried_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="importrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("jobs_new__gt", 0), ("retry_of", None)),
                fields=("evidence",),
                name="import_run_evidence_gives_jobs_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="quarantinedrow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("job_id", None), ("submit", None)),
                    models.Q(("job_id__isnull", False), ("submit__isnull", False)),
                    _connector="OR",
                ),
                name="quarantined_row_identity",
            ),
        ),
        migrations.AddField(
            model_name="quarantinedecision",
            name="author",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="decided by",
            ),
        ),
        migrations.AddField(
            model_name="quarantinedecision",
            name="cluster",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="usage.cluster",
                verbose_name="cluster",
            ),
        ),
        migrations.AddField(
            model_name="quarantinedecision",
            name="row",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="usage.quarantinedrow",
                verbose_name="quarantined row",
            ),
        ),
        migrations.AddConstraint(
            model_name="quarantinedecision",
            constraint=models.UniqueConstraint(
                fields=("cluster", "digest", "number"), name="quarantine_decision_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="quarantinedecision",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason__regex", "^\\s*$"), _negated=True),
                name="quarantine_decision_has_reason",
            ),
        ),
        *RULES,
    ]
