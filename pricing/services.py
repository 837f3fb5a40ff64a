"""Price lists: drafted, submitted, approved by a second person, and published by that step."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Tier, User
from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import Space, hold_until_commit
from core.queue import after_commit
from core.transitions import Table, transition
from pricing.models import PriceList, Rate
from pricing.resources import RESOURCES
from pricing.study import canary

RATE_TASK = "hpcbilling.rate_pending"
S = PriceList.Status
STEPS: Table = {
    S.DRAFT: frozenset({S.SUBMITTED}),
    S.SUBMITTED: frozenset({S.DRAFT, S.PUBLISHED}),
}


def draft_price_list(
    *,
    tier: Tier | None,
    effective_at: datetime,
    currency: str,
    rates: Mapping[str, Decimal],
    actor: Actor,
    note: str = "",
) -> PriceList:
    """Make a draft list. Unit prices are per core-hour, GPU-hour and GB-hour in ``currency``.

    Raises Invalid for an unknown resource or a price that is negative, not finite or has more than
    six decimals.
    """
    for resource, unit_price in rates.items():
        check_rate(resource, unit_price)
    with transaction.atomic():
        hold_until_commit(Space.PRICE_LISTS, "lists")
        price_list = PriceList.objects.create(
            tier=tier,
            effective_at=effective_at,
            revision=_next_revision(tier, effective_at),
            currency=currency,
            note=note,
            created_by_id=actor.user_id,
        )
        _write_rates(price_list, rates)
        record("price_list.drafted", actor=actor, target=price_list, data=describe(price_list))
    return price_list


def propose_price_list(
    *,
    tier: Tier | None,
    effective_at: datetime,
    currency: str,
    rates: Mapping[str, Decimal],
    actor: Actor,
    note: str = "",
) -> PriceList:
    """Make a list and submit it, or leave nothing; raises what its two steps raise."""
    with transaction.atomic():
        draft = draft_price_list(
            tier=tier,
            effective_at=effective_at,
            currency=currency,
            rates=rates,
            actor=actor,
            note=note,
        )
        return submit_price_list(price_list_id=draft.pk, actor=actor)


def edit_price_list(
    *,
    price_list_id: int,
    tier: Tier | None,
    effective_at: datetime,
    currency: str,
    rates: Mapping[str, Decimal],
    actor: Actor,
    note: str = "",
) -> PriceList:
    """Replace what a draft says; the log keeps what it said before.

    Raises Conflict if it is no draft any more, Invalid as ``draft_price_list`` does.
    """
    for resource, unit_price in rates.items():
        check_rate(resource, unit_price)
    with transaction.atomic():
        price_list = _locked_draft(price_list_id)
        before = describe(price_list)
        if (price_list.tier_id, price_list.effective_at) != (tier and tier.pk, effective_at):
            price_list.revision = _next_revision(tier, effective_at)
        price_list.tier, price_list.effective_at = tier, effective_at
        price_list.currency, price_list.note = currency, note
        price_list.edited_by_id = actor.user_id
        price_list.save()
        price_list.rates.all().delete()
        _write_rates(price_list, rates)
        after = describe(price_list)
        if after != before:
            data = {"before": before, "after": after}
            record("price_list.changed", actor=actor, target=price_list, data=data)
    return price_list


def copy_price_list(*, price_list_id: int, actor: Actor) -> PriceList:
    """Make a new draft that says what a list says, to take effect at the same moment."""
    old = PriceList.objects.select_related("tier").get(pk=price_list_id)
    return draft_price_list(
        tier=old.tier,
        effective_at=old.effective_at,
        currency=old.currency,
        rates={r.resource: r.unit_price for r in old.rates.all() if r.unit_price is not None},
        actor=actor,
        note=old.note,
    )


def _locked(price_list_id: int) -> PriceList:
    """Return a list that nobody else moves or changes until commit. Raises Conflict."""
    hold_until_commit(Space.PRICE_LISTS, "lists")
    price_list = PriceList.objects.select_related("tier").filter(pk=price_list_id).first()
    if price_list is None:
        raise Conflict("gone", _("This draft was deleted by someone else."))
    return price_list


def _locked_draft(price_list_id: int) -> PriceList:
    price_list = _locked(price_list_id)
    if price_list.status == S.SUBMITTED:
        raise Conflict(
            "submitted", _("This price list waits for approval. Withdraw it to change it.")
        )
    if price_list.status != S.DRAFT:
        raise Conflict("published", _("A published price list can't be changed or deleted."))
    return price_list


def _next_revision(tier: Tier | None, effective_at: datetime) -> int:
    same = PriceList.objects.filter(tier=tier, effective_at=effective_at)
    return int(same.aggregate(last=Max("revision"))["last"] or 0) + 1


def _write_rates(price_list: PriceList, rates: Mapping[str, Decimal]) -> None:
    Rate.objects.bulk_create(
        Rate(price_list=price_list, resource=resource, unit_price=unit_price)
        for resource, unit_price in sorted(rates.items())
    )


def check_rate(resource: str, unit_price: Decimal) -> None:
    """Raise Invalid unless the resource is known and the price can be stored exactly."""
    if resource not in RESOURCES:
        raise Invalid("resource", _("“%(code)s” is not a resource.") % {"code": resource})
    exact = unit_price.is_finite() and unit_price == unit_price.quantize(Decimal("0.000001"))
    if not exact or not 0 <= unit_price < Decimal("1e12"):
        raise Invalid(
            "unit_price",
            _("A unit price must be zero or more, with at most six decimals."),
        )


def submit_price_list(*, price_list_id: int, actor: Actor) -> PriceList:
    """Let a draft wait for the approval of a second person; it stays as it is from now on.

    Raises Invalid if it has no rates, Conflict if it is no draft.
    """
    with transaction.atomic():
        price_list = _locked(price_list_id)
        if not price_list.rates.exists():
            raise Invalid("no_rates", _("A price list needs at least one rate."))
        _check_is_person(actor)
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
        price_list = _locked(price_list_id)
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
        price_list = _locked(price_list_id)
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
    person is among its authors. A list that changes a project's bill of last month by more than
    ``CANARY_PERCENT`` needs an ``override``: the reason of somebody who may (Conflict, Invalid).
    """
    # Before the lock, which rating waits for; what was submitted stays as it is.
    comparison = canary.compare(PriceList.objects.get(pk=price_list_id))
    with transaction.atomic():
        price_list = _locked(price_list_id)
        _check_seen(price_list, seen)
        _check_is_person(actor)
        if actor.user_id in price_list.authors:
            raise Conflict(
                "second_person",
                _("You took part in this price list. Someone else has to approve it."),
            )
        _before(price_list, S.PUBLISHED)
        canary.check_override(comparison, actor=actor, reason=override)
        kept = canary.keep(comparison, price_list=price_list, actor=actor, reason=override)
        _move(price_list, S.PUBLISHED, published_at=timezone.now(), approved_by_id=actor.user_id)
        data = {
            "submitted_by": _name(price_list.submitted_by),
            "canary": canary.as_told(kept),
            **describe(price_list),
        }
        record("price_list.published", actor=actor, target=price_list, data=data)
        after_commit(RATE_TASK)
    return price_list


def publish_first_list(
    *, tier: Tier, effective_at: datetime, rates: Mapping[str, Decimal], currency: str, actor: Actor
) -> PriceList:
    """Publish the first prices of a new site, on which there is nobody yet who could approve them.

    Raises Conflict if there is.
    """
    with transaction.atomic():
        made = propose_price_list(
            tier=tier,
            effective_at=effective_at,
            currency=currency,
            rates=rates,
            actor=actor,
            note="First list",
        )
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


def _name(user: User | None) -> str:
    return user.get_username() if user else ""


def describe(price_list: PriceList) -> dict[str, object]:
    """Return a list with its rates as the audit log shows it."""
    return {
        "tier": price_list.holder,
        "effective_at": price_list.effective_at,
        "revision": price_list.revision,
        "currency": price_list.currency,
        "note": price_list.note,
        "rates": {rate.resource: rate.unit_price for rate in price_list.rates.all()},
    }


def discard_price_list(*, price_list_id: int, actor: Actor) -> None:
    """Delete a draft. Raises Conflict if it is none any more."""
    with transaction.atomic():
        price_list = _locked_draft(price_list_id)
        record("price_list.discarded", actor=actor, target=price_list, data=describe(price_list))
        price_list.delete()
