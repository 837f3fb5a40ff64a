"""Price lists that freeze when published, and charges that are only ever added."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only, no_truncate, refuse, set_trigger, trigger

_LIST_OF = "SELECT status FROM pricing_pricelist WHERE id = {row}.price_list_id FOR SHARE"

RULES = [
    refuse(
        "pricing_pricelist",
        "UPDATE OR DELETE",
        "a published price list never changes",
        when="OLD.status = 'published'",
    ),
    no_truncate("pricing_pricelist"),
    trigger(
        "pricing_rate",
        name="pricing_rate_frozen",
        timing="BEFORE INSERT OR UPDATE OR DELETE",
        body=f"""
            IF TG_OP <> 'INSERT' AND ({_LIST_OF.format(row="OLD")}) <> 'draft'
               OR TG_OP <> 'DELETE' AND ({_LIST_OF.format(row="NEW")}) <> 'draft' THEN
                RAISE EXCEPTION '% on % is refused: only a draft price list changes',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        """,
    ),
    no_truncate("pricing_rate"),
    # Half away from zero at six decimals, shown by multiplication alone: a division in numeric
    # rounds by itself and could round twice.
    migrations.RunSQL(
        """
        ALTER TABLE pricing_charge ADD CONSTRAINT charge_amount_recomputes CHECK (
            2 * (abs(quantity) * unit_price - abs(amount) * unit_size) < unit_size * 0.000001
            AND 2 * (abs(amount) * unit_size - abs(quantity) * unit_price) <= unit_size * 0.000001
            AND amount * quantity >= 0
        )
        """,
        "ALTER TABLE pricing_charge DROP CONSTRAINT charge_amount_recomputes",
    ),
    set_trigger(
        "pricing_charge",
        name="pricing_charge_negates",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM new_rows n LEFT JOIN pricing_charge c ON c.id = n.reverses_id
                 WHERE n.reverses_id IS NOT NULL AND (c.id IS NULL OR c.reverses_id IS NOT NULL OR
                       (c.job_id, c.project_id, c.resource, c.generation, c.rate_id, c.job_end,
                        -c.quantity, c.unit_size, c.unit_price, -c.amount, c.currency)
                       IS DISTINCT FROM
                       (n.job_id, n.project_id, n.resource, n.generation, n.rate_id, n.job_end,
                        n.quantity, n.unit_size, n.unit_price, n.amount, n.currency))
            ) THEN
                RAISE EXCEPTION 'a reversal must negate its charge exactly'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    # A first charge is once by charge_once. For later ones the job's row lock orders two writers, so
    # that the second one sees the first one's charge.
    set_trigger(
        "pricing_charge",
        name="pricing_charge_one_live",
        event="INSERT",
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM new_rows WHERE reverses_id IS NULL AND generation > 1) THEN
                RETURN NULL;
            END IF;
            PERFORM 1 FROM usage_job WHERE id IN (
                SELECT job_id FROM new_rows WHERE reverses_id IS NULL AND generation > 1)
              ORDER BY id FOR NO KEY UPDATE;
            IF EXISTS (
                SELECT 1 FROM new_rows n JOIN pricing_charge c
                    ON c.job_id = n.job_id AND c.resource = n.resource AND c.id <> n.id
                 WHERE n.reverses_id IS NULL AND n.generation > 1 AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
            ) THEN
                RAISE EXCEPTION 'the job has a charge in force for this resource'
                    USING ERRCODE = 'unique_violation';
            END IF;
        """,
    ),
    set_trigger(
        "pricing_charge",
        name="pricing_charge_price",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM (
                    SELECT rate_id, resource, unit_price, currency, min(job_end) AS first_end
                      FROM new_rows WHERE reverses_id IS NULL
                     GROUP BY rate_id, resource, unit_price, currency
                ) n
                  LEFT JOIN pricing_rate r ON r.id = n.rate_id
                  LEFT JOIN pricing_pricelist l ON l.id = r.price_list_id
                 WHERE NOT coalesce(
                    r.unit_price = n.unit_price AND r.resource = n.resource
                    AND l.currency = n.currency AND l.status = 'published'
                    AND l.effective_at <= n.first_end, false)
            ) THEN
                RAISE EXCEPTION 'a charge must carry the price of a published list in effect'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    # What a charge points at exists: the job, the rate and the charge that it reverses by the rules
    # above and pricing_charge_quantity, the project by this one. None of them can go away again.
    set_trigger(
        "pricing_charge",
        name="pricing_charge_project",
        event="INSERT",
        declare="wanted bigint[]; found bigint;",
        body="""
            SELECT array_agg(n.project_id) INTO wanted
              FROM (SELECT project_id FROM new_rows GROUP BY project_id) n;
            PERFORM 1 FROM accounts_project WHERE id = ANY (wanted) ORDER BY id FOR KEY SHARE;
            GET DIAGNOSTICS found = ROW_COUNT;
            IF found <> cardinality(wanted) THEN
                RAISE EXCEPTION 'a charge must have a project'
                    USING ERRCODE = 'foreign_key_violation';
            END IF;
        """,
    ),
    trigger(
        "accounts_project",
        name="pricing_project_stays",
        timing="BEFORE DELETE OR UPDATE OF id",
        body="""
            IF (TG_OP = 'DELETE' OR OLD.id <> NEW.id) AND (
                EXISTS (SELECT 1 FROM pricing_charge WHERE project_id = OLD.id)
                OR EXISTS (SELECT 1 FROM pricing_jobrating WHERE project_id = OLD.id)) THEN
                RAISE EXCEPTION '% on % is refused: the project has jobs', TG_OP, TG_TABLE_NAME
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        """,
    ),
    # Most rows have no charge to reverse, and would fill an index that is asked for the others.
    migrations.RunSQL(
        "ALTER TABLE pricing_charge DROP CONSTRAINT pricing_charge_reverses_id_key;"
        " CREATE UNIQUE INDEX charge_reversed_once ON pricing_charge (reverses_id)"
        " WHERE reverses_id IS NOT NULL",
        "DROP INDEX charge_reversed_once; ALTER TABLE pricing_charge"
        " ADD CONSTRAINT pricing_charge_reverses_id_key UNIQUE (reverses_id)",
    ),
    *append_only("pricing_charge"),
]


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_refusal"),
        ("accounts", "0001_accounts"),
        ("usage", "0001_usage"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PriceList",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("effective_at", models.DateTimeField(verbose_name="effective from")),
                (
                    "revision",
                    models.PositiveIntegerField(default=1, editable=False, verbose_name="revision"),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "status",
                    models.CharField(
                        choices=[("draft", "Draft"), ("published", "Published")],
                        default="draft",
                        editable=False,
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "published_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="published"),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "published_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="published by",
                    ),
                ),
                (
                    "tier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="price_lists",
                        to="accounts.tier",
                        verbose_name="tier",
                    ),
                ),
            ],
            options={
                "verbose_name": "price list",
                "verbose_name_plural": "price lists",
                "ordering": ("tier", "-effective_at", "-revision"),
                "permissions": (("publish_pricelist", "Can publish price lists"),),
            },
        ),
        migrations.CreateModel(
            name="Rate",
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
                        choices=[("cpu", "CPU"), ("gpu", "GPU"), ("mem", "Memory")],
                        max_length=32,
                        verbose_name="resource",
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
                    "price_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rates",
                        to="pricing.pricelist",
                        verbose_name="price list",
                    ),
                ),
            ],
            options={
                "verbose_name": "rate",
                "verbose_name_plural": "rates",
                "ordering": ("price_list", "resource"),
            },
        ),
        migrations.CreateModel(
            name="Charge",
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
                        choices=[("cpu", "CPU"), ("gpu", "GPU"), ("mem", "Memory")],
                        max_length=32,
                        verbose_name="resource",
                    ),
                ),
                ("generation", models.PositiveIntegerField(default=1, verbose_name="generation")),
                ("job_end", models.DateTimeField(verbose_name="job ended")),
                ("quantity", models.BigIntegerField(verbose_name="quantity in base units")),
                ("unit_size", models.BigIntegerField(verbose_name="base units in a unit")),
                (
                    "unit_price",
                    models.DecimalField(decimal_places=6, max_digits=18, verbose_name="unit price"),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=6, max_digits=24, verbose_name="amount"),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("estimated", models.BooleanField(default=False, verbose_name="estimated")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="charges",
                        to="usage.job",
                        verbose_name="job",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="charges",
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
                (
                    "reverses",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversal",
                        to="pricing.charge",
                        verbose_name="reverses",
                    ),
                ),
                (
                    "rate",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="charges",
                        to="pricing.rate",
                        verbose_name="rate",
                    ),
                ),
            ],
            options={
                "verbose_name": "charge",
                "verbose_name_plural": "charges",
                "ordering": ("-job_end", "job", "resource"),
            },
        ),
        migrations.CreateModel(
            name="JobRating",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="rating",
                        serialize=False,
                        to="usage.job",
                        verbose_name="job",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("rated", "Rated"),
                            ("exempt", "Exempt"),
                            ("unpriced", "Unpriced"),
                        ],
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "–"),
                            ("no_project", "No project has this Slurm account"),
                            ("project_inactive", "The project is not active"),
                            ("no_tier", "The project had no tier when the job ended"),
                            ("no_list", "The tier had no price list when the job ended"),
                            (
                                "no_rate",
                                "The price list has no rate for a resource that the job used",
                            ),
                            ("no_usage", "The job used nothing"),
                        ],
                        max_length=32,
                        verbose_name="reason",
                    ),
                ),
                ("job_revision", models.PositiveIntegerField(verbose_name="revision of the job")),
                (
                    "generation",
                    models.PositiveIntegerField(
                        default=0, verbose_name="generation of its charges"
                    ),
                ),
                ("since", models.DateTimeField(verbose_name="since")),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
            ],
            options={
                "verbose_name": "rating of a job",
                "verbose_name_plural": "ratings of jobs",
                "ordering": ("-since", "-job"),
                "permissions": (("rate_jobs", "Can rate jobs"),),
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "unpriced")),
                        fields=["reason"],
                        name="job_unpriced",
                    ),
                    models.Index(fields=["project"], name="job_rating_project"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("project__isnull", False), ("reason", ""), ("status", "rated")
                            ),
                            models.Q(
                                ("status__in", ("exempt", "unpriced")),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="job_rating_reason",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="pricelist",
            constraint=models.UniqueConstraint(
                fields=("tier", "effective_at", "revision"), name="price_list_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="pricelist",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("published_at", None), ("status", "draft")),
                    models.Q(("published_at__isnull", False), ("status", "published")),
                    _connector="OR",
                ),
                name="price_list_published_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricelist",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                name="price_list_currency_code",
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.UniqueConstraint(fields=("price_list", "resource"), name="rate_once"),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(
                condition=models.Q(("resource__in", ["cpu", "gpu", "mem"])),
                name="rate_resource_known",
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(fields=["project", "job_end"], name="charge_project_end"),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(
                fields=("job", "resource", "generation", "reverses"),
                name="charge_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quantity__gt", 0), ("reverses", None)),
                    models.Q(("quantity__lt", 0), ("reverses__isnull", False)),
                    _connector="OR",
                ),
                name="charge_sign",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="charge_currency_code"
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("unit_price__gte", 0), ("unit_price__lt", 1000000000000), ("unit_size__gt", 0)
                ),
                name="charge_price_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="rate",
            constraint=models.CheckConstraint(
                condition=models.Q(("unit_price__gte", 0), ("unit_price__lt", 1000000000000)),
                name="rate_in_range",
            ),
        ),
        *RULES,
    ]
