"""Closing periods and opening them again. Whether all of a month is explained is asked above."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Period, PeriodReopening
from accounts.periods import OPEN_LOCK, earlier_open, ensure, last_closed
from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.intervals import month_start
from core.locks import Space, hold_until_commit, lock_rows

Seal = Callable[[Period], Mapping[str, Any]]
"""Tells what the charges of a period are; asked while nobody can book any more."""


@dataclass(frozen=True, slots=True)
class Override:
    """What stands against closing a period, and why a named person closes it all the same."""

    reason: str
    findings: Sequence[Mapping[str, Any]]


def close(*, month: date, seal: Seal, actor: Actor, override: Override | None = None) -> Period:
    """Close the period of a month, which freezes its charges; a transaction of its own.

    Whoever books charges at that moment is waited for, and who comes later books into the next
    period. Raises Conflict if it is closed already, has not ended, or an earlier one is open;
    Invalid if an override lacks a person, a reason or what it overrides.
    """
    if override is not None:
        check_override(override, actor)
    with transaction.atomic():
        hold_until_commit(Space.PERIODS, OPEN_LOCK)
        period = ensure(month)
        check_closable(period)
        period.status = Period.Status.CLOSED
        period.closed_at = timezone.now()
        period.closed_by_id = actor.user_id
        period.seal = dict(seal(period))
        if override is not None:
            period.override_reason = override.reason.strip()
            period.overridden = [dict(finding) for finding in override.findings]
        period.save()
        data = {"month": period.month, "seal": period.seal}
        if override is not None:
            data |= {"override": period.override_reason, "overridden": period.overridden}
        record("period.closed", actor=actor, target=period, data=data)
    return period


def request_reopening(*, month: date, reason: str, actor: Actor) -> PeriodReopening:
    """Ask that the last closed period be opened again; another person has to approve.

    Raises Invalid without a person or a reason, Conflict if it is not the last closed one or
    someone asked already.
    """
    person, reason = _named(reason, actor)
    with transaction.atomic():
        period, closed_at = _last_closed(month)
        if period.reopenings.filter(approved_at=None, declined_at=None).exists():
            raise Conflict("asked_already", _("Someone has asked for this already."))
        wish = PeriodReopening.objects.create(
            period=period, closed_at=closed_at, reason=reason, requested_by_id=person
        )
        data = {"month": period.month, "reason": reason}
        record("period.reopening_requested", actor=actor, target=wish, data=data)
    return wish


def approve_reopening(*, reopening_id: int, actor: Actor) -> Period:
    """Open a closed period again, as another person asked.

    Charges may be booked into it until it is closed anew; those that went into the next one
    meanwhile stay there. Raises Conflict if the wish was answered, the period is not the last
    closed one any more, or the same person asked.
    """
    with transaction.atomic():
        hold_until_commit(Space.PERIODS, OPEN_LOCK)
        wish = _waiting(reopening_id)
        if actor.user_id is None or actor.user_id == wish.requested_by_id:
            raise Conflict("second_person", _("Another person than who asked has to approve."))
        period, closed_at = _last_closed(wish.period_id)
        if closed_at != wish.closed_at:
            raise Conflict("closed_anew", _("The period was closed anew since. Ask once more."))
        before = {"closed_at": closed_at, "seal": period.seal}
        _answer(wish, approved_by_id=actor.user_id, approved_at=timezone.now())
        period.status = Period.Status.OPEN
        period.closed_at = period.closed_by = period.seal = None
        period.override_reason, period.overridden = "", []
        period.save()
        data = {"month": period.month, "reason": wish.reason, "was": before}
        record("period.reopened", actor=actor, target=period, data=data)
    return period


def decline_reopening(*, reopening_id: int, actor: Actor) -> None:
    """Leave a period closed; who asked may take the wish back so. Raises Conflict if the wish was
    answered, Invalid without a person."""
    with transaction.atomic():
        wish = _waiting(reopening_id)
        if actor.user_id is None:
            raise Invalid("person", _("This needs the name of a person."))
        _answer(wish, declined_by_id=actor.user_id, declined_at=timezone.now())
        data = {"month": wish.period_id, "reason": wish.reason}
        record("period.reopening_declined", actor=actor, target=wish, data=data)


def check_override(override: Override, actor: Actor) -> None:
    """Raise Invalid if an override lacks a person, a reason or what it overrides."""
    _named(override.reason, actor)
    if not override.findings:
        raise Invalid("nothing", _("Nothing stands against closing it, so there is no reason."))


def _named(reason: str, actor: Actor) -> tuple[int, str]:
    reason = reason.strip()
    if actor.user_id is None:
        raise Invalid("person", _("This needs the name of a person."))
    if not 0 < len(reason) <= 500:
        raise Invalid("reason", _("Give a reason, of at most 500 characters."))
    return actor.user_id, reason


def check_closable(period: Period) -> None:
    """Raise Conflict if a period can't close now."""
    if period.is_closed:
        raise Conflict("closed_already", _("This period is closed already."))
    if period.ends_at > timezone.now():
        raise Conflict("month_open", _("The month has not ended yet."))
    first = earlier_open(period.month).first()
    if first is not None:
        raise Conflict(
            "earlier_open",
            _("Close %(month)s first: periods are closed in their order.") % {"month": first},
        )


def _last_closed(month: date) -> tuple[Period, datetime]:
    """Return the locked period of a month, and when it was closed."""
    last = last_closed()
    rows = lock_rows(Period.objects.all(), month_start(month))
    if last is None or not rows or rows[0].closed_at is None or rows[0] != last:
        raise Conflict("not_last", _("Only the last closed period can be opened again."))
    return rows[0], rows[0].closed_at


def _waiting(reopening_id: int) -> PeriodReopening:
    rows = lock_rows(PeriodReopening.objects.all(), reopening_id)
    if not rows or not rows[0].is_waiting:
        raise Conflict("answered", _("This was answered already."))
    return rows[0]


def _answer(wish: PeriodReopening, **values: Any) -> None:
    PeriodReopening.objects.filter(pk=wish.pk).update(**values)
