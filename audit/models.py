"""The tamper-evident log: what was changed, by whom, in which order."""

import json
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.canonical import canonical_json


class AuditEvent(models.Model):
    """One change of money, prices, rights or settings, or a login, lockout or export.

    Invariants, kept by the database: rows are only added; ``sequence`` is gapless over committed
    rows; ``hash`` = SHA-256 of the previous hash, the sequence and ``payload``, a line each. The
    chain is joined by a deferred trigger as the transaction commits, so its lock is held for the
    shortest possible time and a rolled-back change leaves no trace. Within the transaction that
    adds it, ``sequence`` is still null.
    """

    append_only = True

    sequence = models.BigIntegerField(_("number"), null=True, editable=False)
    at = models.DateTimeField(_("time"), editable=False)
    action = models.CharField(_("action"), max_length=64, editable=False)
    actor_id = models.CharField(_("actor's key"), max_length=32, blank=True, editable=False)
    actor_name = models.CharField(_("actor"), max_length=150, editable=False)
    target_type = models.CharField(_("kind of target"), max_length=64, blank=True, editable=False)
    target_id = models.CharField(_("target's key"), max_length=64, blank=True, editable=False)
    payload = models.TextField(_("content"), editable=False)
    previous_hash = models.CharField(_("previous hash"), max_length=64, null=True, editable=False)
    hash = models.CharField(_("hash"), max_length=64, null=True, editable=False)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit log")
        ordering = ("-id",)
        permissions = (("export_auditevent", _("Can export the audit log")),)
        constraints = (
            models.UniqueConstraint(fields=("sequence",), name="audit_event_sequence_unique"),
        )
        indexes = (
            models.Index(fields=("action", "at"), name="audit_event_action"),
            models.Index(fields=("target_type", "target_id"), name="audit_event_target"),
            models.Index(fields=("at",), name="audit_event_at"),
        )

    def __str__(self) -> str:
        return f"{self.sequence or '…'} {self.action}"

    @property
    def content(self) -> dict[str, Any]:
        """Return the hashed payload as a dictionary (``data``, ``request`` and the columns)."""
        return dict(json.loads(self.payload))

    def header(self) -> dict[str, Any]:
        """Return the part of the payload that repeats the columns."""
        return {
            "at": self.at,
            "action": self.action,
            "actor": {"id": self.actor_id, "name": self.actor_name},
            "target": {"type": self.target_type, "id": self.target_id},
        }

    def columns_payload(self) -> str:
        """Return what the payload must be, judging by the columns; empty if it can't be read."""
        try:
            return canonical_json({**self.content, **self.header()})
        except (ValueError, TypeError):
            return ""


class AuditHead(models.Model):
    """The single row that says where the chain ends; only the chain's trigger writes it."""

    append_only = True

    sequence = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("end of the audit chain")
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="audit_head_single"),)

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash}"
