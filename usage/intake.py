"""Taking in the rows of an import: read ahead in one thread, written batch by batch in another.

Only the caller's thread has the database: it commits a batch while the next one is made.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F

from core import metrics
from core.actor import Actor
from core.ahead import Ahead
from core.bulk import insert_many
from usage import evidence as evidence_store
from usage.adding import KnownAfterAll, beginning_of
from usage.ages import find_ages
from usage.batches import Batch, Tally, write_batch
from usage.belonging import NotOurs, own_rows, settle
from usage.clashes import contradictions_found, looked_over, sorted_out
from usage.merge import Unlooked
from usage.models import ImportRun, Job
from usage.quarantine import quarantined
from usage.reasons import FileRefused
from usage.recognition import recogniser
from usage.runs import is_running
from usage.sources.formats import Reader, open_reader
from usage.sources.sacct import Parsed, SacctReader

Progress = Callable[[ImportRun], None]
S = ImportRun.Status


def reader_for(run: ImportRun, chunks: evidence_store.Chunks | None = None) -> Reader:
    """Return the reader of a run's evidence. ``now`` is the run's own time, so that a resumed run
    judges each row exactly as the first attempt did."""
    return open_reader(
        evidence_store.open_evidence(run.evidence, chunks),
        columns=run.columns or None,
        zone=ZoneInfo(run.time_zone),
        now=run.created_at.astimezone(UTC),
        knows_zone=run.time_zone == run.cluster.time_zone,
        cluster_names=(run.cluster.known_to_slurm_as,),
    )


def _recognising(run: ImportRun, ahead: Ahead[Batch], *, by_bytes: bool) -> Reader:
    chunks = evidence_store.Chunks(run.evidence, ahead.ask)
    ahead.before_each(chunks.fetch)
    reader = reader_for(run, chunks)
    if isinstance(reader, SacctReader) and by_bytes:
        known = recogniser(run)
        reader.recognise = lambda job_ids: ahead.asking(lambda: known(job_ids))
    return reader


def _open(
    run: ImportRun, actor: Actor, ahead: Ahead[Batch], *, by_bytes: bool
) -> tuple[Reader, Iterator[Parsed]]:
    """Return a run's reader and the rows that are still to be read, of which those that are known
    ``by_bytes`` are not interpreted. Raises FileRefused."""
    reader = _recognising(run, ahead, by_bytes=by_bytes)
    if run.rows_read:
        return reader, _after(reader, run.rows_read)
    try:
        return reader, own_rows(run.cluster, reader, lambda: reader_for(run))
    except NotOurs as misfit:
        settle(run, misfit, actor=actor)
        reader = _recognising(run, ahead, by_bytes=by_bytes)
        return reader, own_rows(run.cluster, reader, lambda: reader_for(run))


def _after(rows: Iterable[Parsed], passed: int) -> Iterator[Parsed]:
    """Yield what comes after so many rows."""
    rest = iter(rows)
    while passed > 0 and (row := next(rest, None)):
        passed -= row.rows
        if passed < 0:
            yield row._replace(rows=-passed)
    yield from rest


def read_batches(
    run: ImportRun, stack: ExitStack, *, actor: Actor, progress: Progress, batch_rows: int
) -> Reader:
    """Read the rest of a run's input; returns the reader, at its end.

    There are two reasons to begin once more, where the last committed batch ended. A job that was
    taken for new is known: then all are compared from there on. A known job is about to change:
    then the whole input is looked over first, and what was found lasts as long as ``stack``. An
    import of a known age that is gone on with is looked over at once: it may have been before, and
    what was found then is lost.
    """
    may_be_new, looked = True, bool(run.rows_read) and run.as_of is not None
    find_ages(run, reader_for)
    if looked:
        _look_over(run, stack)
    while True:
        try:
            writing = _Writing(run, progress, batch_rows, looked=looked, may_be_new=may_be_new)
            return writing.write(actor)
        except KnownAfterAll:
            may_be_new = False
        except Unlooked:
            _look_over(run, stack)
            looked = True


def _look_over(run: ImportRun, stack: ExitStack) -> None:
    latest = stack.enter_context(looked_over(reader_for(run)))
    run.as_of = run.as_of or latest or run.created_at
    ImportRun.objects.filter(pk=run.pk).update(as_of=run.as_of)


class _Writing:
    """One reading of a run's rows, from where it stands, and the writing of what they say."""

    def __init__(
        self, run: ImportRun, progress: Progress, batch_rows: int, *, looked: bool, may_be_new: bool
    ) -> None:
        self._run = run
        self._progress = progress
        self._batch_rows = batch_rows
        self._looked = looked
        self._beginning = beginning_of(run) if may_be_new else b""
        self._is_first = not Job.objects.filter(cluster=run.cluster_id).exists()

    def write(self, actor: Actor) -> Reader:
        """Commit the rows that are still to be read, batch by batch, while the next ones are read
        and made ready in another thread; returns the reader, at its end.

        Raises FileRefused, KnownAfterAll and Unlooked.
        """
        run, ahead = self._run, Ahead[Batch]()
        # A row that contradicts another one is told by its place, which known ones don't have.
        # Where no job is known there is nothing to ask for, and each question waits for a batch.
        by_bytes = not (self._is_first or (self._looked and contradictions_found()))
        reader, rows = _open(run, actor, ahead, by_bytes=by_bytes)
        if self._looked:
            rows = sorted_out(rows, ahead.ask)
        with ahead.making(lambda: self._batches(rows)) as batches:
            for batch in batches:
                _commit_batch(run, reader, batch, looked=self._looked or self._is_all(batch))
                self._progress(run)
        return reader

    def _is_all(self, batch: Batch) -> bool:
        """Whether a batch is all of an input of a known age, and all of it was interpreted: then it
        has shown its contradictions already."""
        is_short = len(batch) < self._batch_rows and not (batch.broken_off or batch.recognised)
        return is_short and not self._run.rows_read and self._run.as_of is not None

    def _batches(self, rows: Iterator[Parsed]) -> Iterator[Batch]:
        """Yield rows in batches, also what was read before the input became unreadable."""
        while True:
            batch = Batch(self._beginning if self._all_new() else b"")
            try:
                more = batch.take(rows, self._batch_rows)
            except FileRefused:
                batch.broken_off = True
                if batch:
                    yield batch.close()
                raise
            if not more:
                return
            yield batch.close()

    def _all_new(self) -> bool:
        """Whether all that came was new: then the next rows are most likely new, too."""
        run = self._run
        return not (run.jobs_changed or run.jobs_unchanged) and (run.jobs_new > 0 or self._is_first)


def _commit_batch(run: ImportRun, reader: Reader, batch: Batch, *, looked: bool) -> None:
    with transaction.atomic():
        tally = write_batch(run, batch, looked=looked)
        insert_many(quarantined(run, reader, batch.bad))
        changes = tally.as_counts()
        # Nobody else can have gone on with it, unless this one's lock was lost on the way.
        as_it_stood = ImportRun.objects.filter(pk=run.pk, rows_read=run.rows_read, status=S.RUNNING)
        if not as_it_stood.update(**{name: F(name) + count for name, count in changes.items()}):
            raise is_running()
    _add(run, changes)
    _count(tally)


def _add(run: ImportRun, changes: dict[str, int]) -> None:
    for name, count in changes.items():
        setattr(run, name, getattr(run, name) + count)


def _count(tally: Tally) -> None:
    for kind, rows in tally.as_counts().items():
        metrics.IMPORT_ROWS.labels(kind=kind).inc(rows)
