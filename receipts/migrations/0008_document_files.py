"""Rendered documents are kept, byte for byte."""

import django.db.models.deletion
from django.db import migrations, models

import receipts.models.files
from core.rules import append_only, trigger


class Migration(migrations.Migration):
    dependencies = [
        ("receipts", "0007_document_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="DocumentFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "form",
                    models.CharField(
                        choices=[("pdf", "PDF"), ("xml", "XML")], max_length=4, verbose_name="form"
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        choices=[("en", "English"), ("th", "ไทย"), ("both", "Both")],
                        max_length=4,
                        verbose_name="language",
                    ),
                ),
                ("is_copy", models.BooleanField(default=False, verbose_name="copy")),
                ("content", models.BinaryField(verbose_name="content")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                ("renderer", models.CharField(max_length=64, verbose_name="rendered by")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "receipt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="receipts.receipt",
                        verbose_name="receipt",
                    ),
                ),
            ],
            options={
                "verbose_name": "rendered document",
                "verbose_name_plural": "rendered documents",
                "ordering": ("receipt", "form", "language", "is_copy"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("receipt", "form", "language", "is_copy"), name="document_file_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("form", "pdf"), ("language__in", ("en", "th", "both"))),
                            models.Q(("form", "xml"), ("is_copy", False), ("language", "")),
                            _connector="OR",
                        ),
                        name="document_file_form",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sha256", receipts.models.files.Digest(models.F("content")))
                        ),
                        name="document_file_digest",
                    ),
                ],
            },
        ),
        *append_only("receipts_documentfile"),
        trigger(
            "receipts_documentfile",
            name="receipts_documentfile_issued",
            timing="BEFORE INSERT",
            body="""
                IF NOT EXISTS (
                    SELECT FROM receipts_receipt r WHERE r.id = NEW.receipt_id
                       AND r.kind IN ('receipt', 'credit_note')
                       AND r.status NOT IN ('draft', 'pending')
                ) THEN
                    RAISE EXCEPTION 'only what is issued here has a file'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            """,
        ),
    ]
