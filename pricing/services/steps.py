"""A price list is submitted, approved by a second person, and published by that step."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.queue import RATE_TASK, after_commit
from core.transitions import Table, transition
from pricing.content import ListContent
from pricing.models import PriceList
from pricing.services.currencies import check_one_currency
from pricing.services.drafts import (
    Head,
    check_whole,
    describe,
    draft_price_list,
    locked,
    name_of,
)
from pricing.study import canary

S = PriceList.Status
STEPS: Table = {
    S.DRAFT: frozenset({S.SUBMITTED}),
    S.SUBMITTED: frozenset({S.DRAFT, S.PUBLISHED}),
}


def submit_price_list(*, price_list_id: int, actor: Actor) -> PriceList:
    """Let a draft wait for the approval of a second person; it stays as it is from now on.

    Raises Invalid if it is not whole (see ``check_whole``), Conflict if it is no draft.
    """
    with transaction.atomic():
        price_list = locked(price_list_id)
        _check_is_person(actor)
        check_whole(price_list)
        _move(
            price_list,
            S.SUBMITTED,
            submitted_at=timezone.now(),
            submitted_by_id=actor.user_id,
            rejection="",
        )
        record("price_list.submitted", actor=actor, target=price_list, data=describe(price_list))
    return price_list


def withdraw_price_list(*, price_list_id: int, actor: Actor) -> PriceList:
    """Make a submitted list a draft again. Raises Conflict if it does not wait."""
    with transaction.atomic():
        price_list = locked(price_list_id)
        _move(price_list, S.DRAFT, submitted_at=None, submitted_by_id=None)
        record("price_list.withdrawn", actor=actor, target=price_list, data=describe(price_list))
    return price_list


def reject_price_list(
    *, price_list_id: int, seen: datetime | None, reason: str, actor: Actor
) -> PriceList:
    """Send a submitted list back to its author, who sees the reason.

    ``seen`` is when what the person looked at was submitted. Raises Conflict if it does not wait or
    was submitted anew since then, Invalid without a reason.
    """
    if not reason.strip():
        raise Invalid("reason", _("Give a reason."))
    with transaction.atomic():
        price_list = locked(price_list_id)
        _check_seen(price_list, seen)
        _move(
            price_list, S.DRAFT, submitted_at=None, submitted_by_id=None, rejection=reason.strip()
        )
        data = {"reason": reason.strip(), **describe(price_list)}
        record("price_list.rejected", actor=actor, target=price_list, data=data)
    return price_list


def approve_price_list(
    *, price_list_id: int, seen: datetime | None, actor: Actor, override: str = ""
) -> PriceList:
    """Approve a submitted list and so publish it; from then on nobody can change it.

    It may begin in the past: rating then replaces the charges that it touches (the database notes
    which projects and times, whatever door the approval came by), but for those on a document,
    which wait in ``receipts.corrections``. ``seen`` is when what the person looked at was
    submitted. Raises Conflict if it does not wait or was submitted anew since then, or if the
    person is among its authors; Invalid if another list for the same jobs has another currency. A
    list that changes a project's bill of last month by more than ``CANARY_PERCENT`` needs an
    ``override``: the reason of somebody who may (Conflict, Invalid).
    """
    # Before the lock, which rating waits for; what was submitted stays as it is.
    comparison = canary.compare(PriceList.objects.get(pk=price_list_id))
    with transaction.atomic():
        price_list = locked(price_list_id)
        _check_seen(price_list, seen)
        _check_is_person(actor)
        if actor.user_id in price_list.authors:
            raise Conflict(
                "second_person",
                _("You took part in this price list. Someone else has to approve it."),
            )
        _before(price_list, S.PUBLISHED)
        check_one_currency(price_list)
        canary.check_override(comparison, actor=actor, reason=override)
        kept = canary.keep(comparison, price_list=price_list, actor=actor, reason=override)
        _move(price_list, S.PUBLISHED, published_at=timezone.now(), approved_by_id=actor.user_id)
        data = {
            "submitted_by": name_of(price_list.submitted_by),
            "canary": canary.as_told(kept),
            **describe(price_list),
        }
        record("price_list.published", actor=actor, target=price_list, data=data)
        after_commit(RATE_TASK)
    return price_list


def propose_price_list(*, head: Head, content: ListContent, actor: Actor) -> PriceList:
    """Make a list and submit it, or leave nothing; raises what its two steps raise."""
    with transaction.atomic():
        draft = draft_price_list(head=head, content=content, actor=actor)
        return submit_price_list(price_list_id=draft.pk, actor=actor)


def publish_first_list(*, head: Head, content: ListContent, actor: Actor) -> PriceList:
    """Publish the first prices of a new site, on which there is nobody yet who could approve them.

    Raises Conflict if there is.
    """
    with transaction.atomic():
        made = propose_price_list(head=head, content=content, actor=actor)
        return approve_price_list(price_list_id=made.pk, seen=made.submitted_at, actor=actor)


def _move(price_list: PriceList, after: str, **stamps: Any) -> None:
    transition(
        PriceList.objects.all(),
        table=STEPS,
        pk=price_list.pk,
        before=_before(price_list, after),
        after=after,
        **stamps,
    )
    price_list.refresh_from_db()


def _before(price_list: PriceList, after: str) -> str:
    """Return the status that a step starts from. Raises Conflict if the list is elsewhere."""
    before = str(price_list.status)
    if after in STEPS.get(before, ()):
        return before
    raise Conflict(
        "stale_status",
        _("This was changed by someone else in the meantime. Reload the page and look again."),
    )


def _check_seen(price_list: PriceList, seen: datetime | None) -> None:
    if price_list.status == S.SUBMITTED and price_list.submitted_at != seen:
        raise Conflict(
            "submitted_anew",
            _("This price list was withdrawn and submitted anew. Look at it again."),
        )


def _check_is_person(actor: Actor) -> None:
    if actor.user_id is None and User.objects.exists():
        raise Conflict(
            "no_person", _("Price lists are submitted and approved by people, not by programs.")
        )
