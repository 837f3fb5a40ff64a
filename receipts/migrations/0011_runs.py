"""The run of a month: what it makes for whom, and which charges its documents take."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from core.rules import no_truncate, refuse, trigger

# A run belongs to one closing of its period, and has ended only when none of its entries waits.
RULES = [
    trigger(
        "receipts_billingrun",
        name="receipts_billingrun_begins",
        timing="BEFORE INSERT",
        body="""
            PERFORM 1 FROM accounts_period
              WHERE month = NEW.period_id AND status = 'closed' AND closed_at = NEW.closed_at
                FOR SHARE;
            IF NOT FOUND OR NEW.status <> 'drafting' THEN
                RAISE EXCEPTION 'a run begins while its period is closed'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "receipts_billingrun",
        name="receipts_billingrun_ends",
        timing="BEFORE UPDATE",
        body="""
            IF (OLD.id, OLD.period_id, OLD.closed_at, OLD.started_at, OLD.started_by_id)
                   IS DISTINCT FROM
               (NEW.id, NEW.period_id, NEW.closed_at, NEW.started_at, NEW.started_by_id)
               OR NEW.status = 'drafted' AND EXISTS (
                    SELECT 1 FROM receipts_runentry WHERE run_id = NEW.id AND state = 'waiting') THEN
                RAISE EXCEPTION 'a run ends when none of its entries waits'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse("receipts_billingrun", "DELETE", "runs are kept for ever"),
    no_truncate("receipts_billingrun"),
    trigger(
        "receipts_runentry",
        name="receipts_runentry_steps",
        timing="BEFORE INSERT OR UPDATE",
        body="""
            IF TG_OP = 'INSERT' THEN
                IF NEW.state <> 'waiting' THEN
                    RAISE EXCEPTION 'an entry of a run begins by waiting'
                        USING ERRCODE = 'check_violation';
                END IF;
            ELSIF (OLD.id, OLD.run_id, OLD.project_id, OLD.currency)
                  <> (NEW.id, NEW.run_id, NEW.project_id, NEW.currency)
               OR OLD.state <> NEW.state AND (OLD.state::text, NEW.state::text) NOT IN (
                    ('waiting', 'drafted'), ('waiting', 'nothing'), ('waiting', 'carried'),
                    ('waiting', 'failed'), ('drafted', 'discarded'), ('failed', 'waiting'),
                    ('carried', 'waiting'), ('discarded', 'waiting'))
               OR OLD.state = NEW.state AND OLD.receipt_id IS DISTINCT FROM NEW.receipt_id THEN
                RAISE EXCEPTION 'an entry of a run takes its steps only'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "receipts_runentry",
        name="receipts_runentry_document",
        timing="BEFORE INSERT OR UPDATE",
        when="NEW.receipt_id IS NOT NULL",
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM receipts_receipt d JOIN receipts_billingrun r ON r.id = NEW.run_id
                 WHERE d.id = NEW.receipt_id AND d.kind = 'receipt'
                   AND d.project_id = NEW.project_id AND d.currency = NEW.currency
                   AND d.period = r.period_id
            ) THEN
                RAISE EXCEPTION 'an entry has the document of its addressee, currency and month'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse("receipts_runentry", "DELETE", "entries of runs are kept for ever"),
    no_truncate("receipts_runentry"),
    refuse(
        "receipts_receipt",
        "UPDATE",
        "the month of a document stays",
        when="OLD.period IS DISTINCT FROM NEW.period",
        name="receipts_receipt_keeps_month",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_periods"),
        ("pricing", "0013_booked"),
        ("receipts", "0010_corrections"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BillingRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("closed_at", models.DateTimeField(editable=False, verbose_name="period closed")),
                (
                    "status",
                    models.CharField(
                        choices=[("drafting", "Making drafts"), ("drafted", "Drafts are made")],
                        default="drafting",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="started",
                    ),
                ),
                (
                    "ended_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="drafts made"),
                ),
                (
                    "period",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="accounts.period",
                        verbose_name="period",
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="started by",
                    ),
                ),
            ],
            options={
                "verbose_name": "monthly run",
                "verbose_name_plural": "monthly runs",
                "ordering": ("-period", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="RunEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("drafted", "Drafted"),
                            ("nothing", "Nothing to bill"),
                            ("carried", "Carried forward"),
                            ("failed", "Failed"),
                            ("discarded", "Discarded"),
                        ],
                        default="waiting",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                (
                    "total",
                    models.DecimalField(
                        decimal_places=4, max_digits=18, null=True, verbose_name="total"
                    ),
                ),
                ("problem", models.JSONField(default=dict, verbose_name="problem")),
                ("approved_at", models.DateTimeField(null=True, verbose_name="approved")),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="approved by",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.project",
                        verbose_name="addressee",
                    ),
                ),
                (
                    "receipt",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="run_entry",
                        to="receipts.receipt",
                        verbose_name="receipt",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="receipts.billingrun",
                        verbose_name="monthly run",
                    ),
                ),
            ],
            options={
                "verbose_name": "document of a monthly run",
                "verbose_name_plural": "documents of monthly runs",
                "ordering": ("run", "project__code", "currency"),
            },
        ),
        migrations.AddConstraint(
            model_name="billingrun",
            constraint=models.UniqueConstraint(fields=("period", "closed_at"), name="run_once"),
        ),
        migrations.AddConstraint(
            model_name="billingrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("status", "drafting")),
                    models.Q(("ended_at__isnull", False), ("status", "drafted")),
                    _connector="OR",
                ),
                name="run_steps",
            ),
        ),
        migrations.AddConstraint(
            model_name="runentry",
            constraint=models.UniqueConstraint(
                fields=("run", "project", "currency"), name="run_entry_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="runentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("receipt__isnull", False), ("state", "drafted"), ("total__isnull", False)
                    ),
                    models.Q(
                        ("receipt", None),
                        ("state__in", ("waiting", "nothing", "failed", "discarded")),
                    ),
                    models.Q(("receipt", None), ("state", "carried"), ("total__lte", 0)),
                    _connector="OR",
                ),
                name="run_entry_document",
            ),
        ),
        migrations.AddConstraint(
            model_name="runentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approved_at", None), ("approved_by", None)),
                    models.Q(
                        ("approved_at__isnull", False),
                        ("approved_by__isnull", False),
                        ("state", "drafted"),
                    ),
                    _connector="OR",
                ),
                name="run_entry_approved",
            ),
        ),
        *RULES,
    ]
