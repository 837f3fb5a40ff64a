"""What an import would do, found out without writing anything."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from usage.ages import latest_in
from usage.batches import Batch, Tally, classify
from usage.belonging import NotOurs, apply, own_rows, settlement
from usage.explanations import explain_refusal
from usage.intake import reader_for
from usage.models import Cluster, ImportRun
from usage.reasons import FileRefused
from usage.services import BATCH_ROWS, check_time_zone
from usage.sources.formats import Reader, open_reader
from usage.sources.sacct import Parsed

SHOWN_ROWS = 50
"""How many bad rows a preview holds; it counts all of them."""


@dataclass(slots=True)
class Preview:
    """How the rows of an input would be used, and what would be quarantined.

    ``error`` is why the whole input would be refused, else empty. A job that occurs twice in one
    input, far apart, is counted as new twice: nothing is written in between. ``all_read`` is false
    if looking stopped for want of time. Of a stream, which is read once, the age is not known: jobs
    that would be left as older count as changed.
    """

    tally: Tally = field(default_factory=Tally)
    truncated: bool = False
    error: str = ""
    error_code: str = ""
    bad: list[Parsed] = field(default_factory=list)
    all_read: bool = True

    @property
    def explanation(self) -> str:
        """Return why the input would be refused, in the reader's language; empty if it is not."""
        return explain_refusal(self.error_code) if self.error_code else ""

    @property
    def whole(self) -> bool:
        """Return whether the jobs would be rated at once, without anyone's release."""
        return not (self.error or self.truncated or self.tally.quarantined)


def preview_stream(
    *,
    cluster: Cluster,
    stream: Iterable[bytes] | BinaryIO,
    columns: Sequence[str] = (),
    time_zone: str = "",
) -> Preview:
    """Read an input that is not stored and tell what an import would do.

    ``cluster`` may be one that does not exist yet. Raises Invalid for an unknown time zone.
    """
    zone = time_zone or cluster.time_zone
    check_time_zone(zone)
    run = ImportRun(cluster=cluster, columns=list(columns), time_zone=zone)

    # A stream is read once, so a cluster's first input is taken as what it says it is.
    first = not (cluster.pk and cluster.jobs.exists())

    def reader() -> Reader:
        return open_reader(
            stream,
            columns=run.columns or None,
            zone=ZoneInfo(zone),
            now=timezone.now(),
            knows_zone=first or zone == cluster.time_zone,
            cluster_names=() if first else (cluster.known_to_slurm_as,),
        )

    return _preview(run, reader)


def preview_run(*, run_id: int, seconds: float = math.inf) -> Preview:
    """Read the stored input of a prepared import and tell what confirming it would do.

    After ``seconds`` it stops and tells of the rows read so far.
    """
    run = ImportRun.objects.select_related("cluster", "evidence").get(pk=run_id)
    if run.as_of is None and run.cluster.jobs.exists():
        run.as_of = _latest_told(run, time.monotonic() + seconds / 2)
    return _preview(run, lambda: reader_for(run), seconds)


def _latest_told(run: ImportRun, until: float) -> datetime | None:
    """Return the latest moment that an input tells, None if there was no time to find out."""

    def in_time() -> Iterator[Parsed]:
        for row in reader_for(run):
            yield row
            if row.line % BATCH_ROWS == 0 and time.monotonic() > until:
                raise TimeoutError

    try:
        return latest_in(in_time)
    except TimeoutError:
        return None


def _open(run: ImportRun, make_reader: Callable[[], Reader]) -> tuple[Reader, Iterator[Parsed]]:
    reader = make_reader()
    try:
        return reader, own_rows(run.cluster, reader)
    except NotOurs as misfit:
        apply(run.cluster, settlement(run.cluster, run.time_zone, misfit))
    reader = make_reader()
    return reader, own_rows(run.cluster, reader)


def _preview(
    run: ImportRun, make_reader: Callable[[], Reader], seconds: float = math.inf
) -> Preview:
    found, until = Preview(), time.monotonic() + seconds
    try:
        reader, rows = _open(run, make_reader)
        while (batch := Batch()).take(rows, BATCH_ROWS):
            with transaction.atomic():
                found.tally.add(classify(run, batch))
            found.bad += batch.bad[: SHOWN_ROWS - len(found.bad)]
            if time.monotonic() > until:
                found.all_read = next(rows, None) is None
                break
        found.truncated = reader.truncated
    except FileRefused as refusal:
        found.error, found.error_code = str(refusal), refusal.code
    return found
