"""Months that are billed: open or closed, and closed for good."""

from datetime import timedelta

import django.contrib.postgres.constraints
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.lookups import Exact

import accounts.models
from core.locks import Space, key_of
from core.rules import no_truncate, refuse, trigger

# Whoever books charges holds this lock together with others, whoever closes or opens a period alone.
_LOCK = f"PERFORM pg_advisory_xact_lock{{shared}}({Space.PERIODS.value}, {key_of('open')});"
_TOGETHER, _ALONE = _LOCK.format(shared="_shared"), _LOCK.format(shared="")

RULES = [
    trigger(
        "accounts_period",
        name="accounts_period_begins",
        timing="BEFORE INSERT",
        body="""
            @together
            IF NEW.status <> 'open' OR EXISTS (
                SELECT 1 FROM accounts_period WHERE status = 'closed' AND month >= NEW.month
            ) OR abs(extract(epoch FROM
                     NEW.starts_at - NEW.month::timestamp AT TIME ZONE 'UTC')) > 86400 THEN
                RAISE EXCEPTION 'a period begins open, with its month, after all closed ones'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """.replace("@together", _TOGETHER),
    ),
    refuse(
        "accounts_period",
        "UPDATE",
        "a period closes or opens again, and nothing else of it changes",
        when="OLD.status = NEW.status OR (OLD.month, OLD.starts_at, OLD.ends_at)"
        " IS DISTINCT FROM (NEW.month, NEW.starts_at, NEW.ends_at)",
    ),
    trigger(
        "accounts_period",
        name="accounts_period_closes",
        timing="BEFORE UPDATE",
        when="NEW.status = 'closed' AND OLD.status = 'open'",
        body="""
            @alone
            IF NEW.ends_at > now() OR EXISTS (
                SELECT 1 FROM accounts_period WHERE status = 'open' AND month < NEW.month) THEN
                RAISE EXCEPTION 'a period closes after its end, and after all that come before it'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """.replace("@alone", _ALONE),
    ),
    trigger(
        "accounts_period",
        name="accounts_period_reopens",
        timing="BEFORE UPDATE",
        when="NEW.status = 'open' AND OLD.status = 'closed'",
        body="""
            @alone
            IF EXISTS (
                SELECT 1 FROM accounts_period WHERE status = 'closed' AND month > OLD.month
            ) OR NOT EXISTS (
                SELECT 1 FROM accounts_periodreopening r
                 WHERE r.period_id = OLD.month AND r.closed_at = OLD.closed_at
                   AND r.approved_at IS NOT NULL
            ) THEN
                RAISE EXCEPTION 'only the last closed period opens again, and by two people'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """.replace("@alone", _ALONE),
    ),
    refuse("accounts_period", "DELETE", "periods are kept", name="accounts_period_stays"),
    no_truncate("accounts_period"),
    trigger(
        "accounts_periodreopening",
        name="accounts_periodreopening_asks",
        timing="BEFORE INSERT",
        body="""
            IF NEW.approved_at IS NOT NULL OR NEW.declined_at IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM accounts_period
                 WHERE month = NEW.period_id AND status = 'closed' AND closed_at = NEW.closed_at
            ) THEN
                RAISE EXCEPTION 'a reopening begins as a wish, about a closed period'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "accounts_periodreopening",
        "UPDATE",
        "a wish is answered once, and nothing else of it changes",
        when="OLD.approved_at IS NOT NULL OR OLD.declined_at IS NOT NULL OR"
        " (OLD.id, OLD.period_id, OLD.closed_at, OLD.reason, OLD.requested_by_id,"
        " OLD.requested_at) IS DISTINCT FROM (NEW.id, NEW.period_id, NEW.closed_at, NEW.reason,"
        " NEW.requested_by_id, NEW.requested_at)",
    ),
    refuse(
        "accounts_periodreopening",
        "DELETE",
        "wishes and answers are kept",
        name="accounts_periodreopening_stays",
    ),
    no_truncate("accounts_periodreopening"),
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_splits_add_up")]

    operations = [
        migrations.CreateModel(
            "Period",
            fields=[
                (
                    "month",
                    models.DateField(primary_key=True, serialize=False, verbose_name="month"),
                ),
                ("starts_at", models.DateTimeField(verbose_name="from")),
                ("ends_at", models.DateTimeField(verbose_name="until")),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "Open"), ("closed", "Closed")],
                        default="open",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                (
                    "closed_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="closed"),
                ),
                (
                    "override_reason",
                    models.CharField(
                        blank=True,
                        default="",
                        editable=False,
                        max_length=500,
                        verbose_name="reason for closing all the same",
                    ),
                ),
                (
                    "overridden",
                    models.JSONField(
                        default=list, editable=False, verbose_name="what stood against closing"
                    ),
                ),
                (
                    "seal",
                    models.JSONField(
                        editable=False, null=True, verbose_name="charges when it was closed"
                    ),
                ),
                (
                    "closed_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="closed by",
                    ),
                ),
            ],
            options={
                "verbose_name": "period",
                "verbose_name_plural": "periods",
                "ordering": ("-month",),
                "permissions": (
                    ("close_period", "Can close periods"),
                    ("override_findings", "Can close periods although something is unexplained"),
                    (
                        "reopen_period",
                        "Can ask for a closed period to be opened again, and approve it",
                    ),
                ),
            },
        ),
        migrations.CreateModel(
            "PeriodReopening",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("closed_at", models.DateTimeField(editable=False, verbose_name="closed")),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                (
                    "requested_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="asked for",
                    ),
                ),
                ("approved_at", models.DateTimeField(null=True, verbose_name="approved")),
                ("declined_at", models.DateTimeField(null=True, verbose_name="declined")),
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
                    "declined_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="declined by",
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reopenings",
                        to="accounts.period",
                        verbose_name="period",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="asked for by",
                    ),
                ),
            ],
            options={
                "verbose_name": "reopening of a period",
                "verbose_name_plural": "reopenings of periods",
                "ordering": ("-requested_at", "-pk"),
            },
        ),
        migrations.AddConstraint(
            "period",
            models.CheckConstraint(
                condition=Q(
                    month__day=1,
                    ends_at__gt=F("starts_at") + timedelta(days=27),
                    ends_at__lt=F("starts_at") + timedelta(days=33),
                ),
                name="period_of_a_month",
            ),
        ),
        migrations.AddConstraint(
            "period",
            models.CheckConstraint(
                condition=Q(
                    status="open",
                    closed_at=None,
                    closed_by=None,
                    override_reason="",
                    overridden=[],
                    seal__isnull=True,
                )
                | Q(
                    Exact(accounts.models.JsonType("seal"), "object"),
                    status="closed",
                    closed_at__isnull=False,
                    closed_at__gte=F("ends_at"),
                    seal__isnull=False,
                ),
                name="period_steps",
            ),
        ),
        migrations.AddConstraint(
            "period",
            models.CheckConstraint(
                condition=Q(override_reason="", overridden=[])
                | (
                    Q(
                        Exact(accounts.models.JsonType("overridden"), "array"),
                        closed_by__isnull=False,
                    )
                    & ~Q(override_reason__regex=r"^\s*$")
                    & ~Q(overridden=[])
                ),
                name="period_named_override",
            ),
        ),
        migrations.AddConstraint(
            "period",
            django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[(accounts.models.Span("starts_at", "ends_at"), "&&")],
                name="period_no_overlap",
            ),
        ),
        migrations.AddConstraint(
            "periodreopening",
            models.CheckConstraint(
                condition=~Q(reason__regex=r"^\s*$"), name="period_reopening_has_reason"
            ),
        ),
        migrations.AddConstraint(
            "periodreopening",
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=F("requested_by")),
                name="period_reopening_second_person",
            ),
        ),
        migrations.AddConstraint(
            "periodreopening",
            models.CheckConstraint(
                condition=Q(approved_by=None, approved_at=None, declined_by=None, declined_at=None)
                | Q(
                    approved_by__isnull=False,
                    approved_at__isnull=False,
                    declined_by=None,
                    declined_at=None,
                )
                | Q(
                    approved_by=None,
                    approved_at=None,
                    declined_by__isnull=False,
                    declined_at__isnull=False,
                ),
                name="period_reopening_steps",
            ),
        ),
        migrations.AddConstraint(
            "periodreopening",
            models.UniqueConstraint(
                fields=("period",),
                condition=Q(approved_at=None, declined_at=None),
                name="period_reopening_waits_once",
            ),
        ),
        *RULES,
    ]
