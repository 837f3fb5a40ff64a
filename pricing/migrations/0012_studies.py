"""Studies of price lists are stored, and no list is published that was not compared with the last
closed month."""

from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only, refuse, trigger

RULES = [
    *append_only("pricing_canary"),
    refuse(
        "pricing_pricestudy",
        "UPDATE",
        "what a study found never changes",
        when="OLD.status IN ('done', 'failed')",
    ),
    # Lists of before were published without it.
    trigger(
        "pricing_pricelist",
        name="pricing_pricelist_was_compared",
        timing="AFTER UPDATE",
        when="NEW.status = 'published' AND OLD.status <> 'published'",
        body="""
            IF NOT EXISTS (SELECT 1 FROM pricing_canary c WHERE c.price_list_id = NEW.id
                              AND c.submitted_at = NEW.submitted_at) THEN
                RAISE EXCEPTION 'a price list is compared with the last month before it counts'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0011_counting"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Canary",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("submitted_at", models.DateTimeField(verbose_name="submitted for approval")),
                ("month", models.DateField(verbose_name="month")),
                (
                    "limit_percent",
                    models.DecimalField(
                        decimal_places=1, max_digits=9, verbose_name="limit in percent"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("nothing", "Nothing to compare with"),
                            ("passed", "Passed"),
                            ("overridden", "Let pass by name"),
                        ],
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "projects",
                    models.JSONField(default=list, verbose_name="projects whose bills jump"),
                ),
                (
                    "override_reason",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="reason"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="compared",
                    ),
                ),
                (
                    "override_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="let pass by",
                    ),
                ),
                (
                    "price_list",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="canary",
                        to="pricing.pricelist",
                        verbose_name="price list",
                    ),
                ),
            ],
            options={
                "verbose_name": "comparison before publishing",
                "verbose_name_plural": "comparisons before publishing",
                "ordering": ("-created_at",),
                "permissions": (
                    ("override_canary", "Can let prices pass that change bills a lot"),
                ),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("outcome__in", ("nothing", "passed")),
                                ("override_by", None),
                                ("override_reason", ""),
                                ("projects", []),
                            ),
                            models.Q(
                                ("outcome", "overridden"),
                                ("override_by__isnull", False),
                                models.Q(("override_reason__regex", "^\\s*$"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="canary_named_override",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("limit_percent__gt", 0), ("month__day", 1)),
                        name="canary_in_range",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceStudy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField(verbose_name="from")),
                ("until", models.DateTimeField(verbose_name="until")),
                (
                    "cost",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=18,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(Decimal("0.01"))],
                        verbose_name="cost of running the centre",
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Complete"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("digest", models.CharField(blank=True, default="", max_length=64)),
                ("figures", models.JSONField(null=True)),
                (
                    "error",
                    models.CharField(blank=True, default="", max_length=500, verbose_name="error"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="asked for",
                    ),
                ),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "price_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="studies",
                        to="pricing.pricelist",
                        verbose_name="price list",
                    ),
                ),
            ],
            options={
                "verbose_name": "price study",
                "verbose_name_plural": "price studies",
                "ordering": ("-created_at", "-pk"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("until__gt", models.F("since")),
                            models.Q(("cost", None), ("cost__gt", 0), _connector="OR"),
                        ),
                        name="price_study_in_range",
                        violation_error_message="It must end after it begins.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("digest", ""),
                                ("error", ""),
                                ("figures", None),
                                ("finished_at", None),
                                ("status__in", ("waiting", "running")),
                            ),
                            models.Q(
                                ("digest__regex", "^[0-9a-f]{64}$"),
                                ("error", ""),
                                ("figures__isnull", False),
                                ("finished_at__isnull", False),
                                ("status", "done"),
                            ),
                            models.Q(
                                ("digest", ""),
                                ("error__gt", ""),
                                ("figures", None),
                                ("finished_at__isnull", False),
                                ("status", "failed"),
                            ),
                            _connector="OR",
                        ),
                        name="price_study_steps",
                    ),
                ],
            },
        ),
        *RULES,
    ]
