"""Notices by e-mail: one for each receipt, kind and recipient, never changed."""

import django.db.models.deletion
from django.db import migrations, models

from core.rules import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("receipts", "0001_receipts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("issued", "Issued"), ("paid", "Paid")],
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                (
                    "recipient_sha256",
                    models.CharField(max_length=64, verbose_name="SHA-256 of the address"),
                ),
                ("language", models.CharField(max_length=5, verbose_name="language")),
                ("sent_at", models.DateTimeField(auto_now_add=True, verbose_name="sent")),
                (
                    "receipt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="receipts.receipt",
                        verbose_name="receipt",
                    ),
                ),
            ],
            options={
                "verbose_name": "notice",
                "verbose_name_plural": "notices",
                "ordering": ("-id",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("receipt", "kind", "recipient_sha256"), name="notice_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ("issued", "paid"))),
                        name="notice_kind_known",
                    ),
                ],
            },
        ),
        *append_only("receipts_notice"),
    ]
