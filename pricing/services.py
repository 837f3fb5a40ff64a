"""Publishing prices."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Tier
from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import Space, hold_until_commit
from core.queue import after_commit
from core.transitions import Table, transition
from pricing.models import Charge, PriceList, Rate
from pricing.resources import RESOURCES

RATE_TASK = "hpcbilling.rate_pending"
STEPS: Table = {PriceList.Status.DRAFT: frozenset({PriceList.Status.PUBLISHED})}


def draft_price_list(
    *,
    tier: Tier,
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


def publish_new_list(
    *,
    tier: Tier,
    effective_at: datetime,
    currency: str,
    rates: Mapping[str, Decimal],
    actor: Actor,
    note: str = "",
) -> PriceList:
    """Make a list and publish it, or leave nothing; raises what its two steps raise."""
    with transaction.atomic():
        draft = draft_price_list(
            tier=tier,
            effective_at=effective_at,
            currency=currency,
            rates=rates,
            actor=actor,
            note=note,
        )
        return publish_price_list(price_list_id=draft.pk, actor=actor)


def edit_price_list(
    *,
    price_list_id: int,
    tier: Tier,
    effective_at: datetime,
    currency: str,
    rates: Mapping[str, Decimal],
    actor: Actor,
    note: str = "",
) -> PriceList:
    """Replace what a draft says; the log keeps what it said before.

    Raises Conflict if it is published, Invalid as ``draft_price_list`` does.
    """
    for resource, unit_price in rates.items():
        check_rate(resource, unit_price)
    with transaction.atomic():
        price_list = _locked_draft(price_list_id)
        before = describe(price_list)
        if (price_list.tier_id, price_list.effective_at) != (tier.pk, effective_at):
            price_list.revision = _next_revision(tier, effective_at)
        price_list.tier, price_list.effective_at = tier, effective_at
        price_list.currency, price_list.note = currency, note
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
        rates={rate.resource: rate.unit_price for rate in old.rates.all()},
        actor=actor,
        note=old.note,
    )


def _locked_draft(price_list_id: int) -> PriceList:
    """Return a draft that nobody else publishes or changes until commit. Raises Conflict."""
    hold_until_commit(Space.PRICE_LISTS, "lists")
    price_list = PriceList.objects.select_related("tier").filter(pk=price_list_id).first()
    if price_list is None:
        raise Conflict("gone", _("This draft was deleted by someone else."))
    if price_list.status != PriceList.Status.DRAFT:
        raise Conflict("published", _("A published price list can't be changed or deleted."))
    return price_list


def _next_revision(tier: Tier, effective_at: datetime) -> int:
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


def publish_price_list(*, price_list_id: int, actor: Actor) -> PriceList:
    """Publish a draft; from then on nobody can change it.

    Raises Invalid if it has no rates, Conflict if it is published already, or if jobs that ended
    after its start were charged under an older list: those charges would contradict it.
    """
    with transaction.atomic():
        hold_until_commit(Space.PRICE_LISTS, "lists")
        price_list = PriceList.objects.select_related("tier").get(pk=price_list_id)
        if not price_list.rates.exists():
            raise Invalid("no_rates", _("A price list needs at least one rate."))
        _check_not_retroactive(price_list)
        now = timezone.now()
        transition(
            PriceList.objects.all(),
            table=STEPS,
            pk=price_list.pk,
            before=PriceList.Status.DRAFT,
            after=PriceList.Status.PUBLISHED,
            published_at=now,
            published_by_id=actor.user_id,
        )
        record("price_list.published", actor=actor, target=price_list, data=describe(price_list))
        after_commit(RATE_TASK)
    price_list.refresh_from_db()
    return price_list


def _check_not_retroactive(price_list: PriceList) -> None:
    later = Charge.objects.filter(
        rate__price_list__tier=price_list.tier, job_end__gte=price_list.effective_at
    ).order_by("-job_end")
    last = later.values_list("job_end", flat=True).first()
    if last is not None:
        raise Conflict(
            "retroactive",
            _(
                "Jobs of this tier that ended up to %(last)s are charged already. "
                "Choose a later date."
            )
            % {"last": timezone.localtime(last).strftime("%Y-%m-%d %H:%M")},
        )


def describe(price_list: PriceList) -> dict[str, object]:
    """Return a list with its rates as the audit log shows it."""
    return {
        "tier": price_list.tier.code,
        "effective_at": price_list.effective_at,
        "revision": price_list.revision,
        "currency": price_list.currency,
        "note": price_list.note,
        "rates": {rate.resource: rate.unit_price for rate in price_list.rates.all()},
    }


def discard_price_list(*, price_list_id: int, actor: Actor) -> None:
    """Delete a draft. Raises Conflict if it is published."""
    with transaction.atomic():
        price_list = _locked_draft(price_list_id)
        record("price_list.discarded", actor=actor, target=price_list, data=describe(price_list))
        price_list.delete()
