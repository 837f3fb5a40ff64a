"""An older input never undoes what a newer one told, and an import says of a job one thing."""

from django.db import migrations, models
from django.db.models import F, Q

from core.rules import refuse, trigger

RULES = [
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
    dependencies = [("usage", "0007_exemptions")]

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
