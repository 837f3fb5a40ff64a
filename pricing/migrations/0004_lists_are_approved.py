"""A price list is submitted, and published by the approval of a second person."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

from core.rules import refuse, trigger

STEPS = "ARRAY['status', 'submitted_at', 'submitted_by_id', 'rejection', 'approved_by_id', 'published_at']"
"""All that a step forward or back changes."""


def _row(name: str) -> str:
    return f"(to_jsonb({name}) - {STEPS})"


RULES = [
    # Lists of before were published without this step.
    migrations.RunSQL(
        """
        ALTER TABLE pricing_pricelist DISABLE TRIGGER pricing_pricelist_refuse;
        UPDATE pricing_pricelist SET submitted_at = published_at WHERE status = 'published';
        ALTER TABLE pricing_pricelist ENABLE TRIGGER pricing_pricelist_refuse;
        """,
        migrations.RunSQL.noop,
    ),
    refuse(
        "pricing_pricelist",
        "INSERT",
        "a price list starts as a draft",
        when="NEW.status <> 'draft'",
        name="pricing_pricelist_starts_as_draft",
    ),
    refuse(
        "pricing_pricelist",
        "DELETE",
        "a submitted price list is withdrawn or sent back first",
        when="OLD.status = 'submitted'",
        name="pricing_pricelist_refuse_delete",
    ),
    trigger(
        "pricing_pricelist",
        name="pricing_pricelist_stands",
        timing="BEFORE UPDATE",
        when="OLD.status = 'submitted'",
        body=f"""
            IF NEW.status = 'submitted' OR {_row("OLD")} IS DISTINCT FROM {_row("NEW")}
               OR NEW.status = 'published' AND (OLD.submitted_by_id, OLD.submitted_at)
                  IS DISTINCT FROM (NEW.submitted_by_id, NEW.submitted_at) THEN
                RAISE EXCEPTION 'a submitted price list is approved or sent back as it stands'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "pricing_pricelist",
        "UPDATE",
        "a price list is submitted before it is published",
        when="OLD.status = 'draft' AND NEW.status = 'published'",
        name="pricing_pricelist_submitted_first",
    ),
    # The first prices of a new site are made before anyone could approve them.
    trigger(
        "pricing_pricelist",
        name="pricing_pricelist_is_approved",
        timing="BEFORE UPDATE",
        when="NEW.status = 'published' AND OLD.status <> 'published'"
        " AND NEW.approved_by_id IS NULL",
        body="""
            IF EXISTS (SELECT 1 FROM accounts_user) THEN
                RAISE EXCEPTION 'a price list is published by the approval of a second person'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


def _person(name: str) -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        editable=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
        verbose_name=name,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0003_ratings_follow_jobs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint("pricelist", "price_list_published_has_time"),
        migrations.RemoveField("pricelist", "published_by"),
        migrations.AddField("pricelist", "edited_by", _person("last changed by")),
        migrations.AddField("pricelist", "submitted_by", _person("submitted by")),
        migrations.AddField(
            "pricelist",
            "submitted_at",
            models.DateTimeField(editable=False, null=True, verbose_name="submitted for approval"),
        ),
        migrations.AddField(
            "pricelist",
            "rejection",
            models.CharField(
                blank=True,
                default="",
                editable=False,
                max_length=200,
                verbose_name="sent back because",
            ),
        ),
        migrations.AddField("pricelist", "approved_by", _person("approved by")),
        migrations.AlterField(
            "pricelist",
            "status",
            models.CharField(
                choices=[
                    ("draft", "Draft"),
                    ("submitted", "Waiting for approval"),
                    ("published", "Published"),
                ],
                default="draft",
                editable=False,
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.AlterModelOptions(
            "pricelist",
            {
                "verbose_name": "price list",
                "verbose_name_plural": "price lists",
                "ordering": ("tier", "-effective_at", "-revision"),
                "permissions": (("publish_pricelist", "Can approve price lists of others"),),
            },
        ),
        *RULES,
        migrations.AddIndex(
            "pricelist",
            models.Index(
                condition=Q(status="submitted"),
                fields=["submitted_at"],
                name="price_list_waiting",
            ),
        ),
        migrations.AddConstraint(
            "pricelist",
            models.CheckConstraint(
                condition=Q(
                    status="draft",
                    submitted_at=None,
                    submitted_by=None,
                    approved_by=None,
                    published_at=None,
                )
                | Q(
                    status="submitted",
                    submitted_at__isnull=False,
                    approved_by=None,
                    published_at=None,
                    rejection="",
                )
                | Q(
                    status="published",
                    submitted_at__isnull=False,
                    published_at__gte=F("submitted_at"),
                    rejection="",
                ),
                name="price_list_steps",
            ),
        ),
        migrations.AddConstraint(
            "pricelist",
            models.CheckConstraint(
                condition=Q(approved_by=None)
                | Q(submitted_by__isnull=False)
                & ~Q(approved_by=F("submitted_by"))
                & (Q(created_by=None) | ~Q(approved_by=F("created_by")))
                & (Q(edited_by=None) | ~Q(approved_by=F("edited_by"))),
                name="price_list_second_person",
            ),
        ),
    ]
