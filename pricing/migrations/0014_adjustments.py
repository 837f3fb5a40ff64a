"""What is charged or credited by hand, outages, and the rules of both."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only, function, no_truncate, refuse, set_trigger, trigger

CHARGED = (
    "c.kind = 'manual' AND c.resource = 'manual:' || @.id AND c.project_id = @.project_id"
    " AND c.job_end = @.at"
)

_SAID = "project_id kind at percent amount currency outage_id credits_receipt_id credits_line_id"
_SAID_OF_OUTAGE = "cluster_id starts_at ends_at percent"
_WHOSE = " text reason author_id created_at"


def _reviewed(table: str, said: str, submitted: str) -> list[migrations.RunSQL]:
    """The rules of what a second person may have to approve: it begins as a draft, says the same for
    ever, and goes from step to step only; what was submitted stays submitted as it was."""

    def row(name: str, columns: str) -> str:
        return "(" + ", ".join(f"{name}.{column}" for column in columns.split()) + ")"

    def other(columns: str) -> str:
        return f"{row('OLD', columns)} IS DISTINCT FROM {row('NEW', columns)}"

    return [
        refuse(
            table,
            "INSERT",
            "it begins as a draft",
            when="NEW.status <> 'draft'",
            name=f"{table}_begins",
        ),
        refuse(
            table,
            "UPDATE",
            "what it says never changes: withdraw it and make another",
            when=f"{other(said + _WHOSE)} OR OLD.status <> 'draft' AND {other(submitted)}",
            name=f"{table}_stands",
        ),
        refuse(
            table,
            "UPDATE",
            "there is no such step",
            when="(OLD.status, NEW.status) NOT IN (('draft', 'submitted'), ('draft', 'withdrawn'),"
            " ('submitted', 'approved'), ('submitted', 'rejected'), ('submitted', 'withdrawn'))",
            name=f"{table}_moves",
        ),
        refuse(table, "DELETE", "it stays to be seen"),
        no_truncate(table),
    ]


# An approved adjustment has its charge; that of an outage comes to what its items do, rounded to the
# currency.
HAS_CHARGE = trigger(
    "pricing_adjustment",
    name="pricing_adjustment_charged",
    timing="AFTER UPDATE DEFERRABLE INITIALLY DEFERRED",
    when="NEW.status = 'approved'",
    body="""
        IF NOT EXISTS (SELECT 1 FROM pricing_charge c WHERE @charged) THEN
            RAISE EXCEPTION 'an approved adjustment has its charge'
                USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.kind = 'outage' AND NOT coalesce((
            SELECT abs(sum(i.amount) - NEW.amount) <= 0.5 FROM pricing_outageitem i
             WHERE i.adjustment_id = NEW.id), false) THEN
            RAISE EXCEPTION 'an outage gives back what its items say'
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    """.replace("@charged", CHARGED.replace("@", "NEW")),
)

# What was charged by hand is in force once. The project's lock orders two writers.
ADJUSTS = set_trigger(
    "pricing_charge",
    name="pricing_charge_adjusts",
    event="INSERT",
    body="""
        IF NOT EXISTS (SELECT 1 FROM new_rows WHERE kind = 'manual' AND reverses_id IS NULL) THEN
            RETURN NULL;
        END IF;
        PERFORM 1 FROM accounts_project WHERE id IN (
            SELECT project_id FROM new_rows WHERE kind = 'manual')
          ORDER BY id FOR NO KEY UPDATE;
        IF EXISTS (
            SELECT 1 FROM new_rows n LEFT JOIN pricing_adjustment a
                ON a.id = CASE WHEN n.resource ~ '^manual:[1-9][0-9]{0,17}$'
                               THEN substr(n.resource, 8)::bigint END
             WHERE n.kind = 'manual' AND n.reverses_id IS NULL AND (NOT coalesce(
                a.status = 'approved'
                AND (a.project_id, a.amount, a.currency, a.at)
                    = (n.project_id, n.amount, n.currency, n.job_end), false)
                OR EXISTS (
                    SELECT 1 FROM pricing_charge c
                     WHERE @charged AND c.id <> n.id AND c.reverses_id IS NULL
                       AND NOT EXISTS (
                            SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)))
        ) THEN
            RAISE EXCEPTION 'what is charged by hand is what was approved, once'
                USING ERRCODE = 'check_violation';
        END IF;
    """.replace("@charged", CHARGED.replace("@", "a")),
)

TAKEN_BACK = function(
    "pricing_is_taken_back(adjustment_id bigint)",
    returns="boolean",
    body="""
        SELECT coalesce(count(*) > 0 AND sum(c.amount) = 0, false)
          FROM pricing_adjustment a JOIN pricing_charge c ON @charged
         WHERE a.id = $1
    """.replace("@charged", CHARGED.replace("@", "a")),
)

# Of what jobs cost that ran on the cluster within the outage, and never more than all of it.
ITEM_FITS = set_trigger(
    "pricing_outageitem",
    name="pricing_outageitem_fits",
    event="INSERT",
    body="""
        PERFORM 1 FROM accounts_project WHERE id IN (
            SELECT a.project_id FROM new_rows n
              JOIN pricing_adjustment a ON a.id = n.adjustment_id)
          ORDER BY id FOR NO KEY UPDATE;
        IF EXISTS (
            SELECT 1 FROM new_rows n
              LEFT JOIN pricing_outagecredit o ON o.id = n.outage_id
              LEFT JOIN pricing_adjustment a ON a.id = n.adjustment_id
              LEFT JOIN pricing_charge c ON c.id = n.charge_id
              LEFT JOIN usage_job j ON j.id = n.job_id
             WHERE NOT coalesce(
                o.status = 'approved' AND a.outage_id = o.id AND c.job_id = n.job_id
                AND (a.project_id, a.currency) = (c.project_id, c.currency)
                AND c.kind IN ('usage', 'minimum') AND c.reverses_id IS NULL
                AND j.cluster_id = o.cluster_id AND j.start < o.ends_at
                AND j."end" > o.starts_at, false)
        ) OR EXISTS (
            SELECT 1 FROM new_rows n JOIN pricing_charge c ON c.id = n.charge_id
             WHERE c.amount + (
                SELECT coalesce(sum(i.amount), 0) FROM pricing_outageitem i
                 WHERE i.charge_id = c.id AND NOT pricing_is_taken_back(i.adjustment_id)) < 0
        ) THEN
            RAISE EXCEPTION 'an outage gives back a part of what its jobs cost'
                USING ERRCODE = 'check_violation';
        END IF;
    """,
)

RULES = [
    *_reviewed("pricing_adjustment", _SAID, "submitted_at"),
    *_reviewed("pricing_outagecredit", _SAID_OF_OUTAGE, "submitted_at figures"),
    HAS_CHARGE,
    ADJUSTS,
    TAKEN_BACK,
    *append_only("pricing_outageitem"),
    ITEM_FITS,
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_splits_add_up"),
        ("pricing", "0013_booked"),
        ("usage", "0012_remarks_by_code"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Adjustment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "text",
                    models.CharField(
                        help_text="As it is printed on the document.",
                        max_length=200,
                        verbose_name="text",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        help_text="For the log; it is not printed.",
                        max_length=200,
                        verbose_name="reason",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("submitted", "Waits for approval"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="draft",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created",
                    ),
                ),
                ("submitted_at", models.DateTimeField(null=True, verbose_name="submitted")),
                ("decided_at", models.DateTimeField(null=True, verbose_name="decided")),
                (
                    "answer",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="reason for rejecting"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("credit", "Credit"),
                            ("discount", "Discount"),
                            ("fee", "Fee"),
                            ("outage", "Outage"),
                        ],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="belongs to")),
                (
                    "percent",
                    models.DecimalField(
                        decimal_places=2, max_digits=5, null=True, verbose_name="percent"
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=6, max_digits=24, verbose_name="amount"),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "credits_receipt_id",
                    models.BigIntegerField(null=True, verbose_name="credits receipt"),
                ),
                ("credits_line_id", models.BigIntegerField(null=True, verbose_name="credits line")),
            ],
            options={
                "verbose_name": "adjustment",
                "verbose_name_plural": "adjustments",
                "ordering": ("-id",),
                "permissions": (("approve_adjustment", "Can approve adjustments"),),
            },
        ),
        migrations.CreateModel(
            name="OutageCredit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "text",
                    models.CharField(
                        help_text="As it is printed on the document.",
                        max_length=200,
                        verbose_name="text",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        help_text="For the log; it is not printed.",
                        max_length=200,
                        verbose_name="reason",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("submitted", "Waits for approval"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="draft",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created",
                    ),
                ),
                ("submitted_at", models.DateTimeField(null=True, verbose_name="submitted")),
                ("decided_at", models.DateTimeField(null=True, verbose_name="decided")),
                (
                    "answer",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="reason for rejecting"
                    ),
                ),
                ("starts_at", models.DateTimeField(verbose_name="from")),
                ("ends_at", models.DateTimeField(verbose_name="until")),
                (
                    "percent",
                    models.DecimalField(
                        decimal_places=2,
                        help_text="Of what the jobs cost for the time that they ran within the outage.",
                        max_digits=5,
                        verbose_name="percent",
                    ),
                ),
                ("figures", models.JSONField(editable=False, null=True, verbose_name="figures")),
            ],
            options={
                "verbose_name": "outage credit",
                "verbose_name_plural": "outage credits",
                "ordering": ("-id",),
                "permissions": (("approve_outagecredit", "Can approve outage credits"),),
            },
        ),
        migrations.CreateModel(
            name="OutageItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seconds", models.BigIntegerField(verbose_name="seconds within the outage")),
                (
                    "amount",
                    models.DecimalField(decimal_places=6, max_digits=24, verbose_name="amount"),
                ),
            ],
            options={
                "verbose_name": "credited charge",
                "verbose_name_plural": "credited charges",
                "ordering": ("outage", "id"),
            },
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="charge_sign",
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="charge_priced_one_way",
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="charge_job_by_kind",
        ),
        migrations.AlterField(
            model_name="charge",
            name="kind",
            field=models.CharField(
                choices=[
                    ("usage", "Usage"),
                    ("minimum", "Minimum of a job"),
                    ("adjustment", "Adjustment"),
                    ("true_up", "Cap or commitment"),
                    ("item", "Item"),
                    ("manual", "By hand"),
                ],
                db_default="usage",
                max_length=10,
                verbose_name="kind",
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
                    models.Q(
                        ("kind", "manual"), ("quantity", 0), models.Q(("amount", 0), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="charge_sign",
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
                    models.Q(
                        ("counter_after", None),
                        ("counter_before", None),
                        ("kind", "manual"),
                        ("price_list", None),
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
                    models.Q(
                        ("job", None), ("kind__in", ("adjustment", "true_up", "item", "manual"))
                    ),
                    _connector="OR",
                ),
                name="charge_job_by_kind",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="author",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="author",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="decided_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="decided by",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="adjustments",
                to="accounts.project",
                verbose_name="project",
            ),
        ),
        migrations.AddField(
            model_name="outagecredit",
            name="author",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="author",
            ),
        ),
        migrations.AddField(
            model_name="outagecredit",
            name="cluster",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="outage_credits",
                to="usage.cluster",
                verbose_name="cluster",
            ),
        ),
        migrations.AddField(
            model_name="outagecredit",
            name="decided_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="decided by",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="outage",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="adjustments",
                to="pricing.outagecredit",
                verbose_name="outage credit",
            ),
        ),
        migrations.AddField(
            model_name="outageitem",
            name="adjustment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="items",
                to="pricing.adjustment",
                verbose_name="adjustment",
            ),
        ),
        migrations.AddField(
            model_name="outageitem",
            name="charge",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="outage_items",
                to="pricing.charge",
                verbose_name="charge",
            ),
        ),
        migrations.AddField(
            model_name="outageitem",
            name="job",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="usage.job",
                verbose_name="job",
            ),
        ),
        migrations.AddField(
            model_name="outageitem",
            name="outage",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="items",
                to="pricing.outagecredit",
                verbose_name="outage credit",
            ),
        ),
        migrations.AddConstraint(
            model_name="outagecredit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at__gt", models.F("starts_at")),
                    ("percent__gt", 0),
                    ("percent__lte", 100),
                    models.Q(("text", ""), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                ),
                name="outage_credit_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="outagecredit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("answer", ""), ("decided_at", None), ("decided_by", None)),
                        ("status", "draft"),
                        ("submitted_at", None),
                    ),
                    models.Q(
                        models.Q(("answer", ""), ("decided_at", None), ("decided_by", None)),
                        ("status", "submitted"),
                        ("submitted_at__isnull", False),
                    ),
                    models.Q(
                        ("answer", ""),
                        ("decided_at__isnull", False),
                        ("status", "approved"),
                        ("submitted_at__isnull", False),
                    ),
                    models.Q(
                        ("answer", ""),
                        ("decided_at__isnull", False),
                        ("decided_by", None),
                        ("status", "withdrawn"),
                    ),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                        ("status", "rejected"),
                        ("submitted_at__isnull", False),
                        models.Q(("answer", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="outage_credit_steps",
            ),
        ),
        migrations.AddConstraint(
            model_name="outagecredit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("decided_by", None),
                        models.Q(("decided_by", models.F("author")), _negated=True),
                        _connector="OR",
                    ),
                    models.Q(
                        models.Q(("status", "approved"), _negated=True),
                        ("decided_by__isnull", False),
                        _connector="OR",
                    ),
                ),
                name="outage_credit_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="outagecredit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ("draft", "withdrawn")),
                    ("figures__isnull", False),
                    _connector="OR",
                ),
                name="outage_credit_has_figures",
            ),
        ),
        migrations.AddIndex(
            model_name="adjustment",
            index=models.Index(fields=["status"], name="adjustment_status"),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", -100000000000000),
                    ("amount__lt", 100000000000000),
                    ("currency__regex", "^[A-Z]{3}$"),
                    models.Q(
                        models.Q(("amount__gt", 0), ("kind", "fee")),
                        models.Q(("amount__lt", 0), ("kind__in", ("credit", "discount", "outage"))),
                        _connector="OR",
                    ),
                    models.Q(("text", ""), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                ),
                name="adjustment_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("percent", None),
                    models.Q(("kind", "discount"), ("percent__gt", 0), ("percent__lte", 100)),
                    _connector="OR",
                ),
                name="adjustment_percent_of_discount",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("answer", ""), ("decided_at", None), ("decided_by", None)),
                        ("status", "draft"),
                        ("submitted_at", None),
                    ),
                    models.Q(
                        models.Q(("answer", ""), ("decided_at", None), ("decided_by", None)),
                        ("status", "submitted"),
                        ("submitted_at__isnull", False),
                    ),
                    models.Q(
                        ("answer", ""),
                        ("decided_at__isnull", False),
                        ("status", "approved"),
                        ("submitted_at__isnull", False),
                    ),
                    models.Q(
                        ("answer", ""),
                        ("decided_at__isnull", False),
                        ("decided_by", None),
                        ("status", "withdrawn"),
                    ),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                        ("status", "rejected"),
                        ("submitted_at__isnull", False),
                        models.Q(("answer", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="adjustment_steps",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decided_by", None),
                    models.Q(("decided_by", models.F("author")), _negated=True),
                    _connector="OR",
                ),
                name="adjustment_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "outage"), ("outage__isnull", False)),
                    models.Q(models.Q(("kind", "outage"), _negated=True), ("outage", None)),
                    _connector="OR",
                ),
                name="adjustment_of_outage",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("credits_line_id", None), ("credits_receipt_id", None)),
                    models.Q(
                        ("amount__lt", 0),
                        ("credits_line_id__isnull", False),
                        ("credits_receipt_id__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="adjustment_credits_a_line",
            ),
        ),
        migrations.AddConstraint(
            model_name="outageitem",
            constraint=models.UniqueConstraint(
                fields=("outage", "charge"), name="outage_item_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="outageitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", -100000000000000000), ("amount__lt", 0), ("seconds__gt", 0)
                ),
                name="outage_item_in_range",
            ),
        ),
        *RULES,
    ]
