"""Reading price lists: what a list changes against the one before it, and what waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from core.money import charge_amount
from pricing.models import Charge, PriceList
from pricing.resources import RESOURCES
from pricing.selectors import live_charges

TENTH = Decimal("0.1")
EFFECT_DAYS = 30
S = PriceList.Status


@dataclass(frozen=True, slots=True)
class Difference:
    """The unit price of a resource before and after; None where a list has no price for it."""

    resource: str
    old: Decimal | None
    new: Decimal | None

    @property
    def is_change(self) -> bool:
        return self.old != self.new

    @property
    def percent(self) -> Decimal | None:
        """The change in percent at one decimal, where there is a price to compare with."""
        return percent_change(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Effect:
    """What the tier's charges of the last days come to at a list's prices.

    ``unpriced`` are resources that were used and have no price in the new list.
    """

    days: int
    old: Decimal
    new: Decimal
    unpriced: tuple[str, ...]

    @property
    def percent(self) -> Decimal | None:
        return percent_change(self.old, self.new)


def percent_change(old: Decimal | None, new: Decimal | None) -> Decimal | None:
    """Return the change in percent at one decimal, half up; None from nothing or to nothing."""
    if new is None or not old:
        return None
    return ((new - old) * 100 / old).quantize(TENTH, ROUND_HALF_UP)


def waiting_for_approval() -> QuerySet[PriceList]:
    """Return submitted lists, the one that waits longest first."""
    rows = PriceList.objects.filter(status=S.SUBMITTED).order_by("submitted_at")
    return rows.select_related("tier", "submitted_by").prefetch_related("rates")


def rates_of(price_list: PriceList) -> dict[str, Decimal]:
    """Return the unit prices of a list by resource."""
    rates = price_list.rates.all()
    return {rate.resource: rate.unit_price for rate in rates if rate.unit_price is not None}


def list_before(price_list: PriceList) -> PriceList | None:
    """Return the published list that a list takes over from, if there is one."""
    earlier = Q(effective_at__lt=price_list.effective_at) | Q(
        effective_at=price_list.effective_at, revision__lt=price_list.revision
    )
    return _published(price_list.tier_id).filter(earlier).last()


def list_after(price_list: PriceList) -> PriceList | None:
    """Return the published list that takes over from a list, if that is known already.

    At the same moment it is one with a higher revision: the list never comes into force then.
    """
    later = Q(effective_at__gt=price_list.effective_at) | Q(
        effective_at=price_list.effective_at, revision__gt=price_list.revision
    )
    return _published(price_list.tier_id).filter(later).first()


def _published(tier_id: int | None) -> QuerySet[PriceList]:
    rows = PriceList.objects.filter(status=S.PUBLISHED, tier=tier_id)
    return rows.order_by("effective_at", "revision").prefetch_related("rates")


@dataclass(frozen=True, slots=True)
class Past:
    """The charged jobs that a list which begins in the past counts for, and their amounts."""

    jobs: int
    amounts: dict[str, Decimal]


def past_of(tier_id: int | None, starts_at: datetime, ends_at: datetime | None) -> Past | None:
    """Return what was charged of jobs of a tier that ended in ``[starts_at, ends_at)``, or None if
    that begins in the future."""
    if starts_at > timezone.now():
        return None
    charges = live_charges(
        Charge.objects.filter(rate__price_list__tier=tier_id, job_end__gte=starts_at)
    )
    if ends_at is not None:
        charges = charges.filter(job_end__lt=ends_at)
    sums = charges.order_by().values("currency").annotate(total=Sum("amount"))
    jobs = charges.order_by().aggregate(jobs=Count("job", distinct=True))["jobs"]
    return Past(jobs, {row["currency"]: row["total"] for row in sums})


def differences(old: Mapping[str, Decimal], new: Mapping[str, Decimal]) -> list[Difference]:
    """Compare the prices of two lists, a line for each resource that either of them prices."""
    return [
        Difference(code, old.get(code), new.get(code))
        for code in RESOURCES
        if code in old or code in new
    ]


def effect(
    tier_id: int | None, rates: Mapping[str, Decimal], *, until: datetime | None = None
) -> dict[str, Effect]:
    """Return by currency what the charges of the last days would come to at these prices.

    It sums up quantities, so it may differ from charges by their rounding at six decimals.
    """
    until = until or timezone.now()
    since = until - timedelta(days=EFFECT_DAYS)
    charges = Charge.objects.filter(
        rate__price_list__tier=tier_id, job_end__gte=since, job_end__lt=until
    )
    sums = (
        live_charges(charges)
        .order_by()
        .values("currency", "resource", "unit_size")
        .annotate(total=Sum("quantity"), paid=Sum("amount"))
    )
    found: dict[str, Effect] = {}
    for row in sums:
        price = rates.get(row["resource"])
        new = charge_amount(row["total"], price, row["unit_size"]) if price is not None else 0
        before = found.get(row["currency"], Effect(EFFECT_DAYS, Decimal(0), Decimal(0), ()))
        missing = () if price is not None else (str(row["resource"]),)
        found[row["currency"]] = Effect(
            EFFECT_DAYS, before.old + row["paid"], before.new + new, before.unpriced + missing
        )
    return found
