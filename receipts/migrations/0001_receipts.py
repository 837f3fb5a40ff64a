"""Receipts: gapless numbers, lines that add up, and nothing that changes after issue."""

import uuid

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

from core.rules import no_truncate, refuse, trigger

_STAMPS = "ARRAY['status', 'paid_at', 'voided_at', 'voided_by_id', 'void_reason']"

RULES = [
    trigger(
        "receipts_receipt",
        name="receipts_receipt_frozen",
        timing="BEFORE UPDATE OR DELETE",
        when="OLD.status <> 'draft'",
        body=f"""
            IF TG_OP = 'DELETE' OR to_jsonb(NEW) - {_STAMPS} <> to_jsonb(OLD) - {_STAMPS}
               OR NOT (OLD.status = NEW.status AND to_jsonb(NEW) = to_jsonb(OLD)
                       OR OLD.status = 'issued' AND NEW.status IN ('paid', 'void')) THEN
                RAISE EXCEPTION '% on % is refused: an issued receipt never changes',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "receipts_receipt",
        name="receipts_receipt_starts_as_draft",
        timing="BEFORE INSERT",
        when="NEW.status <> 'draft'",
        body="""
            RAISE EXCEPTION 'a receipt begins as a draft' USING ERRCODE = 'check_violation';
        """,
    ),
    trigger(
        "receipts_receipt",
        name="receipts_receipt_issue",
        timing="BEFORE UPDATE",
        when="OLD.status = 'draft' AND NEW.status <> 'draft'",
        body="""
            IF NEW.status <> 'issued' THEN
                RAISE EXCEPTION 'a draft can only be issued' USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.sequence <> 1 + coalesce(
                (SELECT max(sequence) FROM receipts_receipt WHERE series_id = NEW.series_id), 0) THEN
                RAISE EXCEPTION 'the number is not the next of its series'
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.net_amount IS DISTINCT FROM
               (SELECT sum(amount) FROM receipts_line WHERE receipt_id = NEW.id)
               OR NEW.tax_amount <> round(NEW.net_amount * NEW.tax_rate / 100, NEW.decimals) THEN
                RAISE EXCEPTION 'the lines do not add up to the receipt'
                    USING ERRCODE = 'check_violation';
            END IF;
            IF EXISTS (
                SELECT 1 FROM receipts_line l
                  LEFT JOIN LATERAL (
                    SELECT sum(c.amount) AS amount, sum(c.quantity) AS quantity,
                           bool_and(c.project_id = NEW.project_id AND c.currency = NEW.currency
                                    AND c.resource = l.resource AND c.unit_price = l.unit_price
                                    AND c.unit_size = l.unit_size
                                    AND c.job_end >= NEW.window_start AND c.job_end < NEW.window_end
                                    AND c.reverses_id IS NULL AND NOT EXISTS (
                                        SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
                           ) AS fits
                      FROM receipts_linecharge k JOIN pricing_charge c ON c.id = k.charge_id
                     WHERE k.line_id = l.id
                  ) s ON true
                 WHERE l.receipt_id = NEW.id
                   AND NOT coalesce(s.fits AND l.charged = s.amount AND l.quantity = s.quantity
                                    AND l.amount = round(s.amount, NEW.decimals), false)
            ) THEN
                RAISE EXCEPTION 'a line does not match the charges behind it'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # At commit no charge of a void receipt may still be in force, or its usage would be lost ...
    trigger(
        "receipts_receipt",
        name="receipts_void_reverses",
        timing="AFTER UPDATE DEFERRABLE INITIALLY DEFERRED",
        when="NEW.status = 'void'",
        body="""
            IF EXISTS (
                SELECT 1 FROM receipts_line l
                  JOIN receipts_linecharge k ON k.line_id = l.id
                 WHERE l.receipt_id = NEW.id AND NOT EXISTS (
                    SELECT 1 FROM pricing_charge r WHERE r.reverses_id = k.charge_id)
            ) THEN
                RAISE EXCEPTION 'a void receipt has charges in force'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    # ... and no charge on a document in force may be reversed, or the document would lie.
    trigger(
        "pricing_charge",
        name="receipts_billed_charge_stands",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="NEW.reverses_id IS NOT NULL",
        body="""
            IF EXISTS (
                SELECT 1 FROM receipts_linecharge k
                  JOIN receipts_line l ON l.id = k.line_id
                  JOIN receipts_receipt d ON d.id = l.receipt_id
                 WHERE k.charge_id = NEW.reverses_id AND d.status <> 'void'
            ) THEN
                RAISE EXCEPTION 'a charge on a document is not reversed'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    no_truncate("receipts_receipt"),
    no_truncate("receipts_line"),
    no_truncate("receipts_linecharge"),
    trigger(
        "receipts_line",
        name="receipts_line_frozen",
        timing="BEFORE INSERT OR UPDATE OR DELETE",
        declare="state text;",
        body="""
            SELECT status INTO state FROM receipts_receipt
             WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.receipt_id ELSE NEW.receipt_id END
               FOR SHARE;
            IF TG_OP = 'UPDATE' OR state <> 'draft' THEN
                RAISE EXCEPTION '% on % is refused: lines belong to drafts only', TG_OP, TG_TABLE_NAME
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        """,
    ),
    trigger(
        "receipts_linecharge",
        name="receipts_linecharge_frozen",
        timing="BEFORE INSERT OR UPDATE OR DELETE",
        declare="state text;",
        body="""
            SELECT d.status INTO state FROM receipts_line l JOIN receipts_receipt d ON d.id = l.receipt_id
             WHERE l.id = CASE TG_OP WHEN 'DELETE' THEN OLD.line_id ELSE NEW.line_id END
               FOR SHARE OF d;
            IF TG_OP = 'UPDATE' OR state <> 'draft' THEN
                RAISE EXCEPTION '% on % is refused: charges join drafts only', TG_OP, TG_TABLE_NAME
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        """,
    ),
    refuse(
        "receipts_series",
        "UPDATE",
        "numbers of a series only go up by one",
        when="NEW.last_number <> OLD.last_number + 1 OR (OLD.code, OLD.fiscal_year)"
        " IS DISTINCT FROM (NEW.code, NEW.fiscal_year)",
        name="receipts_series_refuse_update",
    ),
    refuse(
        "receipts_series",
        "DELETE",
        "a series is never deleted",
        name="receipts_series_refuse_delete",
    ),
    no_truncate("receipts_series"),
]


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_refusal"),
        ("accounts", "0001_accounts"),
        ("pricing", "0001_prices_and_charges"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Line",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveIntegerField(verbose_name="position")),
                (
                    "resource",
                    models.CharField(
                        choices=[("cpu", "CPU"), ("gpu", "GPU"), ("mem", "Memory")],
                        max_length=32,
                        verbose_name="resource",
                    ),
                ),
                (
                    "unit_price",
                    models.DecimalField(decimal_places=6, max_digits=18, verbose_name="unit price"),
                ),
                ("unit_size", models.BigIntegerField(verbose_name="base units in a unit")),
                ("quantity", models.BigIntegerField(verbose_name="quantity in base units")),
                (
                    "charged",
                    models.DecimalField(
                        decimal_places=6, max_digits=24, verbose_name="sum of charges"
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="amount"),
                ),
                ("jobs", models.PositiveIntegerField(verbose_name="jobs")),
            ],
            options={
                "verbose_name": "line",
                "verbose_name_plural": "lines",
                "ordering": ("receipt", "position"),
            },
        ),
        migrations.CreateModel(
            name="LineCharge",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "charge",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="document_line",
                        to="pricing.charge",
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="charge_links",
                        to="receipts.line",
                    ),
                ),
            ],
            options={
                "verbose_name": "charge on a line",
                "verbose_name_plural": "charges on lines",
            },
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("window_start", models.DateTimeField(verbose_name="from")),
                ("window_end", models.DateTimeField(verbose_name="until")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("issued", "Issued"),
                            ("paid", "Paid"),
                            ("void", "Void"),
                        ],
                        default="draft",
                        max_length=12,
                        verbose_name="status",
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "decimals",
                    models.PositiveSmallIntegerField(verbose_name="decimals of the currency"),
                ),
                (
                    "net_amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="net"),
                ),
                (
                    "tax_rate",
                    models.DecimalField(decimal_places=3, max_digits=6, verbose_name="tax %"),
                ),
                (
                    "tax_amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="tax"),
                ),
                (
                    "total",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="total"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "sequence",
                    models.PositiveIntegerField(null=True, verbose_name="number in series"),
                ),
                (
                    "number",
                    models.CharField(max_length=64, null=True, unique=True, verbose_name="number"),
                ),
                ("issued_at", models.DateTimeField(null=True, verbose_name="issued")),
                ("due_on", models.DateField(null=True, verbose_name="due")),
                ("parties", models.JSONField(default=dict, verbose_name="parties")),
                (
                    "sha256",
                    models.CharField(
                        blank=True, max_length=64, verbose_name="SHA-256 of the content"
                    ),
                ),
                ("paid_at", models.DateTimeField(null=True, verbose_name="paid")),
                ("voided_at", models.DateTimeField(null=True, verbose_name="voided")),
                (
                    "void_reason",
                    models.CharField(blank=True, max_length=200, verbose_name="reason for voiding"),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "issued_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="issued by",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="receipts",
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
                (
                    "voided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="voided by",
                    ),
                ),
            ],
            options={
                "verbose_name": "receipt",
                "verbose_name_plural": "receipts",
                "ordering": ("-id",),
                "permissions": (
                    ("issue_receipt", "Can draft and issue receipts"),
                    ("void_receipt", "Can void receipts"),
                ),
            },
        ),
        migrations.AddField(
            model_name="line",
            name="receipt",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="lines",
                to="receipts.receipt",
                verbose_name="receipt",
            ),
        ),
        migrations.CreateModel(
            name="Series",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=16, verbose_name="code")),
                ("fiscal_year", models.PositiveIntegerField(verbose_name="fiscal year")),
                ("last_number", models.PositiveIntegerField(default=0, verbose_name="last number")),
            ],
            options={
                "verbose_name": "number series",
                "verbose_name_plural": "number series",
                "ordering": ("code", "fiscal_year"),
                "constraints": [
                    models.UniqueConstraint(fields=("code", "fiscal_year"), name="series_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="receipt",
            name="series",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="receipts",
                to="receipts.series",
                verbose_name="series",
            ),
        ),
        migrations.AddConstraint(
            model_name="line",
            constraint=models.UniqueConstraint(
                fields=("receipt", "position"), name="line_position_once"
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(fields=["status", "due_on"], name="receipt_status_due"),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.UniqueConstraint(
                fields=("series", "sequence"), name="receipt_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(("window_end__gt", models.F("window_start"))),
                name="receipt_window",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "total",
                        django.db.models.expressions.CombinedExpression(
                            models.F("net_amount"), "+", models.F("tax_amount")
                        ),
                    )
                ),
                name="receipt_total",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$"), ("decimals__lte", 4)),
                name="receipt_currency",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("due_on", None),
                        ("issued_at", None),
                        ("number", None),
                        ("sequence", None),
                        ("series", None),
                        ("sha256", ""),
                        ("status", "draft"),
                    ),
                    models.Q(
                        ("due_on__isnull", False),
                        ("issued_at__isnull", False),
                        ("number__isnull", False),
                        ("sequence__isnull", False),
                        ("series__isnull", False),
                        ("status__in", ("issued", "paid", "void")),
                        models.Q(("sha256", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="receipt_issued_has_number",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_at__isnull", False), ("status", "paid")),
                    models.Q(models.Q(("status", "paid"), _negated=True), ("paid_at", None)),
                    _connector="OR",
                ),
                name="receipt_paid_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("status", "void"),
                        ("voided_at__isnull", False),
                        models.Q(("void_reason", ""), _negated=True),
                    ),
                    models.Q(
                        models.Q(("status", "void"), _negated=True),
                        ("void_reason", ""),
                        ("voided_at", None),
                    ),
                    _connector="OR",
                ),
                name="receipt_void_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("net_amount__gt", -100000000000000),
                    ("net_amount__lt", 100000000000000),
                    ("tax_amount__gt", -100000000000000),
                    ("tax_amount__lt", 100000000000000),
                    ("tax_rate__gte", 0),
                    ("tax_rate__lt", 100),
                ),
                name="receipt_amounts_in_range",
            ),
        ),
        *RULES,
    ]
