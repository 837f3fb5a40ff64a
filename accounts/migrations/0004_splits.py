"""Costs of a project's jobs may be split over several projects."""

import django.contrib.postgres.constraints
import django.db.models.deletion
from django.db import migrations, models

import accounts.models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_api_token_revocation"),
    ]

    operations = [
        migrations.CreateModel(
            name="Split",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "starts_at",
                    models.DateTimeField(
                        help_text="Jobs that end from here on.", verbose_name="from"
                    ),
                ),
                (
                    "ends_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Not included; empty means open end.",
                        null=True,
                        verbose_name="until",
                    ),
                ),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                (
                    "fallback",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: the project itself.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.project",
                        verbose_name="pays afterwards",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="splits",
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
            ],
            options={
                "verbose_name": "split of costs",
                "verbose_name_plural": "splits of costs",
                "ordering": ("project", "-starts_at"),
            },
        ),
        migrations.CreateModel(
            name="SplitShare",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "percent",
                    models.DecimalField(decimal_places=4, max_digits=7, verbose_name="percent"),
                ),
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
                    "split",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shares",
                        to="accounts.split",
                        verbose_name="split of costs",
                    ),
                ),
            ],
            options={
                "verbose_name": "share",
                "verbose_name_plural": "shares",
                "ordering": ("split", "pk"),
            },
        ),
        migrations.AddConstraint(
            model_name="split",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at", None), ("ends_at__gte", models.F("starts_at")), _connector="OR"
                ),
                name="split_ends_after_start",
                violation_error_message="It can't end before it begins.",
            ),
        ),
        migrations.AddConstraint(
            model_name="split",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason__regex", "^\\s*$"), _negated=True),
                name="split_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="split",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    (accounts.models.Same("project"), "&&"),
                    (accounts.models.Span("starts_at", "ends_at"), "&&"),
                ],
                name="split_no_overlap",
                violation_error_message="The project has another split at that time.",
            ),
        ),
        migrations.AddConstraint(
            model_name="splitshare",
            constraint=models.UniqueConstraint(
                fields=("split", "project"), name="split_share_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="splitshare",
            constraint=models.CheckConstraint(
                condition=models.Q(("percent__gt", 0), ("percent__lte", 100)),
                name="split_share_in_range",
                violation_error_message="A share is more than 0 and at most 100 percent.",
            ),
        ),
    ]
