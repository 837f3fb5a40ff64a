"""The demo's usage: made, written as files, and imported like anybody's."""

import io
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

from django.conf import settings

from core.intervals import local_midnight, month_start, next_month
from core.site import site_zone
from hpcbilling import workflows
from hpcbilling.demo.accounts import CLUSTERS, DEMO, LEGACY_ACCOUNT
from hpcbilling.demo.generator import Span, Workload, ended_between, snapshot, table, usage
from hpcbilling.demo.recordings import Row
from usage.models import Cluster, ImportRun

SEED = 20_2611
SNAPSHOT_AGE = timedelta(hours=8)
"""How long before the demo's making the big files were written; what ended since is in the drop
folders, for `manage.py pull` or the night."""

CHANGED = "pi_niran"
"""Whose job changes after it was billed, once somebody imports `changed.psv`."""

HELD_ON = "demo25"
"""The cluster with an incomplete file."""

WORKLOADS = {
    "demo": (
        Workload("pi_suda", ("somchai", "suda", "malee", "prasert"), 13, 3.5),
        Workload("pi_niran", ("anan", "niran", "prasert"), 7, 6.0, gpu_share=0.02),
        Workload("pi_wichai", ("kanya", "wichai", "prasert"), 9, 5.0, gpu_share=0.05),
        Workload("pi_kamon", ("kamon", "anan"), 2, 4.0),
        Workload("", ("prasert",), 1, 1.5),
        Workload(LEGACY_ACCOUNT[0], ("kanya",), 2, 4.0, days=(400, 45)),
        Workload("workshop26", ("anan", "malee"), 4, 0.5, days=(19, 6)),
        Workload("eg_robots", ("kanya", "prasert"), 1, 2.0),
    ),
    "demo25": (
        Workload("pi_suda", ("suda", "malee"), 4, 4.0, gpu_share=0.7),
        Workload("pi_apinya", ("apinya", "malee"), 8, 3.0, gpu_share=0.6),
        Workload("siamseed", ("darin",), 3, 2.5),
    ),
}
"""By cluster. `workshop26` is no project's account, and `pi_kamon` has no tier: both queue up."""


