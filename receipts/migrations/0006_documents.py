"""Documents of several kinds: credit notes, opening balances, approval, tax profiles, groups.

Numbers, hashes and lines of receipts mean something else from here on, so there must be none yet.
"""

import decimal

import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.models
import receipts.models.tax


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_splits_add_up"),
        ("receipts", "0005_purchase_orders"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(
            "DO $$ BEGIN IF EXISTS (SELECT 1 FROM receipts_receipt) THEN RAISE EXCEPTION"
            " 'there are receipts of an earlier kind: begin with an empty database';"
            " END IF; END $$",
            migrations.RunSQL.noop,
        ),
        migrations.CreateModel(
            name="BillingProfile",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="billing_profile",
                        serialize=False,
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
                (
                    "grouping",
                    models.CharField(
                        choices=[
                            ("project", "Receipts of its own"),
                            ("department", "On the receipts of its department"),
                            ("payer", "On the receipts of another project"),
                        ],
                        default="project",
                        max_length=16,
                        verbose_name="billed",
                    ),
                ),
                (
                    "in_run",
                    models.BooleanField(
                        default=True,
                        help_text="Off: only the project itself makes receipts (pay as you go).",
                        verbose_name="in the monthly run",
                    ),
                ),
                (
                    "exemption_certificate",
                    models.CharField(
                        blank=True, max_length=64, verbose_name="certificate of exemption"
                    ),
                ),
                (
                    "withholding_percent",
                    models.DecimalField(
                        decimal_places=3,
                        default=decimal.Decimal(0),
                        max_digits=6,
                        verbose_name="tax withheld at payment, %",
                    ),
                ),
                (
                    "branch",
                    models.CharField(
                        blank=True,
                        help_text="Five digits; 00000 is the head office. Empty: not registered for VAT.",
                        max_length=5,
                        verbose_name="branch number",
                    ),
                ),
                (
                    "contact_name",
                    models.CharField(blank=True, max_length=200, verbose_name="contact"),
                ),
                (
                    "document_language",
                    models.CharField(
                        choices=[("en", "English"), ("th", "ไทย"), ("both", "Both")],
                        default="both",
                        max_length=4,
                        verbose_name="language of documents",
                    ),
                ),
                (
                    "promptpay_id",
                    models.CharField(
                        blank=True,
                        help_text="Empty: the site's own. Phone number, tax id or e-wallet id, digits only.",
                        max_length=15,
                        verbose_name="PromptPay id to pay to",
                    ),
                ),
            ],
            options={
                "verbose_name": "billing profile",
                "verbose_name_plural": "billing profiles",
                "ordering": ("project",),
            },
        ),
        migrations.CreateModel(
            name="DepartmentBilling",
            fields=[
                (
                    "department",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="billing",
                        serialize=False,
                        to="accounts.department",
                        verbose_name="department",
                    ),
                ),
            ],
            options={
                "verbose_name": "billing of a department",
                "verbose_name_plural": "billing of departments",
                "ordering": ("department",),
            },
        ),
        migrations.CreateModel(
            name="TaxProfile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        max_length=32,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9][A-Za-z0-9._@+-]*\\Z",
                                "Use letters, digits and . _ @ + - only, beginning with a letter or digit.",
                            )
                        ],
                        verbose_name="code",
                    ),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "category",
                    models.CharField(
                        choices=[
                            ("standard", "Standard rate"),
                            ("zero", "Zero rate"),
                            ("exempt", "Exempt"),
                            ("reverse_charge", "Reverse charge: the buyer accounts for the tax"),
                        ],
                        default="standard",
                        max_length=16,
                        verbose_name="category",
                    ),
                ),
                (
                    "inclusive",
                    models.BooleanField(
                        default=False,
                        help_text="Else it is added to them.",
                        verbose_name="prices include the tax",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        help_text="Why no tax is charged; printed on the document.",
                        max_length=200,
                        verbose_name="reason",
                    ),
                ),
            ],
            options={
                "verbose_name": "tax profile",
                "verbose_name_plural": "tax profiles",
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="TaxRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "percent",
                    models.DecimalField(decimal_places=3, max_digits=6, verbose_name="percent"),
                ),
                ("starts_on", models.DateField(verbose_name="from")),
                (
                    "ends_on",
                    models.DateField(
                        blank=True,
                        help_text="Not included; empty means open end.",
                        null=True,
                        verbose_name="until",
                    ),
                ),
            ],
            options={
                "verbose_name": "tax rate",
                "verbose_name_plural": "tax rates",
                "ordering": ("profile", "starts_on"),
            },
        ),
        migrations.RemoveConstraint(
            model_name="receipt",
            name="receipt_issued_has_number",
        ),
        migrations.RemoveConstraint(
            model_name="receipt",
            name="receipt_paid_has_time",
        ),
        migrations.AddField(
            model_name="line",
            name="corrects",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credited_by",
                to="receipts.line",
                verbose_name="corrects line",
            ),
        ),
        migrations.AddField(
            model_name="line",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.project",
                verbose_name="project",
            ),
        ),
        migrations.AddField(
            model_name="line",
            name="text",
            field=models.CharField(blank=True, max_length=200, verbose_name="text"),
        ),
        migrations.AddField(
            model_name="receipt",
            name="corrects",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credit_notes",
                to="receipts.receipt",
                verbose_name="corrects",
            ),
        ),
        migrations.AddField(
            model_name="receipt",
            name="kind",
            field=models.CharField(
                choices=[
                    ("receipt", "Receipt"),
                    ("credit_note", "Credit note"),
                    ("opening", "Opening balance"),
                ],
                default="receipt",
                max_length=12,
                verbose_name="kind",
            ),
        ),
        migrations.AddField(
            model_name="receipt",
            name="particulars",
            field=models.JSONField(default=dict, verbose_name="particulars"),
        ),
        migrations.AddField(
            model_name="receipt",
            name="period",
            field=models.DateField(null=True, verbose_name="month of the run"),
        ),
        migrations.AddField(
            model_name="receipt",
            name="reason",
            field=models.CharField(blank=True, max_length=200, verbose_name="reason"),
        ),
        migrations.AddField(
            model_name="receipt",
            name="submitted_at",
            field=models.DateTimeField(null=True, verbose_name="submitted"),
        ),
        migrations.AddField(
            model_name="receipt",
            name="submitted_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="submitted by",
            ),
        ),
        migrations.AddField(
            model_name="receipt",
            name="tax_category",
            field=models.CharField(
                choices=[
                    ("standard", "Standard rate"),
                    ("zero", "Zero rate"),
                    ("exempt", "Exempt"),
                    ("reverse_charge", "Reverse charge: the buyer accounts for the tax"),
                ],
                default="standard",
                max_length=16,
                verbose_name="tax category",
            ),
        ),
        migrations.AddField(
            model_name="receipt",
            name="tax_inclusive",
            field=models.BooleanField(default=False, verbose_name="prices include the tax"),
        ),
        migrations.AddField(
            model_name="receipt",
            name="verify_token",
            field=models.CharField(editable=False, max_length=43, null=True, unique=True),
        ),
        migrations.AddField(
            model_name="receipt",
            name="written_off_at",
            field=models.DateTimeField(null=True, verbose_name="written off"),
        ),
        migrations.AddField(
            model_name="series",
            name="opened_after",
            field=models.PositiveIntegerField(
                default=0,
                help_text="The first number here is the next one.",
                verbose_name="last number used elsewhere",
            ),
        ),
        migrations.AddField(
            model_name="series",
            name="pattern",
            field=models.CharField(
                default="{code}-{year}-{number:06d}",
                help_text="With {number}, and {code}, {year} or {be} (Buddhist era) where wanted.",
                max_length=64,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[^{}]*(\\{(code|year|be)\\}[^{}]*)*\\{number(:0[1-9]d)?\\}[^{}]*$"
                    )
                ],
                verbose_name="pattern of numbers",
            ),
        ),
        migrations.AlterField(
            model_name="receipt",
            name="status",
            field=models.CharField(
                choices=[
                    ("draft", "Draft"),
                    ("pending", "To be approved"),
                    ("issued", "Issued"),
                    ("part_paid", "Partly paid"),
                    ("paid", "Paid"),
                    ("void", "Void"),
                    ("written_off", "Written off"),
                ],
                default="draft",
                max_length=12,
                verbose_name="status",
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(fields=["period"], name="receipt_run"),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(("period", None), ("period__day", 1), _connector="OR"),
                name="receipt_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("corrects__isnull", False), ("kind", "credit_note"), ("total__lte", 0)
                    ),
                    models.Q(("corrects", None), ("kind__in", ("receipt", "opening"))),
                    _connector="OR",
                ),
                name="receipt_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ("receipt", "opening")), _negated=True),
                    ("status__in", ("draft", "pending")),
                    ("total__gte", 0),
                    _connector="OR",
                ),
                name="receipt_asks_for_money",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("tax_category", "standard"),
                    models.Q(
                        ("tax_category__in", ("zero", "exempt", "reverse_charge")),
                        ("tax_inclusive", False),
                        ("tax_rate", 0),
                    ),
                    _connector="OR",
                ),
                name="receipt_tax_category",
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
                        ("status__in", ("draft", "pending")),
                        ("verify_token", None),
                    ),
                    models.Q(
                        ("issued_at__isnull", False),
                        ("number__isnull", False),
                        ("status__in", ("issued", "part_paid", "paid", "void", "written_off")),
                        ("verify_token__isnull", False),
                        models.Q(
                            models.Q(("kind", "opening"), ("sequence", None), ("series", None)),
                            models.Q(
                                ("kind__in", ("receipt", "credit_note")),
                                ("sequence__isnull", False),
                                ("series__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        models.Q(
                            models.Q(
                                ("due_on", None), ("kind", "credit_note"), ("status", "issued")
                            ),
                            models.Q(
                                ("due_on__isnull", False), ("kind__in", ("receipt", "opening"))
                            ),
                            _connector="OR",
                        ),
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
                    models.Q(("status", "pending"), ("submitted_at__isnull", False)),
                    models.Q(("status", "draft"), ("submitted_at", None), ("submitted_by", None)),
                    models.Q(("status__in", ("draft", "pending")), _negated=True),
                    _connector="OR",
                ),
                name="receipt_pending_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("submitted_by", None),
                    ("issued_by", None),
                    models.Q(("submitted_by", models.F("issued_by")), _negated=True),
                    _connector="OR",
                ),
                name="receipt_issued_by_other",
                violation_error_message="Whoever submits a receipt does not approve it.",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_at__isnull", False), ("status", "paid")),
                    ("status", "void"),
                    models.Q(
                        models.Q(("status__in", ("paid", "void")), _negated=True), ("paid_at", None)
                    ),
                    _connector="OR",
                ),
                name="receipt_paid_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "written_off"), ("written_off_at__isnull", False)),
                    models.Q(
                        models.Q(("status", "written_off"), _negated=True), ("written_off_at", None)
                    ),
                    _connector="OR",
                ),
                name="receipt_written_off_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="series",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "pattern__regex",
                        "^[^{}]*(\\{(code|year|be)\\}[^{}]*)*\\{number(:0[1-9]d)?\\}[^{}]*$",
                    )
                ),
                name="series_pattern",
            ),
        ),
        migrations.AddConstraint(
            model_name="series",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_number__gte", models.F("opened_after"))),
                name="series_goes_on",
            ),
        ),
        migrations.AddField(
            model_name="billingprofile",
            name="payer",
            field=models.ForeignKey(
                blank=True,
                help_text="Only where another project's receipts take the charges.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.project",
                verbose_name="paying project",
            ),
        ),
        migrations.AddField(
            model_name="departmentbilling",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.project",
                verbose_name="billed on receipts of",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("category__in", ["standard", "zero", "exempt", "reverse_charge"])
                ),
                name="tax_profile_category_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("category__in", ("exempt", "reverse_charge")), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="tax_profile_exempt_has_reason",
                violation_error_message="Say why no tax is charged: documents have to state it.",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(("category", "standard"), ("inclusive", False), _connector="OR"),
                name="tax_profile_includes_tax",
                violation_error_message="Prices can include tax only where there is any.",
            ),
        ),
        migrations.AddField(
            model_name="billingprofile",
            name="tax_profile",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: the site's own rate, added to the prices.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="profiles",
                to="receipts.taxprofile",
                verbose_name="tax profile",
            ),
        ),
        migrations.AddField(
            model_name="taxrate",
            name="profile",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rates",
                to="receipts.taxprofile",
                verbose_name="tax profile",
            ),
        ),
        migrations.AddConstraint(
            model_name="billingprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("grouping", "payer"), ("payer__isnull", False)),
                    models.Q(("grouping__in", ("project", "department")), ("payer", None)),
                    _connector="OR",
                ),
                name="billing_profile_payer",
                violation_error_message="Choose the paying project if, and only if, another project pays.",
            ),
        ),
        migrations.AddConstraint(
            model_name="billingprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("payer", None),
                    models.Q(("payer", models.F("project")), _negated=True),
                    _connector="OR",
                ),
                name="billing_profile_payer_is_other",
                violation_error_message="Another project pays, not the project itself.",
            ),
        ),
        migrations.AddConstraint(
            model_name="billingprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("withholding_percent__gte", 0), ("withholding_percent__lt", 100)
                ),
                name="billing_profile_withholding",
                violation_error_message="A rate is at least 0 and less than 100 percent.",
            ),
        ),
        migrations.AddConstraint(
            model_name="billingprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("branch", ""), ("branch__regex", "^[0-9]{5}$"), _connector="OR"
                ),
                name="billing_profile_branch",
                violation_error_message="A branch number has five digits.",
            ),
        ),
        migrations.AddConstraint(
            model_name="billingprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("promptpay_id", ""),
                    ("promptpay_id__regex", "^([0-9]{10}|[0-9]{13}|[0-9]{15})$"),
                    _connector="OR",
                ),
                name="billing_profile_promptpay",
                violation_error_message="A PromptPay id has 10, 13 or 15 digits.",
            ),
        ),
        migrations.AddConstraint(
            model_name="billingprofile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("exemption_certificate", ""), ("tax_profile__isnull", False), _connector="OR"
                ),
                name="billing_profile_certificate",
                violation_error_message="Choose the tax profile that the certificate is for.",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("percent__gte", 0), ("percent__lt", 100)),
                name="tax_rate_in_range",
                violation_error_message="A rate is at least 0 and less than 100 percent.",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_on", None), ("ends_on__gt", models.F("starts_on")), _connector="OR"
                ),
                name="tax_rate_ends_after_start",
                violation_error_message="It must end after it begins.",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrate",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    (accounts.models.Same("profile"), "&&"),
                    (receipts.models.tax.RateDays(), "&&"),
                ],
                name="tax_rate_no_overlap",
                violation_error_message="The profile has another rate at that time.",
            ),
        ),
    ]
