"""One charge: how its quantity is made, which rate won, and how its amount is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from accounts.selectors import TierBook
from pricing import engine
from pricing.engine import Tariff, Usage
from pricing.explain.chosen import rate_steps
from pricing.explain.made import Quantity, made_of
from pricing.explain.steps import ChargeStep, CounterStep, RateStep
from pricing.models import Charge, ChargeKind, PriceList
from pricing.selectors import texts_of
from pricing.tariffs import Layers, TariffBook, read_lists, read_rates, tariff
from pricing.walk import cut_off, walk
from usage.models import Job

WHOLE = (Decimal(100),)


def usage_of(job: Job) -> Usage:
    """Return what of a job its quantities depend on."""
    return Usage(*(getattr(job, name) for name in Usage._fields))


@dataclass(slots=True)
class Context:
    """What the charges of a job are explained by: its lists by project, read once."""

    job: Job | None
    user_id: int | None
    book: TariffBook

    def layers(self, row: Charge) -> Layers:
        """Return the lists that price what a charge's project pays: those of today, or if the
        charge is by another one, that one alone."""
        of_row = row.prices_from
        tier = TierBook([row.project_id]).at(row.project_id, row.job_end)
        found = self.book.layers(
            row.job_end,
            tier_id=tier.tier_id if tier else None,
            project_id=row.project_id,
            user_id=self.user_id,
        )
        if of_row.pk in {one.price_list_id for one in found.found}:
            return found
        ((_row, listed),) = read_lists(PriceList.objects.filter(pk=of_row.pk))
        if of_row.tier_id is not None:
            return found._replace(tier=listed)
        return found._replace(project=listed) if of_row.project_id else found._replace(user=listed)


def charge_step(row: Charge, context: Context) -> ChargeStep:
    """Return a charge with its arithmetic."""
    reversal: Charge | None = getattr(row, "reversal", None)
    by_hand = row.kind == ChargeKind.MANUAL
    layers = Layers() if by_hand else context.layers(row)
    made: Quantity | None = None
    rates: tuple[RateStep, ...] = ()
    if context.job is not None and row.kind == ChargeKind.USAGE:
        names = {one.pk: str(one) for one in _lists(layers)}
        rates = rate_steps(layers, context.job, row.resource, names)
        made = _made_of(row, context.job, layers)
    counter = _counter(row)
    unrounded, is_exact = _unrounded(row, counter)
    return ChargeStep(
        charge=row.pk,
        kind=row.kind,
        resource=row.resource,
        basis=row.basis,
        quantity=row.quantity,
        made_of=made,
        unit_size=row.unit_size,
        unit_price=row.unit_price,
        model=row.rate.model if row.rate else "",
        counter=counter,
        least=_least(row),
        unrounded=unrounded,
        is_exact=is_exact,
        amount=row.amount,
        currency=row.currency,
        price_list=0 if by_hand else row.prices_from.pk,
        price_list_name=texts_of([row.resource])[row.resource] if by_hand else row.list_name,
        rates=rates,
        project=row.project.code,
        share_percent=row.share.percent if row.share else None,
        generation=row.generation,
        created_at=row.created_at,
        reverses=row.reverses_id,
        reversed_by=reversal.pk if reversal else None,
    )


def _lists(layers: Layers) -> Sequence[PriceList]:
    keys = [one.price_list_id for one in layers.found]
    rows = PriceList.objects.filter(pk__in=keys)
    return list(rows.select_related("tier", "project", "user"))


def _made_of(row: Charge, job: Job, layers: Layers) -> Quantity | None:
    """Return how the quantity comes about, or None if the row as it is now gives another one."""
    percents, place = shares_of(row)
    try:
        prices: Tariff = tariff(layers, job.cluster_id, job.partition, job.qos)
    except engine.InvalidRate:
        return None
    made = made_of(usage_of(job), prices, row.resource, percents=percents, place=place)
    return made if made and made.quantity == abs(row.quantity) else None


def shares_of(row: Charge) -> tuple[Sequence[Decimal], int]:
    """Return the percentages of the split that a charge is a share of, and its place in them."""
    if row.share is None:
        return WHOLE, 0
    all_shares = sorted(row.share.split.shares.all(), key=lambda share: share.pk)
    return [share.percent for share in all_shares], all_shares.index(row.share)


def _counter(row: Charge) -> CounterStep | None:
    """Return where the counter stood: what was charged before is what the charge leaves of the
    price after it."""
    if row.counter_before is None or row.counter_after is None or row.rate_id is None:
        return None
    rate = read_rates([row.rate_id])[row.rate_id]
    with_it, until_now = walk(rate, row.counter_after), walk(rate, row.counter_before)
    so_far = with_it.amount - row.amount
    return CounterStep(
        before=row.counter_before,
        after=row.counter_after,
        so_far=so_far,
        total=with_it.amount,
        until_now=until_now if until_now.amount == so_far else None,
        with_it=with_it,
    )


def _least(row: Charge) -> Decimal | None:
    """Return what a job costs at least, of which a minimum charge is the missing part."""
    if row.kind != ChargeKind.MINIMUM or row.price_list is None:
        return None
    percent = row.share.percent if row.share else WHOLE[0]
    least = row.price_list.minimum_per_job
    return engine.job_minimum(Decimal(0), minimum=least, percent=percent)


def _unrounded(row: Charge, counter: CounterStep | None) -> tuple[str, bool]:
    if row.unit_price is not None:
        return cut_off(Fraction(row.quantity, row.unit_size) * Fraction(row.unit_price))
    if counter is not None and row.reverses_id is None:
        return cut_off(counter.with_it.exact)
    return cut_off(Fraction(row.amount))
