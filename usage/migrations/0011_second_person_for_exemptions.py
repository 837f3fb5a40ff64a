"""Exemptions that begin in the past have no effect before a second person approves them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

from core.rules import refuse, trigger

_DECISION = "decision, decided_by_id, decided_at, decision_reason"


def _row(row: str, columns: str) -> str:
    return "(" + ", ".join(f"{row}.{name.strip()}" for name in columns.split(",")) + ")"


_EXEMPTION_OF = """
    CREATE OR REPLACE FUNCTION usage_exemption_of(job bigint) RETURNS bigint LANGUAGE sql STABLE
    SET search_path = public, pg_temp AS $rule$
        SELECT min(e.id) FROM usage_job j JOIN usage_exemption e
            ON e.cluster_id = j.cluster_id
           AND e.partition IN ('', j.partition) AND e.account IN ('', j.account)
           AND e.user_name IN ('', j.user_name) AND e.qos IN ('', j.qos)
           AND e.state IN ('', j.state) AND e.reservation IN ('', j.reservation)
           AND coalesce(j."end", now()) >= e.starts_at
           AND (e.ends_at IS NULL OR coalesce(j."end", now()) < e.ends_at)
           -- DECIDED
         WHERE j.id = job
    $rule$
    """
# Five minutes: usage.models.exemptions.PROMPT.
_DECIDED = _EXEMPTION_OF.replace(
    "-- DECIDED",
    "AND (e.decision = 'approved' OR e.decision = ''"
    " AND e.starts_at >= e.created_at - interval '5 minutes')",
)
RULES = [
    migrations.RunSQL(_DECIDED, _EXEMPTION_OF),
    # Nobody pretends that it was entered long ago, or approved at once.
    trigger(
        "usage_exemption",
        name="usage_exemption_begins_undecided",
        timing="BEFORE INSERT",
        body="""
            IF NEW.decision <> '' THEN
                RAISE EXCEPTION 'an exemption is entered by one person and decided by another'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            NEW.created_at := now();
            RETURN NEW;
        """,
    ),
    refuse(
        "usage_exemption",
        "UPDATE",
        "an exemption is decided once",
        when="OLD.decision <> ''"
        f" AND {_row('OLD', _DECISION)} IS DISTINCT FROM {_row('NEW', _DECISION)}",
        name="usage_exemption_decided_once",
    ),
    refuse(
        "usage_exemption",
        "UPDATE",
        "an exemption that ended does not begin again",
        when="OLD.ends_at <= now() AND (NEW.ends_at IS NULL OR NEW.ends_at > OLD.ends_at)",
        name="usage_exemption_not_revived",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0010_places_of_sources"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="exemption",
            options={
                "ordering": ("cluster", "-starts_at", "-id"),
                "permissions": (
                    ("approve_exemption", "Can approve exemptions that begin in the past"),
                ),
                "verbose_name": "exemption",
                "verbose_name_plural": "exemptions",
            },
        ),
        migrations.AddField(
            model_name="exemption",
            name="decision",
            field=models.CharField(
                blank=True,
                choices=[("", "–"), ("approved", "Approved"), ("refused", "Refused")],
                default="",
                editable=False,
                max_length=8,
                verbose_name="decision",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="exemption",
            name="decided_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="decided by",
            ),
        ),
        migrations.AddField(
            model_name="exemption",
            name="decided_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="decided"),
        ),
        migrations.AddField(
            model_name="exemption",
            name="decision_reason",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                max_length=200,
                verbose_name="reason for the decision",
            ),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="exemption",
            constraint=models.CheckConstraint(
                condition=Q(decision="", decided_by=None, decided_at=None, decision_reason="")
                | Q(decision="approved", decided_by__isnull=False, decided_at__isnull=False)
                | (
                    Q(decision="refused", decided_by__isnull=False, decided_at__isnull=False)
                    & ~Q(decision_reason__regex=r"^\s*$")
                ),
                name="exemption_decision",
            ),
        ),
        migrations.AddConstraint(
            model_name="exemption",
            constraint=models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("author")),
                name="exemption_second_person",
            ),
        ),
        *RULES,
    ]