class Usage:
    """The rows of the demo, which follow from the moment of its making alone."""

    def __init__(self, made_at: datetime, *, density: float = 1.0) -> None:
        self.zone = site_zone()
        self.made_at = made_at
        self.snapshot_at = made_at - SNAPSHOT_AGE
        self._density = density

    @cached_property
    def months(self) -> tuple[date, date, date]:
        """The first days of the three calendar months before the current one."""
        last = month_start(month_start(self.made_at.astimezone(self.zone).date()) - timedelta(1))
        before = month_start(last - timedelta(1))
        return month_start(before - timedelta(1)), before, last

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """All rows by cluster, those that end after the demo's making included."""
        span = Span(self.months[0], self.snapshot_at, self.zone)
        return {
            name: usage(
                cluster=name,
                version=version,
                workloads=[_thinner(item, self._density) for item in WORKLOADS[name]],
                span=span,
                seed=SEED,
            )
            for name, version in CLUSTERS.items()
        }

    def history(self, cluster: str) -> bytes:
        """Return the big file of a cluster, but for the jobs of the incomplete file."""
        rows = snapshot(self.rows[cluster], self.snapshot_at)
        held = {id(row) for row in self._late()} if cluster == HELD_ON else set()
        return table([row for row in rows if id(row) not in held])

    def incomplete(self) -> bytes:
        """Return a small file whose one bad row keeps the others waiting for a person's word.

        A clock that ran backwards while the job ran: it ends before it starts.
        """
        rows = [dict(row) for row in self._late()]
        bad = next(row for row in rows if int(row["ElapsedRaw"]) > 60)
        bad["End"] = str(int(bad["Start"]) - 60)
        return table(rows)

    def update(self, cluster: str) -> list[Row]:
        """Return the rows of jobs that were still running when the big file was written."""
        return ended_between(self.rows[cluster], self.snapshot_at, self.made_at)

    def changed(self) -> list[Row]:
        """Return a long job of the last month as if Slurm had counted half of its CPUs since."""
        return [halved(self._by_size(CHANGED, self.months[2])[-1])]

    def recounted(self) -> list[Row]:
        """Return two jobs of months that are closed as if Slurm had counted half of their CPUs
        since: a large one, whose correction is a document by itself, and one of little worth, whose
        correction waits for the next run."""
        large = self._by_size("pi_wichai", self.months[0])[-1]
        small = self._by_size("pi_suda", self.months[1])
        return [halved(large), halved(small[len(small) // 3])]

    def _by_size(self, account: str, first: date) -> list[Row]:
        """Return the jobs of an account that ended well in a month with more than one CPU, the
        largest last."""
        start, end = (local_midnight(day, self.zone) for day in (first, next_month(first)))
        rows = ended_between(self.rows["demo"], start, end)
        mine = [
            row
            for row in rows
            if row["Account"] == account and row["State"] == "COMPLETED" and int(row["NCPUS"]) > 1
        ]
        return sorted(mine, key=lambda row: int(row["ElapsedRaw"]) * int(row["NCPUS"]))

    def _late(self) -> list[Row]:
        """Return a dozen jobs of the last days, to arrive in a file of their own."""
        ended = ended_between(
            self.rows[HELD_ON], self.snapshot_at - timedelta(days=7), self.snapshot_at
        )
        ran = [row for row in ended if row["State"] == "COMPLETED"]
        return ran[-12:]


def halved(row: Row) -> Row:
    """Return a row as if its job had had half of its CPUs."""
    half = str(max(1, int(row["NCPUS"]) // 2))
    tres = re.sub(r"\bcpu=\d+", f"cpu={half}", row["AllocTRES"])
    return {**row, "NCPUS": half, "AllocTRES": tres}


def _thinner(workload: Workload, density: float) -> Workload:
    return Workload(
        workload.account,
        workload.users,
        workload.per_day * density,
        workload.hours,
        workload.gpu_share,
        workload.days,
    )


def import_all(clusters: dict[str, Cluster], made: Usage, say: Callable[[str], None]) -> None:
    """Import each cluster's files, unless that was done; leave the newest in the drop folders."""
    for name, cluster in clusters.items():
        _import(cluster, f"{name}-history.psv", partial(made.history, name), say)
        folder = Path(settings.DROP_FOLDER_ROOT) / cluster.sources.get().place
        _drop(folder / f"{name}-update.psv", made.update(name))
    _import(clusters[HELD_ON], f"{HELD_ON}-extra.psv", made.incomplete, say)
    # In no cluster's folder: it is imported by whoever wants to see a correction.
    _drop(Path(settings.DROP_FOLDER_ROOT) / "changed.psv", made.changed())


def import_recounted(made: Usage) -> None:
    """Import what Slurm says otherwise by now of jobs that were billed, unless that was done."""
    cluster = Cluster.objects.get(name="demo")
    _import(
        cluster, "demo-recounted.psv", lambda: table(made.recounted()), lambda line: None,
        as_of=made.made_at,
    )  # fmt: skip


def _import(
    cluster: Cluster,
    origin: str,
    content: Callable[[], bytes],
    say: Callable[[str], None],
    as_of: datetime | None = None,
) -> None:
    ended = ImportRun.objects.filter(cluster=cluster, origin=origin, finished_at__isnull=False)
    if ended.exists():
        return
    say(f"Importing {origin}")
    workflows.import_usage(
        cluster=cluster, stream=io.BytesIO(content()), origin=origin, actor=DEMO, as_of=as_of
    )


def _drop(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if rows and not path.exists():
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(table(rows))
        unfinished.rename(path)
