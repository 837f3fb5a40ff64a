"""One study: the charges in force of a window against what a list makes of the same jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import Q

from accounts.models import User
from core.intervals import Interval
from pricing.models import JobRating, PriceList
from pricing.study import ledger
from pricing.study.closing import add_closing
from pricing.study.content import digest_of
from pricing.study.figures import Figures, figures_of
from pricing.study.ledger import Aside, Unsuited
from pricing.study.scope import Scope
from pricing.study.stream import Advance, Rehearsal, Stream
from pricing.study.tally import Tally
from pricing.tariffs import Listed, TariffBook, read_lists


def _ignore(done: int, total: int) -> None:
    """Tell nobody."""


def study(
    *,
    price_list: PriceList,
    window: Interval,
    cost: Decimal | None = None,
    advance: Advance = _ignore,
    thorough: bool = False,
) -> Figures:
    """Re-price the jobs that ended in a window under a list, draft or not. Writes nothing.

    The list counts for the whole window, whatever its dates, instead of all others of its tier,
    project or person; who paid, splits and exemptions are as they are. The jobs are those of
    projects of its tier at the job's end, or of its project or person. Amounts are exact: of the
    list that held all the time, the study is the sum of the charges. Counters count by calendar
    month of the site; where the window cuts a month they see only the part in it. ``thorough`` puts
    every job through the engine, also where the quantities of charges would do.

    All is read from one snapshot, in a transaction that can't write, unless there is one already.
    Raises LookupError if the list is gone.
    """
    with _snapshot():
        found = read_lists(PriceList.objects.filter(pk=price_list.pk))
        if not found:
            raise LookupError(price_list.pk)
        return _Study(*found[0], window, advance).run(cost, thorough=thorough)


@contextmanager
def _snapshot() -> Iterator[None]:
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


class _Study:
    def __init__(
        self, price_list: PriceList, listed: Listed, window: Interval, advance: Advance
    ) -> None:
        self._listed = listed
        self._digest = digest_of(price_list, listed)
        self._advance = advance
        self._scope = Scope(price_list, window)
        self._book = Rehearsal(price_list, listed, window)
        self._is_of_tier = price_list.tier_id is not None
        self._tally = Tally()

    def run(self, cost: Decimal | None, *, thorough: bool) -> Figures:
        quick = not thorough and self._is_of_tier and ledger.is_suited(self._listed)
        way = "ledger" if quick and self._by_ledger() else "engine"
        if not quick:
            ledger.read_before(self._tally, self._scope, self._listed.currency)
        if way == "engine":
            self._tally.forget_after()
            Stream(self._tally, self._scope, self._book).run(self._advance)
        return self._finish(cost, way)

    def _by_ledger(self) -> bool:
        """Price the charges in force; returns whether that was possible."""
        aside = _own_prices(self._scope.window)
        published = read_lists(PriceList.objects.filter(status=PriceList.Status.PUBLISHED))
        suited = {row.pk for row, listed in published if ledger.has_all_quantities(listed)}
        try:
            ledger.read(self._tally, self._scope, self._listed, suited=suited, aside=aside)
        except Unsuited:
            return False
        Stream(self._tally, self._scope, self._book, aside=aside).run(self._advance)
        return True

    def _finish(self, cost: Decimal | None, way: str) -> Figures:
        tally, window = self._tally, self._scope.window
        used = tally.used
        tally.price_counters()
        add_closing(tally.after, self._scope, self._book, used)
        add_closing(tally.before, self._scope, TariffBook(), tally.paid_counters)
        tally.waiting = JobRating.objects.filter(
            due=True,
            project__in=self._scope.projects,
            job__end__gte=window.start,
            job__end__lt=window.end,
        ).count()
        return figures_of(
            tally,
            currency=self._listed.currency,
            window=window,
            way=way,
            cost=cost,
            digest=self._digest,
        )


def _own_prices(window: Interval) -> Aside:
    """Return the projects and people who had negotiated prices in a window."""
    lists = PriceList.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=window.start),
        status=PriceList.Status.PUBLISHED,
        tier=None,
        effective_at__lt=window.end,
    )
    projects = lists.filter(project__isnull=False).values_list("project_id", flat=True)
    users = User.objects.filter(pk__in=lists.filter(user__isnull=False).values("user"))
    return Aside(
        frozenset(filter(None, projects)),
        frozenset(user.get_username() for user in users),
    )
