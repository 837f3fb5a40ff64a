"""What closing whole months would add: fees without usage, caps and commitments."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, timedelta
from decimal import Decimal

from core.intervals import Interval, month
from core.site import site_zone
from pricing.engine import cumulative, true_up
from pricing.study.ledger import months_of
from pricing.study.scope import Scope
from pricing.study.tally import TRUE_UP, Key, Used
from pricing.tariffs import Listed, TariffBook


def add_closing(
    amounts: dict[Key, Decimal], scope: Scope, book: TariffBook, used: Collection[Used]
) -> None:
    """Add to a side of a tally what its whole months' ends would.

    The list in effect at the month's last moment decides, for the projects that are in its tier
    then. Months that the window cuts, and lists of one person, have no such end.
    """
    if scope.user_name:
        return
    totals: dict[tuple[int, date], Decimal] = defaultdict(Decimal)
    for key, amount in amounts.items():
        totals[key.project_id, key.month] += amount
    for stretch in scope.stretches:
        for whole in _months_that_end_in(stretch.starts_at, stretch.ends_at, scope.window):
            first = whole.start.astimezone(site_zone()).date()
            layers = book.layers(
                whole.end - timedelta(microseconds=1),
                tier_id=stretch.tier_id,
                project_id=stretch.project_id,
            )
            found = layers.terms_from
            if found is None:
                continue
            fees = _fees(found, stretch.project_id, first, used)
            total = totals[stretch.project_id, first] + fees
            terms = found.terms
            added = fees + true_up(total, cap=terms.cap, commitment=terms.commitment)
            if added:
                amounts[Key(stretch.project_id, stretch.tier_id, TRUE_UP, first)] += added


def _fees(listed: Listed, project_id: int, first: date, used: Collection[Used]) -> Decimal:
    """The fees of rates that are due without usage, of rates that were not used."""
    return sum(
        (
            cumulative(rate, 0)
            for rate in listed.rates
            if rate.fee_at_zero and Used(project_id, rate.rate_id, first) not in used
        ),
        Decimal(0),
    )


def _months_that_end_in(start: datetime, end: datetime, window: Interval) -> list[Interval]:
    return [part for _, part in months_of(window) if start < part.end <= end and _is_whole(part)]


def _is_whole(part: Interval) -> bool:
    return part == month(part.start.astimezone(site_zone()).date(), site_zone())
