"""What rating has dealt with is remembered, and what it has to look at again is noticed."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from core.rules import append_only, set_trigger, trigger


def _notices(table: str, *, name: str, events: str, body: str) -> migrations.RunSQL:
    return trigger(table, name=name, timing=f"AFTER {events}", body=f"{body} RETURN NULL;")


_UNPRICED = "INSERT INTO pricing_recheck DEFAULT VALUES;"

RULES = [
    *append_only("pricing_ratedrun"),
    set_trigger(
        "pricing_ratedrun",
        name="pricing_ratedrun_whole",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM new_rows n LEFT JOIN usage_importrun i
                    ON i.id = n.run_id AND i.status IN ('complete', 'released') WHERE i.id IS NULL
            ) OR EXISTS (
                SELECT 1 FROM new_rows n JOIN usage_job j ON j.run_id = n.run_id
                 WHERE j."end" IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM pricing_jobrating r
                     WHERE r.job_id = j.id AND (r.job_revision = j.revision OR r.due))
            ) THEN
                RAISE EXCEPTION 'the import has jobs that were not rated as they are'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    # A job whose charges are all reversed is not rated any more; its rating has to say so.
    trigger(
        "pricing_charge",
        name="pricing_charge_rating_agrees",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="NEW.reverses_id IS NOT NULL",
        body="""
            IF EXISTS (SELECT 1 FROM pricing_jobrating WHERE job_id = NEW.job_id AND status = 'rated')
               AND NOT EXISTS (
                SELECT 1 FROM pricing_charge c
                 WHERE c.job_id = NEW.job_id AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
            ) THEN
                RAISE EXCEPTION 'a rated job has no charge in force'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    _notices(
        "accounts_projecttier",
        name="pricing_notices_tier",
        events="INSERT OR UPDATE OR DELETE",
        body="""
            IF TG_OP <> 'INSERT' THEN
                INSERT INTO pricing_recheck (project_id, starts_at, ends_at)
                VALUES (OLD.project_id, OLD.starts_at, OLD.ends_at);
            END IF;
            IF TG_OP <> 'DELETE' THEN
                INSERT INTO pricing_recheck (project_id, starts_at, ends_at)
                VALUES (NEW.project_id, NEW.starts_at, NEW.ends_at);
            END IF;
        """,
    ),
    _notices(
        "usage_accountmapping",
        name="pricing_notices_mapping",
        events="INSERT OR UPDATE OR DELETE",
        body="""
            IF TG_OP <> 'INSERT' THEN
                INSERT INTO pricing_recheck (cluster_id, account)
                VALUES (OLD.cluster_id, OLD.account);
            END IF;
            IF TG_OP <> 'DELETE' THEN
                INSERT INTO pricing_recheck (cluster_id, account)
                VALUES (NEW.cluster_id, NEW.account);
            END IF;
        """,
    ),
    _notices(
        "accounts_project",
        name="pricing_notices_project",
        events="INSERT OR UPDATE OF code, owner_id, is_active",
        body=_UNPRICED,
    ),
    _notices(
        "accounts_user",
        name="pricing_notices_user",
        events="UPDATE OF username",
        body=f"IF OLD.username <> NEW.username THEN {_UNPRICED} END IF;",
    ),
    _notices(
        "pricing_pricelist",
        name="pricing_notices_list",
        events="UPDATE OF status",
        body=f"IF NEW.status = 'published' THEN {_UNPRICED} END IF;",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0004_lists_are_approved"),
        ("usage", "0003_sources_and_windows"),
        ("accounts", "0003_api_token_revocation"),
    ]

    operations = [
        migrations.AlterField(
            model_name="jobrating",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "–"),
                    ("no_project", "No project has this Slurm account"),
                    ("project_inactive", "The project is not active"),
                    ("no_tier", "The project had no tier when the job ended"),
                    ("no_list", "The tier had no price list when the job ended"),
                    ("no_rate", "The price list has no rate for a resource that the job used"),
                    ("no_usage", "The job used nothing"),
                    ("changed", "The job changed; it is rated anew"),
                ],
                max_length=32,
                verbose_name="reason",
            ),
        ),
        migrations.AddField(
            model_name="jobrating",
            name="due",
            field=models.BooleanField(default=False, verbose_name="to be rated anew"),
        ),
        migrations.AddIndex(
            model_name="jobrating",
            index=models.Index(
                condition=models.Q(("due", True)), fields=["job"], name="job_rating_due"
            ),
        ),
        migrations.CreateModel(
            name="RatedRun",
            fields=[
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="rated",
                        serialize=False,
                        to="usage.importrun",
                        verbose_name="import run",
                    ),
                ),
                (
                    "rated_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="rated",
                    ),
                ),
            ],
            options={
                "verbose_name": "rated import",
                "verbose_name_plural": "rated imports",
            },
        ),
        migrations.CreateModel(
            name="Recheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("starts_at", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(null=True)),
                ("account", models.CharField(blank=True, db_default="", max_length=128)),
                (
                    "noticed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "cluster",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="usage.cluster",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "verbose_name": "prices to check again",
                "verbose_name_plural": "prices to check again",
            },
        ),
        *RULES,
    ]
