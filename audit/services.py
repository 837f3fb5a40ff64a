"""Writing the audit log."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection, models
from django.utils import timezone
from structlog.contextvars import get_contextvars

from audit.models import AuditEvent
from core.actor import Actor
from core.canonical import canonical_json


class NotInTransaction(RuntimeError):
    """An event was recorded outside the transaction of the change that it tells of: a defect."""


def record(
    action: str,
    *,
    actor: Actor,
    target: models.Model | None = None,
    data: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Add an event to the log, in the transaction of the change itself.

    ``action`` is ``<thing>.<past participle>``, such as ``receipt.issued``. ``data`` holds what a
    reader needs to understand the change (amounts as Decimal, no secrets); the request's id and
    address are added where there is a request. Raises NotInTransaction.
    """
    event = _event(action, actor, target, data)
    event.save(force_insert=True)
    return event


def record_all(
    action: str, *, actor: Actor, found: Iterable[tuple[models.Model, Mapping[str, Any]]]
) -> None:
    """Add an event for each target with its data, as ``record`` does, in one statement."""
    AuditEvent.objects.bulk_create(_event(action, actor, target, data) for target, data in found)


def _event(
    action: str, actor: Actor, target: models.Model | None, data: Mapping[str, Any] | None
) -> AuditEvent:
    if not connection.in_atomic_block:
        raise NotInTransaction(f"audit event {action} is outside a transaction")
    context = get_contextvars()
    event = AuditEvent(
        at=timezone.now(),
        action=action,
        actor_id="" if actor.user_id is None else str(actor.user_id),
        actor_name=actor.name,
        target_type=target._meta.label_lower if target is not None else "",
        target_id=str(target.pk) if target is not None else "",
    )
    details = {
        "data": dict(data or {}),
        "request": {key: str(context[key]) for key in ("request_id", "ip") if context.get(key)},
    }
    event.payload = canonical_json({**event.header(), **details})
    return event
