"""Signed allocations, withheld tax, refunds and official receipts."""

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_payments_keep_their_receipt"),
        ("receipts", "0012_write_offs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="OfficialCancellation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                ("cancelled_at", models.DateTimeField(auto_now_add=True, verbose_name="cancelled")),
            ],
            options={
                "verbose_name": "cancelled official receipt",
                "verbose_name_plural": "cancelled official receipts",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="OfficialReceipt",
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
                        choices=[
                            ("receipt", "Official receipt"),
                            ("receipt_tax_invoice", "Official receipt / tax invoice"),
                        ],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                ("sequence", models.PositiveIntegerField(verbose_name="number in series")),
                ("number", models.CharField(max_length=64, unique=True, verbose_name="number")),
                ("issued_at", models.DateTimeField(verbose_name="issued")),
                ("paid_on", models.DateField(verbose_name="day of payment")),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="amount"),
                ),
                (
                    "withheld",
                    models.DecimalField(
                        decimal_places=4, max_digits=18, verbose_name="tax withheld"
                    ),
                ),
                (
                    "net_amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="net"),
                ),
                (
                    "tax_amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="tax"),
                ),
                ("content", models.JSONField(verbose_name="content")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256 of the content")),
                ("verify_token", models.CharField(editable=False, max_length=43, unique=True)),
            ],
            options={
                "verbose_name": "official receipt",
                "verbose_name_plural": "official receipts",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="amount"),
                ),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "To be approved"),
                            ("approved", "To be paid out"),
                            ("paid_out", "Paid out"),
                            ("rejected", "Rejected"),
                        ],
                        default="requested",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("requested_at", models.DateTimeField(auto_now_add=True, verbose_name="requested")),
                ("approved_at", models.DateTimeField(null=True, verbose_name="approved")),
                ("rejected_at", models.DateTimeField(null=True, verbose_name="rejected")),
                (
                    "rejected_because",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="reason of the rejection"
                    ),
                ),
                ("done_at", models.DateTimeField(null=True, verbose_name="paid out")),
                (
                    "reference",
                    models.CharField(blank=True, max_length=200, verbose_name="bank's reference"),
                ),
            ],
            options={
                "verbose_name": "refund",
                "verbose_name_plural": "refunds",
                "ordering": ("-id",),
                "permissions": (
                    ("request_refund", "Can ask for refunds"),
                    ("approve_refund", "Can approve refunds that others ask for"),
                ),
            },
        ),
        migrations.CreateModel(
            name="Withholding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=4, max_digits=18, verbose_name="amount withheld"
                    ),
                ),
                (
                    "percent",
                    models.DecimalField(decimal_places=3, max_digits=6, verbose_name="rate, %"),
                ),
                ("certificate", models.CharField(max_length=64, verbose_name="certificate number")),
                ("day", models.DateField(verbose_name="day of the certificate")),
                ("reason", models.CharField(blank=True, max_length=200, verbose_name="reason")),
                ("recorded_at", models.DateTimeField(auto_now_add=True, verbose_name="recorded")),
            ],
            options={
                "verbose_name": "tax withheld",
                "verbose_name_plural": "tax withheld",
                "ordering": ("-id",),
                "permissions": (
                    ("take_back_withholding", "Can take back tax recorded as withheld"),
                ),
            },
        ),
        migrations.AlterModelOptions(
            name="allocation",
            options={
                "ordering": ("id",),
                "verbose_name": "allocation",
                "verbose_name_plural": "allocations",
            },
        ),
        migrations.RemoveConstraint(
            model_name="allocation",
            name="allocation_once",
        ),
        migrations.RemoveConstraint(
            model_name="allocation",
            name="allocation_amount_in_range",
        ),
        migrations.AlterField(
            model_name="allocation",
            name="payment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="allocations",
                to="payments.payment",
                verbose_name="payment",
            ),
        ),
        migrations.AlterField(
            model_name="allocation",
            name="receipt",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="allocations",
                to="receipts.receipt",
                verbose_name="receipt",
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", -100000000000000),
                    ("amount__lt", 100000000000000),
                    models.Q(("amount", 0), _negated=True),
                ),
                name="allocation_amount_in_range",
            ),
        ),
        migrations.AddField(
            model_name="officialcancellation",
            name="cancelled_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="cancelled by",
            ),
        ),
        migrations.AddField(
            model_name="officialreceipt",
            name="allocation",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="official_receipts",
                to="payments.allocation",
            ),
        ),
        migrations.AddField(
            model_name="officialreceipt",
            name="receipt",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="official_receipts",
                to="receipts.receipt",
                verbose_name="receipt",
            ),
        ),
        migrations.AddField(
            model_name="officialreceipt",
            name="replaces",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replaced_by",
                to="payments.officialreceipt",
                verbose_name="replaces",
            ),
        ),
        migrations.AddField(
            model_name="officialreceipt",
            name="series",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="official_receipts",
                to="receipts.series",
            ),
        ),
        migrations.AddField(
            model_name="officialcancellation",
            name="official",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cancellation",
                to="payments.officialreceipt",
                verbose_name="document",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="approved_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="approved by",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="paid_out_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="paid out by",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="payment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refunds",
                to="payments.payment",
                verbose_name="payment",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="rejected_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="rejected by",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="requested_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="requested by",
            ),
        ),
        migrations.AddField(
            model_name="withholding",
            name="receipt",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="withholdings",
                to="receipts.receipt",
                verbose_name="receipt",
            ),
        ),
        migrations.AddField(
            model_name="withholding",
            name="recorded_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="recorded by",
            ),
        ),
        migrations.AddField(
            model_name="withholding",
            name="reverses",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reversal",
                to="payments.withholding",
                verbose_name="takes back",
            ),
        ),
        migrations.AddField(
            model_name="officialreceipt",
            name="withholding",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="official_receipts",
                to="payments.withholding",
            ),
        ),
        migrations.AddConstraint(
            model_name="officialcancellation",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="official_cancellation_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", 0),
                    ("amount__lt", 100000000000000),
                    models.Q(("reason", ""), _negated=True),
                ),
                name="refund_amount_and_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approved_by", None),
                    models.Q(("approved_by", models.F("requested_by")), _negated=True),
                    _connector="OR",
                ),
                name="refund_second_person",
                violation_error_message="Whoever asks for a refund does not approve it.",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("approved_at", None),
                        ("done_at", None),
                        ("rejected_at", None),
                        ("status", "requested"),
                    ),
                    models.Q(
                        ("approved_at__isnull", False),
                        ("approved_by__isnull", False),
                        ("done_at", None),
                        ("rejected_at", None),
                        ("status", "approved"),
                    ),
                    models.Q(
                        ("approved_at__isnull", False),
                        ("approved_by__isnull", False),
                        ("done_at__isnull", False),
                        ("rejected_at", None),
                        ("status", "paid_out"),
                        models.Q(("reference", ""), _negated=True),
                    ),
                    models.Q(
                        ("done_at", None),
                        ("rejected_at__isnull", False),
                        ("status", "rejected"),
                        models.Q(("rejected_because", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="refund_steps",
            ),
        ),
        migrations.AddConstraint(
            model_name="withholding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("amount__gt", 0),
                        ("reason", ""),
                        ("recorded_by__isnull", False),
                        ("reverses", None),
                    ),
                    models.Q(
                        ("amount__lt", 0),
                        ("reverses__isnull", False),
                        models.Q(("reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="withholding_reversal_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="withholding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", -100000000000000),
                    ("amount__lt", 100000000000000),
                    ("percent__gt", 0),
                    ("percent__lt", 100),
                    models.Q(("certificate", ""), _negated=True),
                ),
                name="withholding_has_certificate",
            ),
        ),
        migrations.AddConstraint(
            model_name="officialreceipt",
            constraint=models.UniqueConstraint(
                fields=("series", "sequence"), name="official_receipt_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="officialreceipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", 0),
                    ("amount__lt", 100000000000000),
                    ("withheld__gte", 0),
                    ("withheld__lte", models.F("amount")),
                    (
                        "amount",
                        django.db.models.expressions.CombinedExpression(
                            models.F("net_amount"), "+", models.F("tax_amount")
                        ),
                    ),
                ),
                name="official_receipt_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="officialreceipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("allocation__isnull", False), ("withholding__isnull", False), _connector="OR"
                ),
                name="official_receipt_of_an_act",
            ),
        ),
        migrations.AddConstraint(
            model_name="officialreceipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("sha256__regex", "^[0-9a-f]{64}$"),
                    models.Q(("verify_token", ""), _negated=True),
                ),
                name="official_receipt_has_hash",
            ),
        ),
    ]
