"""E-mails wait in a table of their own, written with what they tell of; contacts of projects."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only, no_truncate, refuse, trigger

NOTICES = [
    migrations.RunSQL(rule.reverse_sql, rule.sql)
    for rule in reversed(append_only("receipts_notice"))
]
MAILS = [
    trigger(
        "receipts_mail",
        name="receipts_mail_stays",
        timing="BEFORE UPDATE",
        body="""
            IF (to_jsonb(NEW) - ARRAY['recipient', 'status', 'attempts', 'next_attempt_at',
                                      'last_error', 'sent_at', 'subject', 'text', 'html', 'files'])
               <> (to_jsonb(OLD) - ARRAY['recipient', 'status', 'attempts', 'next_attempt_at',
                                         'last_error', 'sent_at', 'subject', 'text', 'html', 'files'])
               OR NEW.recipient NOT IN ('', OLD.recipient)
               OR (OLD.status IN ('sent', 'dropped', 'given_up')
                   AND NOT (OLD.status = 'given_up' AND NEW.status = 'dropped')
                   AND NEW.status <> OLD.status)
               OR (OLD.status IN ('sent', 'dropped', 'given_up')
                   AND (to_jsonb(NEW) - ARRAY['recipient', 'status'])
                       <> (to_jsonb(OLD) - ARRAY['recipient', 'status'])) THEN
                RAISE EXCEPTION 'an e-mail stays as it was sent, and whose it is never changes'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse("receipts_mail", "DELETE", "e-mails are kept", name="receipts_mail_refuse"),
    no_truncate("receipts_mail"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_periods"),
        ("receipts", "0008_document_files"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *NOTICES,
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=200, verbose_name="name")),
                ("email", models.EmailField(max_length=254, verbose_name="e-mail")),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("th", "ไทย")],
                        default="th",
                        max_length=5,
                        verbose_name="language",
                    ),
                ),
                (
                    "gets_documents",
                    models.BooleanField(
                        default=True,
                        help_text="Receipts, credit notes and thanks.",
                        verbose_name="gets documents",
                    ),
                ),
                (
                    "gets_reminders",
                    models.BooleanField(
                        default=True,
                        help_text="Before and after a due date.",
                        verbose_name="gets reminders",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contacts",
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
            ],
            options={
                "verbose_name": "contact",
                "verbose_name_plural": "contacts",
                "ordering": ("project", "email"),
            },
        ),
        migrations.CreateModel(
            name="Mail",
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
                            ("issued", "Issued"),
                            ("due_soon", "Due soon"),
                            ("overdue", "Overdue"),
                            ("paid", "Paid"),
                            ("credit_note", "Credit note"),
                        ],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                ("step", models.PositiveSmallIntegerField(default=0, verbose_name="step")),
                ("copy", models.PositiveSmallIntegerField(default=0, verbose_name="sent again")),
                (
                    "recipient",
                    models.EmailField(blank=True, max_length=254, verbose_name="recipient"),
                ),
                (
                    "recipient_sha256",
                    models.CharField(max_length=64, verbose_name="SHA-256 of the address"),
                ),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("th", "ไทย")],
                        max_length=5,
                        verbose_name="language",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("failed", "Tried, and tried again soon"),
                            ("sent", "Sent"),
                            ("given_up", "Given up"),
                            ("dropped", "Not needed any more"),
                        ],
                        default="queued",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("next_attempt_at", models.DateTimeField(null=True, verbose_name="next attempt")),
                ("last_error", models.TextField(blank=True, verbose_name="last error")),
                (
                    "message_id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, unique=True, verbose_name="message id"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="queued")),
                ("sent_at", models.DateTimeField(null=True, verbose_name="sent")),
                ("subject", models.CharField(blank=True, max_length=250, verbose_name="subject")),
                ("text", models.TextField(blank=True, verbose_name="text")),
                ("html", models.TextField(blank=True)),
                ("files", models.JSONField(default=list, verbose_name="attached")),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="sent again by",
                    ),
                ),
                (
                    "receipt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mails",
                        to="receipts.receipt",
                        verbose_name="receipt",
                    ),
                ),
            ],
            options={
                "verbose_name": "e-mail",
                "verbose_name_plural": "e-mails",
                "ordering": ("-id",),
                "permissions": (("resend_mail", "Can send e-mails of receipts again"),),
            },
        ),
        migrations.CreateModel(
            name="RemindersStopped",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="reminders_stopped",
                        serialize=False,
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        help_text="To go on reminding, delete this.",
                        max_length=200,
                        verbose_name="reason",
                    ),
                ),
                ("since", models.DateTimeField(auto_now_add=True, verbose_name="since")),
            ],
            options={
                "verbose_name": "stop of reminders",
                "verbose_name_plural": "stops of reminders",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reason__regex", "^\\s*$"), _negated=True),
                        name="reminders_stopped_has_reason",
                    )
                ],
            },
        ),
        migrations.DeleteModel(
            name="Notice",
        ),
        migrations.AddConstraint(
            model_name="contact",
            constraint=models.UniqueConstraint(
                fields=("project", "email"),
                name="contact_once",
                violation_error_message="This address is a contact of the project already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="contact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("gets_documents", True), ("gets_reminders", True), _connector="OR"
                ),
                name="contact_gets_something",
                violation_error_message="Choose documents, reminders or both.",
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=models.Q(("status__in", ("queued", "failed"))),
                fields=["next_attempt_at"],
                name="mail_due",
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=models.Q(("status", "given_up")), fields=["status"], name="mail_given_up"
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.UniqueConstraint(
                fields=("receipt", "kind", "step", "recipient_sha256", "copy"), name="mail_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "overdue"), ("step__gte", 1)),
                    models.Q(
                        ("kind__in", ("issued", "due_soon", "paid", "credit_note")), ("step", 0)
                    ),
                    _connector="OR",
                ),
                name="mail_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("next_attempt_at__isnull", False),
                        ("sent_at", None),
                        ("status__in", ("queued", "failed")),
                        models.Q(("recipient", ""), _negated=True),
                    ),
                    models.Q(
                        ("next_attempt_at", None), ("sent_at__isnull", False), ("status", "sent")
                    ),
                    models.Q(
                        ("next_attempt_at", None),
                        ("sent_at", None),
                        ("status__in", ("given_up", "dropped")),
                    ),
                    _connector="OR",
                ),
                name="mail_status_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ("failed", "given_up")), _negated=True),
                    models.Q(("last_error", ""), _negated=True),
                    _connector="OR",
                ),
                name="mail_failed_says_why",
            ),
        ),
        *MAILS,
    ]
