"""E-mails about documents: to whom, and what became of each."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Language, Project, User
from receipts.models.documents import Receipt


class Contact(models.Model):
    """Someone who hears of a project's documents, instead of its billing address or its PIs.

    Invariants, kept by the database: an address is there once for a project, and hears of
    something.
    """

    project = models.ForeignKey(
        Project, models.CASCADE, related_name="contacts", verbose_name=_("project")
    )
    name = models.CharField(_("name"), max_length=200, blank=True)
    email = models.EmailField(_("e-mail"))
    language = models.CharField(
        _("language"), max_length=5, choices=Language.choices, default=Language.THAI
    )
    gets_documents = models.BooleanField(
        _("gets documents"), default=True, help_text=_("Receipts, credit notes and thanks.")
    )
    gets_reminders = models.BooleanField(
        _("gets reminders"),
        default=True,
        help_text=_("Before and after a due date, and where the bank took a payment back."),
    )

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ("project", "email")
        constraints = (
            models.UniqueConstraint(
                fields=("project", "email"),
                name="contact_once",
                violation_error_message=_("This address is a contact of the project already."),
            ),
            models.CheckConstraint(
                condition=Q(gets_documents=True) | Q(gets_reminders=True),
                name="contact_gets_something",
                violation_error_message=_("Choose documents, reminders or both."),
            ),
        )

    def __str__(self) -> str:
        return self.email


class RemindersStopped(models.Model):
    """A project is not reminded of what it owes, say while a document is disputed.

    The row's absence means that it is. Invariant, kept by the database: there is a reason.
    """

    project = models.OneToOneField(
        Project,
        models.CASCADE,
        primary_key=True,
        related_name="reminders_stopped",
        verbose_name=_("project"),
    )
    reason = models.CharField(
        _("reason"), max_length=200, help_text=_("To go on reminding, delete this.")
    )
    since = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("stop of reminders")
        verbose_name_plural = _("stops of reminders")
        constraints = (
            models.CheckConstraint(
                condition=~Q(reason__regex=r"^\s*$"), name="reminders_stopped_has_reason"
            ),
        )

    def __str__(self) -> str:
        return f"{self.project.code}: {self.reason}"


class MailKind(models.TextChoices):
    """What an e-mail tells."""

    ISSUED = "issued", _("Issued")
    DUE_SOON = "due_soon", _("Due soon")
    OVERDUE = "overdue", _("Overdue")
    PAID = "paid", _("Paid")
    CREDIT_NOTE = "credit_note", _("Credit note")
    BOUNCED = "bounced", _("Payment taken back")


class MailStatus(models.TextChoices):
    """How far an e-mail is."""

    QUEUED = "queued", _("Queued")
    FAILED = "failed", _("Tried, and tried again soon")
    SENT = "sent", _("Sent")
    GIVEN_UP = "given_up", _("Given up")
    DROPPED = "dropped", _("Not needed any more")


class Mail(models.Model):
    """An e-mail about a document to one person, made in the transaction of what it tells of.

    ``step`` counts the reminders of what is overdue, from 1, and how often the bank had taken back
    a payment of the document by then, whether anybody could be told or not; with each of those the
    thanks for the next payment begin anew. ``copy`` counts how often a person had it sent again.
    The address is kept only as long as it may be needed, its digest for ever.

    Invariants, kept by the database: one for each document, kind, step, address and copy; what was
    sent, given up or dropped stays so, as it was sent.
    """

    Kind = MailKind
    Status = MailStatus

    WAITING = (MailStatus.QUEUED, MailStatus.FAILED)

    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="mails", verbose_name=_("receipt")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=MailKind.choices)
    step = models.PositiveSmallIntegerField(_("step"), default=0)
    copy = models.PositiveSmallIntegerField(_("sent again"), default=0)
    recipient = models.EmailField(_("recipient"), blank=True)
    recipient_sha256 = models.CharField(_("SHA-256 of the address"), max_length=64)
    language = models.CharField(_("language"), max_length=5, choices=Language.choices)
    status = models.CharField(
        _("status"), max_length=8, choices=MailStatus.choices, default=MailStatus.QUEUED
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    last_error = models.TextField(_("last error"), blank=True)
    message_id = models.UUIDField(_("message id"), default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(_("queued"), auto_now_add=True)
    created_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("sent again by")
    )
    sent_at = models.DateTimeField(_("sent"), null=True)
    subject = models.CharField(_("subject"), max_length=250, blank=True)
    text = models.TextField(_("text"), blank=True)
    html = models.TextField(blank=True)
    files = models.JSONField(_("attached"), default=list)

    class Meta:
        verbose_name = _("e-mail")
        verbose_name_plural = _("e-mails")
        ordering = ("-id",)
        permissions = (("resend_mail", _("Can send e-mails of receipts again")),)
        constraints = (
            models.UniqueConstraint(
                fields=("receipt", "kind", "step", "recipient_sha256", "copy"), name="mail_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("overdue", "bounced"), step__gte=1)
                | Q(kind__in=("issued", "due_soon", "credit_note"), step=0)
                | Q(kind="paid"),
                name="mail_kind_known",
            ),
            models.CheckConstraint(
                condition=(
                    Q(
                        status__in=("queued", "failed"),
                        next_attempt_at__isnull=False,
                        sent_at=None,
                    )
                    & ~Q(recipient="")
                )
                | Q(status="sent", next_attempt_at=None, sent_at__isnull=False)
                | Q(status__in=("given_up", "dropped"), next_attempt_at=None, sent_at=None),
                name="mail_status_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=("failed", "given_up")) | ~Q(last_error=""),
                name="mail_failed_says_why",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_attempt_at",),
                name="mail_due",
                condition=Q(status__in=("queued", "failed")),
            ),
            models.Index(fields=("status",), name="mail_given_up", condition=Q(status="given_up")),
        )

    def __str__(self) -> str:
        return f"{self.receipt}: {self.get_kind_display()}"

    @property
    def message_header(self) -> str:
        """The Message-ID, the same at each attempt, by which servers may know it again."""
        host = settings.SITE_BASE_URL.partition("//")[2].partition(":")[0] or "localhost"
        return f"<{self.message_id}@{host}>"
