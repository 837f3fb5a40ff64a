"""Payments, and the provider events that prove them."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core import formatting
from receipts.models import Receipt


class EventOutcome(models.TextChoices):
    """What became of an event."""

    RECEIVED = "received", _("Received")
    APPLIED = "applied", _("Applied")
    MISMATCH = "mismatch", _("Mismatch")
    NOTED = "noted", _("Noted")


class EventReason(models.TextChoices):
    """Why an event settles nothing."""

    NONE = "", "–"
    UNKNOWN_PAYMENT = "unknown_payment", _("No payment has this key")
    AMOUNT = "amount", _("The amount differs from the receipt's")
    CURRENCY = "currency", _("The currency differs from the receipt's")
    ALREADY_SETTLED = "already_settled", _("The receipt is paid already")
    NOT_PAYABLE = "not_payable", _("The receipt is not open for payment")


class InboundEvent(models.Model):
    """A verified message of a provider, kept as it came before it is interpreted.

    Invariant: UNIQUE(provider, external_event_id), so that a replay is recognised. Only messages
    with a good signature are kept: otherwise anyone could take a genuine event's place.
    """

    Outcome = EventOutcome
    Reason = EventReason

    provider = models.CharField(_("provider"), max_length=32)
    external_event_id = models.CharField(_("provider's event id"), max_length=255)
    kind = models.CharField(_("kind"), max_length=32)
    external_payment_id = models.CharField(_("provider's payment id"), max_length=255, blank=True)
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=4, null=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    occurred_at = models.DateTimeField(_("happened"))
    body = models.TextField(_("message as it came"))
    body_sha256 = models.CharField(_("SHA-256"), max_length=64)
    received_at = models.DateTimeField(_("received"), auto_now_add=True)
    payment = models.ForeignKey(
        "Payment", models.PROTECT, null=True, related_name="events", verbose_name=_("payment")
    )
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=Outcome.choices, default=Outcome.RECEIVED
    )
    reason = models.CharField(_("reason"), max_length=32, choices=Reason.choices, blank=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True)
    resolved_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("resolved by")
    )
    resolution = models.CharField(_("resolution"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("provider event")
        verbose_name_plural = _("provider events")
        ordering = ("-id",)
        permissions = (("resolve_inboundevent", _("Can resolve mismatched payments")),)
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "external_event_id"), name="inbound_event_once"
            ),
            models.CheckConstraint(
                condition=(Q(outcome="mismatch") & ~Q(reason=""))
                | (~Q(outcome="mismatch") & Q(reason="")),
                name="inbound_event_mismatch_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at=None, resolution="")
                | (Q(outcome="mismatch", resolved_at__isnull=False) & ~Q(resolution="")),
                name="inbound_event_resolution",
            ),
            models.CheckConstraint(
                condition=Q(amount=None) | Q(amount__gte=0, amount__lt=10**14),
                name="inbound_event_amount",
            ),
        )
        indexes = (
            models.Index(
                fields=("received_at",),
                name="inbound_event_queue",
                condition=Q(outcome="mismatch", resolved_at=None),
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider} {self.external_event_id}"


class Payment(models.Model):
    """An attempt to pay one receipt through one provider.

    What arrived belongs to the receipt's project: what no receipt is settled by is the project's
    balance. Invariants, kept by the database: it succeeds only by a verified event with the same
    amount and currency; a receipt has one pending payment per provider at most.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="payments", verbose_name=_("receipt")
    )
    provider = models.CharField(_("provider"), max_length=32)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    external_id = models.CharField(_("provider's key"), max_length=255, blank=True)
    checkout_url = models.URLField(_("checkout page"), max_length=1000, blank=True)
    created_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    settled_by = models.OneToOneField(
        InboundEvent,
        models.PROTECT,
        null=True,
        related_name="settles",
        verbose_name=_("settled by event"),
    )
    settled_at = models.DateTimeField(_("settled"), null=True)

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ("-id",)
        permissions = (("record_transfer", _("Can record bank transfers")),)
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "external_id"),
                condition=~Q(external_id=""),
                name="payment_external_once",
            ),
            models.UniqueConstraint(
                fields=("receipt", "provider"),
                condition=Q(status="pending"),
                name="payment_one_pending",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=10**14), name="payment_amount_in_range"
            ),
            models.CheckConstraint(
                condition=Q(status="succeeded", settled_at__isnull=False, settled_by__isnull=False)
                | (~Q(status="succeeded") & Q(settled_at=None, settled_by=None)),
                name="payment_settled_by_event",
            ),
        )

    def __str__(self) -> str:
        return f"{self.receipt}, {formatting.money(self.amount, self.currency)}"
