"""Reading price lists: what a list changes against the one before it, and what waits."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from core.money import charge_amount
from pricing.content import CHILDREN, ListContent, percent_change
from pricing.models import Charge, ChargeKind, PriceList
from pricing.selectors import live_charges

EFFECT_DAYS = 30
S = PriceList.Status


@dataclass(frozen=True, slots=True)
class Effect:
    """What the holder's charges of the last days come to at a list's prices.

    ``unpriced`` are resources that were used and have no price in the new list. It is a quick look
    at lists of plain unit prices; a study (``price_study``) prices each job by all that a list
    says.
    """

    days: int
    old: Decimal
    new: Decimal
    unpriced: tuple[str, ...]

    @property
    def percent(self) -> Decimal | None:
        return percent_change(self.old, self.new)


def waiting_for_approval() -> QuerySet[PriceList]:
    """Return submitted lists, the one that waits longest first."""
    rows = PriceList.objects.filter(status=S.SUBMITTED).order_by("submitted_at")
    return rows.select_related("tier", "project", "user", "submitted_by").prefetch_related(
        *CHILDREN
    )


def list_before(price_list: PriceList) -> PriceList | None:
    """Return the published list that a list takes over from, if there is one."""
    earlier = Q(effective_at__lt=price_list.effective_at) | Q(
        effective_at=price_list.effective_at, revision__lt=price_list.revision
    )
    return _published(price_list).filter(earlier).last()


def list_after(price_list: PriceList) -> PriceList | None:
    """Return the published list that takes over from a list, if that is known already.

    At the same moment it is one with a higher revision: the list never comes into force then.
    """
    later = Q(effective_at__gt=price_list.effective_at) | Q(
        effective_at=price_list.effective_at, revision__gt=price_list.revision
    )
    return _published(price_list).filter(later).first()


def _published(price_list: PriceList) -> QuerySet[PriceList]:
    """Return the published lists of the same tier, project or user."""
    rows = PriceList.objects.filter(
        status=S.PUBLISHED,
        tier=price_list.tier_id,
        project=price_list.project_id,
        user=price_list.user_id,
    )
    rows = rows.select_related("tier", "project", "user").prefetch_related(*CHILDREN)
    return rows.order_by("effective_at", "revision")


def charges_of(price_list: PriceList) -> QuerySet[Charge]:
    """Return the charges in force that a list of this tier, project or user may be for."""
    if price_list.tier_id is not None:
        holder = Q(rate__price_list__tier=price_list.tier_id)
    elif price_list.project_id is not None:
        holder = Q(project=price_list.project_id)
    else:
        holder = Q(job__user_name=price_list.user.username if price_list.user else "")
    return live_charges(Charge.objects.filter(holder, kind=ChargeKind.USAGE))


@dataclass(frozen=True, slots=True)
class Past:
    """The charged jobs that a list which begins in the past counts for, and their amounts."""

    jobs: int
    amounts: dict[str, Decimal]


def past_of(price_list: PriceList, until: datetime | None) -> Past | None:
    """Return what was charged of the jobs that a list counts for and that ended before ``until``,
    or None if it begins in the future."""
    if price_list.effective_at > timezone.now():
        return None
    charges = charges_of(price_list).filter(job_end__gte=price_list.effective_at)
    ends = [end for end in (until, price_list.ends_at) if end is not None]
    if ends:
        charges = charges.filter(job_end__lt=min(ends))
    sums = charges.order_by().values("currency").annotate(total=Sum("amount"))
    jobs = charges.order_by().aggregate(jobs=Count("job", distinct=True))["jobs"]
    return Past(jobs, {row["currency"]: row["total"] for row in sums})


def effect(
    price_list: PriceList, content: ListContent, *, until: datetime | None = None
) -> dict[str, Effect]:
    """Return by currency what the holder's charges of the last days would come to.

    Only of lists that are nothing but unit prices, else nothing is returned. It sums up
    quantities, so it may differ from charges by their rounding at six decimals. What a negotiated
    list says nothing of costs what it did.
    """
    if not content.is_flat:
        return {}
    prices = content.prices
    until = until or timezone.now()
    since = until - timedelta(days=EFFECT_DAYS)
    sums = (
        charges_of(price_list)
        .filter(job_end__gte=since, job_end__lt=until)
        .order_by()
        .values("currency", "resource", "unit_size")
        .annotate(total=Sum("quantity"), paid=Sum("amount"))
    )
    found: dict[str, Effect] = {}
    for row in sums:
        price = prices.get(row["resource"])
        missing: tuple[str, ...] = ()
        if price is not None:
            new = charge_amount(row["total"], price, row["unit_size"])
        elif price_list.tier_id is None:
            new = row["paid"]
        else:
            new, missing = Decimal(0), (str(row["resource"]),)
        before = found.get(row["currency"], Effect(EFFECT_DAYS, Decimal(0), Decimal(0), ()))
        found[row["currency"]] = Effect(
            EFFECT_DAYS, before.old + row["paid"], before.new + new, before.unpriced + missing
        )
    return found
