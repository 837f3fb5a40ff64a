"""Reading prices and charges."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.models import Tier
from pricing.engine import PricedRate, Prices, in_effect
from pricing.models import Charge, JobRating, PriceList, Rate
from usage.models import Job


class PriceBook:
    """All published lists, read once, for pricing many jobs."""

    def __init__(self) -> None:
        rates: dict[int, dict[str, PricedRate]] = defaultdict(dict)
        published = PriceList.objects.filter(status=PriceList.Status.PUBLISHED)
        for rate in Rate.objects.filter(price_list__in=published):
            rates[rate.price_list_id][rate.resource] = PricedRate(rate.pk, rate.unit_price)
        self._lists: dict[int, list[Prices]] = defaultdict(list)
        for row in published:
            prices = Prices(row.pk, row.effective_at, row.revision, row.currency, rates[row.pk])
            self._lists[row.tier_id].append(prices)

    def at(self, tier_id: int, moment: datetime) -> Prices | None:
        """Return the list of a tier in effect at a moment."""
        return in_effect(self._lists.get(tier_id, ()), moment)


def price_list_at(tier: Tier, moment: datetime | None = None) -> PriceList | None:
    """Return the published list of a tier in effect at a moment (now), or None."""
    lists = PriceList.objects.filter(
        tier=tier, status=PriceList.Status.PUBLISHED, effective_at__lte=moment or timezone.now()
    )
    return lists.order_by("-effective_at", "-revision").first()


def jobs_to_rate() -> QuerySet[Job]:
    """Return ended jobs that are not held back and were not rated as they are now, in the order
    of rating: end, cluster, job id, submit. Jobs unpriced so far are among them."""
    due = (
        Q(rating=None)
        | Q(rating__status=JobRating.Status.UNPRICED)
        | ~Q(rating__job_revision=F("revision"))
    )
    ended = Job.objects.filter(held=False, end__isnull=False)
    return ended.filter(due).order_by("end", "cluster", "job_id", "submit")


def live_charges(charges: QuerySet[Charge] | None = None) -> QuerySet[Charge]:
    """Return charges that are in force: neither reversals nor reversed."""
    base = Charge.objects.all() if charges is None else charges
    return base.filter(reverses=None, reversal=None)


def live_charges_of_jobs(job_ids: Iterable[int]) -> dict[int, list[Charge]]:
    """Return the charges in force of some jobs, by job."""
    found: dict[int, list[Charge]] = defaultdict(list)
    for charge in live_charges().filter(job_id__in=list(job_ids)):
        found[charge.job_id].append(charge)
    return found


def unpriced() -> QuerySet[JobRating]:
    """Return the queue of jobs that could not be priced, oldest first."""
    rows = JobRating.objects.filter(status=JobRating.Status.UNPRICED)
    return rows.select_related("job", "job__cluster", "project").order_by("since")
