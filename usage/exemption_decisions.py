"""What a second person says of exemptions that begin in the past."""

from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import lock_rows
from core.queue import RATE_TASK, after_commit
from usage.models import Exemption
from usage.models.exemptions import PROMPT

D = Exemption.Decision


def waiting() -> QuerySet[Exemption]:
    """Return the exemptions that have no effect before a second person decides, oldest first."""
    found = Exemption.objects.filter(decision=D.NONE, starts_at__lt=F("created_at") - PROMPT)
    return found.exclude(ends_at=F("starts_at")).order_by("pk")


def approve_exemption(*, exemption_id: int, ends_at: datetime | None, actor: Actor) -> Exemption:
    """Let an exemption of the past take effect.

    ``ends_at`` is the end that the person was shown. Raises Conflict if it does not wait, or ends
    otherwise by now, Invalid for its author.
    """
    return _decide(exemption_id, D.APPROVED, "", actor, ends_at=ends_at, seen=True)


def refuse_exemption(*, exemption_id: int, reason: str, actor: Actor) -> Exemption:
    """Refuse an exemption of the past, for good. Raises as above, and Invalid without a reason."""
    if not reason.strip():
        raise Invalid("reason", _("Say why: its author will ask."))
    return _decide(exemption_id, D.REFUSED, reason.strip()[:200], actor)


def _decide(
    exemption_id: int,
    decision: str,
    reason: str,
    actor: Actor,
    *,
    ends_at: datetime | None = None,
    seen: bool = False,
) -> Exemption:
    with transaction.atomic():
        (row,) = lock_rows(Exemption.objects.all(), exemption_id)
        if row.status != Exemption.Status.WAITING:
            raise Conflict("stale_status", _("This exemption does not wait for a decision."))
        if seen and row.ends_at != ends_at:
            raise Conflict("stale_end", _("Its end was changed meanwhile: look at it again."))
        if actor.user_id is None or actor.user_id == row.author_id:
            raise Invalid("second_person", _("Someone else than its author has to decide."))
        row.decision, row.decision_reason = decision, reason
        row.decided_by_id, row.decided_at = actor.user_id, timezone.now()
        row.save(update_fields=["decision", "decision_reason", "decided_by", "decided_at"])
        record(
            f"exemption.{decision}",
            actor=actor,
            target=row,
            data={
                "cluster": row.cluster.name,
                "criteria": {name: getattr(row, name) for name in row.CRITERIA},
                "from": row.starts_at.isoformat(),
                "until": row.ends_at.isoformat() if row.ends_at else None,
                "reason": reason or row.reason,
                "author": row.author_id,
            },
        )
        after_commit(RATE_TASK)
    return row
