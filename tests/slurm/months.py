"""A month that is over: sreport shows no hour before its end, and nothing may run on in it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.intervals import Interval, last_month, local_midnight, month, next_month
from tests.slurm.history import History
from tests.slurm.rows import Row, insert, move_into_the_past, register_since, roll_up
from tests.slurm.stack import OTHER

BERLIN = ZoneInfo("Europe/Berlin")
FALL = date(2025, 10, 26)
"""Berlin's clocks went from 03:00 back to 02:00."""
SPRING = date(2026, 3, 29)
"""They went from 02:00 to 03:00."""
PUT_FIRST = 900_001


class Months:
    """Where the history now lies, and what was added to it.

    The real jobs happened on the tenth of last month. Jobs of the runaway kind and those that run
    still began then, too.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.stack = history.stack
        self.first, self.last = last_month(datetime.now(UTC).date())
        self.put = {row.job_id: row for row in self._rows()}

    @property
    def period(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def tenth(self) -> date:
        """The day on which the real jobs now are."""
        return self.first + timedelta(days=9)

    @property
    def span(self) -> Interval:
        return month(self.first, ZoneInfo("UTC"))

    def make(self) -> None:
        move_into_the_past(self.stack, (datetime.now(UTC).date() - self.tenth).days)
        insert(self.stack, self.put.values())
        insert(self.stack, [self._other_cluster()], OTHER)
        register_since(self.stack, datetime(2025, 10, 1, tzinfo=UTC))
        for first in (self.first, FALL.replace(day=1), SPRING.replace(day=1)):
            roll_up(self.stack, *self._whole(first))
        # The month may have begun earlier where the site is.
        month_before = self.first - timedelta(days=1)
        roll_up(self.stack, *self._whole(month_before.replace(day=1)))

    @staticmethod
    def _whole(first: date) -> tuple[datetime, datetime]:
        utc = ZoneInfo("UTC")
        return local_midnight(first, utc), local_midnight(next_month(first), utc)

    def _rows(self) -> list[Row]:
        first = local_midnight(self.first, ZoneInfo("UTC"))
        end = local_midnight(next_month(self.first), ZoneInfo("UTC"))
        day, hour = timedelta(days=1), timedelta(hours=1)
        fold = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)  # 02:30, summer time, in Berlin
        gap = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # 01:30, winter time
        spans = [
            # Into the month, out of it, over all of it, and to its last second.
            (first - 2 * day, first + day, {"user": "games", "cpus": 4, "gpus": 2}),
            (end - hour, end + 3 * hour, {"user": "backup", "cpus": 8}),
            (first - day, end + day, {"user": "list", "cpus": 1}),
            (end - day, end, {"user": "games", "cpus": 3, "gpus": 1}),
            (first + day, first + day + timedelta(seconds=1), {"user": "news", "cpus": 64}),
            # An hour that Berlin's clocks show twice, or not at all: 4001 s each.
            (fold, fold + timedelta(seconds=4001), {"user": "games", "cpus": 2}),
            (gap, gap + timedelta(seconds=4001), {"user": "games", "cpus": 2}),
        ]
        return [
            Row(PUT_FIRST + place, start, until, **options)  # type: ignore[arg-type]
            for place, (start, until, options) in enumerate(spans)
        ]

    def _other_cluster(self) -> Row:
        """The same job id, at the same second, on the cluster beside."""
        first = local_midnight(self.first, ZoneInfo("UTC"))
        return Row(PUT_FIRST, first - timedelta(days=2), first, node="b1")
