"""Rates have models, criteria, slabs and terms; counters price what is cumulative."""

from decimal import Decimal

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_splits"),
        ("pricing", "0007_lists_of_the_past"),
        ("usage", "0007_exemptions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Counter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField(verbose_name="month")),
                (
                    "quantity",
                    models.BigIntegerField(default=0, verbose_name="quantity in base units"),
                ),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=6, default=Decimal(0), max_digits=24, verbose_name="amount"
                    ),
                ),
            ],
            options={
                "verbose_name": "counter",
                "verbose_name_plural": "counters",
                "ordering": ("-month", "project", "rate"),
            },
        ),
        migrations.CreateModel(
            name="Equivalent",
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
                        max_length=56,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9][A-Za-z0-9._@+-]*\\Z",
                                "Use letters, digits and . _ @ + - only, beginning with a letter or digit.",
                            )
                        ],
                        verbose_name="code",
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "partition",
                    models.CharField(blank=True, max_length=255, verbose_name="partition"),
                ),
                (
                    "combine",
                    models.CharField(
                        choices=[("max", "the largest part"), ("sum", "the sum of the parts")],
                        default="max",
                        max_length=3,
                        verbose_name="made of",
                    ),
                ),
            ],
            options={
                "verbose_name": "equivalent",
                "verbose_name_plural": "equivalents",
                "ordering": ("price_list", "code", "pk"),
            },
        ),
        migrations.CreateModel(
            name="EquivalentPart",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "resource",
                    models.CharField(
                        max_length=64,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^(cpu|mem|gpu|node|billing|energy|(gpu|license|unit|sku):[A-Za-z0-9][A-Za-z0-9._@-]{0,55})\\Z",
                                "This is no resource, such as cpu, mem, gpu:a100 or license:matlab.",
                            )
                        ],
                        verbose_name="resource",
                    ),
                ),
                (
                    "counts",
                    models.DecimalField(
                        decimal_places=6,
                        default=Decimal(1),
                        max_digits=18,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="counts",
                    ),
                ),
                (
                    "per",
                    models.DecimalField(
                        decimal_places=6,
                        default=Decimal(1),
                        max_digits=18,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="per",
                    ),
                ),
            ],
            options={
                "verbose_name": "part of an equivalent",
                "verbose_name_plural": "parts of equivalents",
                "ordering": ("equivalent", "resource"),
            },
        ),
        migrations.CreateModel(
            name="PriceListEditor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
            ],
            options={
                "verbose_name": "author of a price list",
                "verbose_name_plural": "authors of price lists",
            },
        ),
        migrations.CreateModel(
            name="Sku",
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
                        max_length=56,
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
                    "name_th",
                    models.CharField(blank=True, max_length=200, verbose_name="name in Thai"),
                ),
                (
                    "unit",
                    models.CharField(
                        help_text="Such as TB-month or hour.", max_length=50, verbose_name="unit"
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
            ],
            options={
                "verbose_name": "item",
                "verbose_name_plural": "items",
                "ordering": ("code",),
                "permissions": (("charge_sku", "Can charge items to projects"),),
            },
        ),
        migrations.CreateModel(
            name="Slab",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                (
                    "up_to",
                    models.DecimalField(
                        blank=True, decimal_places=6, max_digits=18, null=True, verbose_name="up to"
                    ),
                ),
                (
                    "unit_price",
                    models.DecimalField(
                        decimal_places=6,
                        max_digits=18,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="unit price",
                    ),
                ),
                (
                    "flat_fee",
                    models.DecimalField(
                        decimal_places=6,
                        default=Decimal(0),
                        max_digits=18,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="flat fee",
                    ),
                ),
            ],
            options={
                "verbose_name": "slab",
                "verbose_name_plural": "slabs",
                "ordering": ("rate", "position"),
            },
        ),
        migrations.CreateModel(
            name="StatePolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        help_text="As in Slurm, such as NODE_FAIL.",
                        max_length=32,
                        verbose_name="state",
                    ),
                ),
                (
                    "percent",
                    models.DecimalField(
                        decimal_places=4,
                        max_digits=7,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="billed in percent",
                    ),
                ),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
            ],
            options={
                "verbose_name": "rule for a state",
                "verbose_name_plural": "rules for states",
                "ordering": ("price_list", "state"),
            },
        ),
        migrations.AlterModelOptions(
            name="rate",
            options={
                "ordering": ("price_list", "resource", "pk"),
                "verbose_name": "rate",
                "verbose_name_plural": "rates",
            },
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="charge_once",
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="charge_sign",
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="charge_price_in_range",
        ),
        migrations.RemoveConstraint(
            model_name="pricelist",
            name="price_list_once",
        ),
        migrations.RemoveConstraint(
            model_name="rate",
            name="rate_once",
        ),
        migrations.RemoveConstraint(
            model_name="rate",
            name="rate_resource_known",
        ),
        migrations.RemoveConstraint(
            model_name="rate",
            name="rate_in_range",
        ),
        migrations.AddField(
            model_name="charge",
            name="basis",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "Allocated"),
                    ("requested", "Requested"),
                    ("used", "Used"),
                    ("fallback", "Allocated, because the other figure is not known"),
                ],
                db_default="",
                max_length=10,
                verbose_name="basis",
            ),
        ),
        migrations.AddField(
            model_name="charge",
            name="counter_after",
            field=models.BigIntegerField(null=True, verbose_name="counter after"),
        ),
        migrations.AddField(
            model_name="charge",
            name="counter_before",
            field=models.BigIntegerField(null=True, verbose_name="counter before"),
        ),
        migrations.AddField(
            model_name="charge",
            name="kind",
            field=models.CharField(
                choices=[
                    ("usage", "Usage"),
                    ("minimum", "Minimum of a job"),
                    ("adjustment", "Adjustment"),
                    ("true_up", "Cap or commitment"),
                    ("item", "Item"),
                ],
                db_default="usage",
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AddField(
            model_name="charge",
            name="price_list",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="pricing.pricelist",
                verbose_name="price list",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="cap",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                max_digits=18,
                null=True,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="at most in a month",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="commitment",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                max_digits=18,
                null=True,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="at least in a month",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="ends_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Negotiated prices only: not included; empty means open end.",
                null=True,
                verbose_name="until",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="free_resources",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=64),
                blank=True,
                default=list,
                help_text="Resources that need no price in this list.",
                size=None,
                verbose_name="free resources",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="minimum_per_job",
            field=models.DecimalField(
                decimal_places=6,
                default=Decimal(0),
                max_digits=18,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="minimum per job",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="minimum_seconds",
            field=models.PositiveIntegerField(default=0, verbose_name="minimum time in seconds"),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="project",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="price_lists",
                to="accounts.project",
                verbose_name="project",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="quantum_seconds",
            field=models.PositiveIntegerField(
                default=1,
                help_text="Seconds: 1, 60 for minutes, 3600 for hours.",
                verbose_name="billed by started",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="suspended_is_free",
            field=models.BooleanField(
                default=False,
                help_text="For all resources; CPUs are never billed while a job is suspended.",
                verbose_name="suspended time is free",
            ),
        ),
        migrations.AddField(
            model_name="pricelist",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="price_lists",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="allowance",
            field=models.DecimalField(
                decimal_places=6,
                default=Decimal(0),
                max_digits=18,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="free units in a month",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="basis",
            field=models.CharField(
                choices=[("allocated", "Allocated"), ("requested", "Requested"), ("used", "Used")],
                default="allocated",
                max_length=10,
                verbose_name="basis",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="cluster",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="usage.cluster",
                verbose_name="cluster",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="discount_amount",
            field=models.DecimalField(
                decimal_places=6,
                default=Decimal(0),
                max_digits=18,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="discount in a month",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="discount_percent",
            field=models.DecimalField(
                decimal_places=4,
                default=Decimal(0),
                max_digits=7,
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(100),
                ],
                verbose_name="discount in percent",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="fee_at_zero",
            field=models.BooleanField(
                default=False,
                help_text="Whether a month without usage pays the first flat fee.",
                verbose_name="fee without usage",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="flat_fee",
            field=models.DecimalField(
                decimal_places=6,
                default=Decimal(0),
                max_digits=18,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="flat fee in a month",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="model",
            field=models.CharField(
                choices=[
                    ("flat", "Flat"),
                    ("graduated", "Graduated"),
                    ("volume", "Volume"),
                    ("package", "Package"),
                ],
                default="flat",
                max_length=10,
                verbose_name="model",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="package_units",
            field=models.DecimalField(
                decimal_places=6,
                default=Decimal(1),
                max_digits=18,
                verbose_name="units in a package",
            ),
        ),
        migrations.AddField(
            model_name="rate",
            name="partition",
            field=models.CharField(blank=True, max_length=255, verbose_name="partition"),
        ),
        migrations.AddField(
            model_name="rate",
            name="qos",
            field=models.CharField(blank=True, max_length=128, verbose_name="QOS"),
        ),
        migrations.AlterField(
            model_name="charge",
            name="job",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="charges",
                to="usage.job",
                verbose_name="job",
            ),
        ),
        migrations.AlterField(
            model_name="charge",
            name="rate",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="charges",
                to="pricing.rate",
                verbose_name="rate",
            ),
        ),
        migrations.AlterField(
            model_name="charge",
            name="resource",
            field=models.CharField(max_length=64, verbose_name="resource"),
        ),
        migrations.AlterField(
            model_name="charge",
            name="unit_price",
            field=models.DecimalField(
                decimal_places=6, max_digits=18, null=True, verbose_name="unit price"
            ),
        ),
        migrations.AlterField(
            model_name="jobrating",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "–"),
                    ("no_project", "No project has this Slurm account"),
                    ("project_inactive", "The project is not active"),
                    ("no_tier", "The project had no tier when the job ended"),
                    ("no_list", "The tier had no price list when the job ended"),
                    ("no_rate", "The price list has no rate for a resource that the job used"),
                    ("no_usage", "The job used nothing"),
                    ("exempted", "An exemption of the cluster covers it"),
                    ("state", "The price list bills nothing of jobs that ended so"),
                    ("too_large", "The amount is too large to be charged"),
                    ("changed", "The job changed; it is rated anew"),
                ],
                max_length=32,
                verbose_name="reason",
            ),
        ),
        migrations.AlterField(
            model_name="pricelist",
            name="tier",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="price_lists",
                to="accounts.tier",
                verbose_name="tier",
            ),
        ),
        migrations.AlterField(
            model_name="rate",
            name="resource",
            field=models.CharField(
                max_length=64,
                validators=[
                    django.core.validators.RegexValidator(
                        "^(cpu|mem|gpu|node|billing|energy|(gpu|license|unit|sku):[A-Za-z0-9][A-Za-z0-9._@-]{0,55})\\Z",
                        "This is no resource, such as cpu, mem, gpu:a100 or license:matlab.",
                    )
                ],
                verbose_name="resource",
            ),
        ),
        migrations.AlterField(
            model_name="rate",
            name="unit_price",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                max_digits=18,
                null=True,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="unit price",
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("counter_after__isnull", False)),
                fields=["rate", "project", "job_end"],
                name="charge_counter",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(
                condition=models.Q(("job__isnull", False)),
                fields=("job", "resource", "project", "generation", "reverses"),
                name="charge_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind__in", ("usage", "item")), ("quantity__gt", 0), ("reverses", None)
                    ),
                    models.Q(
                        ("kind__in", ("usage", "item")),
                        ("quantity__lt", 0),
                        ("reverses__isnull", False),
                    ),
                    models.Q(("kind__in", ("minimum", "adjustment", "true_up")), ("quantity", 0)),
                    _connector="OR",
                ),
                name="charge_sign",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("unit_size__gt", 0),
                    models.Q(
                        ("unit_price", None),
                        models.Q(("unit_price__gte", 0), ("unit_price__lt", 1000000000000)),
                        _connector="OR",
                    ),
                    ("amount__gt", -100000000000000000),
                    ("amount__lt", 100000000000000000),
                ),
                name="charge_price_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("counter_after", None),
                        ("counter_before", None),
                        ("kind__in", ("usage", "item")),
                        ("price_list", None),
                        ("rate__isnull", False),
                        ("unit_price__isnull", False),
                    ),
                    models.Q(
                        (
                            "counter_after",
                            django.db.models.expressions.CombinedExpression(
                                models.F("counter_before"), "+", models.F("quantity")
                            ),
                        ),
                        ("counter_after__gte", 0),
                        ("counter_after__isnull", False),
                        ("counter_before__gte", 0),
                        ("counter_before__isnull", False),
                        ("kind__in", ("usage", "item", "adjustment")),
                        ("price_list", None),
                        ("rate__isnull", False),
                        ("unit_price", None),
                    ),
                    models.Q(
                        ("counter_after", None),
                        ("counter_before", None),
                        ("kind__in", ("minimum", "true_up")),
                        ("price_list__isnull", False),
                        ("rate", None),
                        ("unit_price", None),
                    ),
                    _connector="OR",
                ),
                name="charge_priced_one_way",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("job__isnull", False), ("kind__in", ("usage", "minimum"))),
                    models.Q(("job", None), ("kind__in", ("adjustment", "true_up", "item"))),
                    _connector="OR",
                ),
                name="charge_job_by_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(("basis__in", ("", "requested", "used", "fallback"))),
                name="charge_basis_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricelist",
            constraint=models.UniqueConstraint(
                fields=("tier", "project", "user", "effective_at", "revision"),
                name="price_list_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="pricelist",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ends_at", None),
                        ("project", None),
                        ("tier__isnull", False),
                        ("user", None),
                    ),
                    models.Q(("project__isnull", False), ("tier", None), ("user", None)),
                    models.Q(("project", None), ("tier", None), ("user__isnull", False)),
                    _connector="OR",
                ),
                name="price_list_of_one",
                violation_error_message="A list is of one tier, one project or one user.",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricelist",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at", None), ("ends_at__gt", models.F("effective_at")), _connector="OR"
                ),
                name="price_list_ends_after_start",
                violation_error_message="It must end after it begins.",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricelist",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("minimum_per_job__gte", 0),
                    ("minimum_per_job__lt", 1000000000000),
                    ("minimum_seconds__lte", 2678400),
                    ("quantum_seconds__gte", 1),
                    ("quantum_seconds__lte", 86400),
                    models.Q(
                        ("cap", None),
                        models.Q(("cap__gte", 0), ("cap__lt", 1000000000000)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("commitment", None),
                        models.Q(("commitment__gte", 0), ("commitment__lt", 1000000000000)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("cap", None),
                        ("commitment", None),
                        ("cap__gte", models.F("commitment")),
                        _connector="OR",
                    ),
                ),
                name="price_list_terms_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.UniqueConstraint(
                fields=("price_list", "resource", "cluster", "partition", "qos"),
                name="rate_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("unit_price", None),
                    models.Q(("unit_price__gte", 0), ("unit_price__lt", 1000000000000)),
                    _connector="OR",
                ),
                name="rate_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("model__in", ("flat", "package")), ("unit_price__isnull", False)),
                    models.Q(
                        ("flat_fee", 0),
                        ("model__in", ("graduated", "volume")),
                        ("unit_price", None),
                    ),
                    _connector="OR",
                ),
                name="rate_price_by_model",
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "resource__regex",
                        "^(cpu|mem|gpu|node|billing|energy|(gpu|license|unit|sku):[A-Za-z0-9][A-Za-z0-9._@-]{0,55})$",
                    )
                ),
                name="rate_resource_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("basis", "allocated"),
                    ("basis", "requested"),
                    models.Q(("basis", "used"), ("resource__in", ("cpu", "mem"))),
                    _connector="OR",
                ),
                name="rate_basis_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("allowance__gte", 0),
                    ("allowance__lt", 1000000000000),
                    ("discount_amount__gte", 0),
                    ("discount_amount__lt", 1000000000000),
                    ("discount_percent__gte", 0),
                    ("discount_percent__lte", 100),
                    ("flat_fee__gte", 0),
                    ("flat_fee__lt", 1000000000000),
                    ("package_units__gt", 0),
                    ("package_units__lt", 1000000000000),
                ),
                name="rate_terms_in_range",
            ),
        ),
        migrations.AddField(
            model_name="counter",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="counters",
                to="accounts.project",
                verbose_name="project",
            ),
        ),
        migrations.AddField(
            model_name="counter",
            name="rate",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="counters",
                to="pricing.rate",
                verbose_name="rate",
            ),
        ),
        migrations.AddField(
            model_name="equivalent",
            name="cluster",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="usage.cluster",
                verbose_name="cluster",
            ),
        ),
        migrations.AddField(
            model_name="equivalent",
            name="price_list",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="equivalents",
                to="pricing.pricelist",
                verbose_name="price list",
            ),
        ),
        migrations.AddField(
            model_name="equivalentpart",
            name="equivalent",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="parts",
                to="pricing.equivalent",
                verbose_name="equivalent",
            ),
        ),
        migrations.AddField(
            model_name="pricelisteditor",
            name="price_list",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="editors",
                to="pricing.pricelist",
            ),
        ),
        migrations.AddField(
            model_name="pricelisteditor",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="slab",
            name="rate",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="slabs",
                to="pricing.rate",
                verbose_name="rate",
            ),
        ),
        migrations.AddField(
            model_name="statepolicy",
            name="price_list",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="states",
                to="pricing.pricelist",
                verbose_name="price list",
            ),
        ),
        migrations.AddConstraint(
            model_name="counter",
            constraint=models.UniqueConstraint(
                fields=("project", "rate", "month"), name="counter_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="counter",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gte", 0), ("month__day", 1), ("quantity__gte", 0)),
                name="counter_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="equivalent",
            constraint=models.UniqueConstraint(
                fields=("price_list", "code", "cluster", "partition"),
                name="equivalent_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="equivalent",
            constraint=models.CheckConstraint(
                condition=models.Q(("combine__in", ["max", "sum"])), name="equivalent_combine_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="equivalentpart",
            constraint=models.UniqueConstraint(
                fields=("equivalent", "resource"), name="equivalent_part_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="equivalentpart",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("counts__gte", 0),
                    ("counts__lt", 1000000),
                    ("per__gt", 0),
                    ("per__lt", 1000000),
                    ("resource__regex", "^(cpu|mem|node|gpu(:[A-Za-z0-9][A-Za-z0-9._@-]{0,55})?)$"),
                ),
                name="equivalent_part_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricelisteditor",
            constraint=models.UniqueConstraint(
                fields=("price_list", "user"), name="price_list_editor_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="slab",
            constraint=models.UniqueConstraint(fields=("rate", "position"), name="slab_once"),
        ),
        migrations.AddConstraint(
            model_name="slab",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("up_to", None),
                        models.Q(("up_to__gt", 0), ("up_to__lt", 1000000000000)),
                        _connector="OR",
                    ),
                    ("flat_fee__gte", 0),
                    ("flat_fee__lt", 1000000000000),
                    ("unit_price__gte", 0),
                    ("unit_price__lt", 1000000000000),
                ),
                name="slab_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="statepolicy",
            constraint=models.UniqueConstraint(
                fields=("price_list", "state"), name="state_policy_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="statepolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("percent__gte", 0),
                    ("percent__lte", 100),
                    ("state__regex", "^[A-Z][A-Z_]{1,31}$"),
                    models.Q(("reason__regex", "^\\s*$"), _negated=True),
                ),
                name="state_policy_in_range",
            ),
        ),
    ]
