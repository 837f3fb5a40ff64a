"""Writing one batch of parsed rows: what is new, what changed, what is as it was."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

from core.bulk import insert_many
from core.locks import lock_rows
from usage.models import ImportRun, Job, JobRevision
from usage.normalise import JobRow
from usage.sources.sacct import Parsed

VALUE_FIELDS = (
    "display_id",
    "user_name",
    "account",
    "partition",
    "qos",
    "state",
    "name",
    "node_list",
    "start",
    "end",
    "elapsed_seconds",
    "suspended_seconds",
    "tres",
    "cpu_seconds",
    "gpu_seconds",
    "mem_mib_seconds",
    "node_seconds",
    "gpu_type_seconds",
    "estimated",
    "flags",
)
"""What a row says of a job, besides its identity."""

INCOMPLETE = ImportRun.Status.INCOMPLETE

_FIELD_OF = {"suspended": "suspended_seconds"}
"""The job's field for an optional field of a source, where the names differ."""

_WRITTEN = (*VALUE_FIELDS, "fingerprint", "revision", "run", "line")


@dataclass(slots=True)
class Tally:
    """How the rows of a batch were used; their sum is the number of rows."""

    jobs_new: int = 0
    jobs_changed: int = 0
    jobs_unchanged: int = 0
    steps: int = 0
    quarantined: int = 0

    def as_counts(self) -> dict[str, int]:
        """Return the counts by column of the import run, with their sum as ``rows_read``."""
        counts = asdict(self)
        return {"rows_read": sum(counts.values()), **counts}

    def add(self, other: "Tally") -> None:
        """Add the counts of a further batch."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


class _Same(NamedTuple):
    """A stored job that all rows of a batch leave as it is."""

    pk: int
    waits: bool
    """Whether it came from an incomplete run, so that seeing it again confirms it."""


def _compare(
    run: ImportRun, rows: Sequence[JobRow]
) -> tuple[dict[tuple[int, datetime], _Same], list[int]]:
    """Look up the jobs of some rows; returns those that stay as they are, and the keys of the rest
    that are stored.

    Only fingerprints are read: on most nights most rows are known, and a whole job is large.
    """
    said: dict[tuple[int, datetime], set[str]] = {}
    for row in rows:
        # What a source doesn't have is filled in from the job itself before it is compared.
        fingerprint = "" if row.absent else row.fingerprint
        said.setdefault((row.job_id, row.submit), set()).add(fingerprint)
    stored = Job.objects.filter(
        cluster_id=run.cluster_id, job_id__in={job_id for job_id, _ in said}
    ).values_list("job_id", "submit", "fingerprint", "pk", "run__status")
    same, suspects = {}, []
    for job_id, submit, known, pk, status in stored:
        rows_say = said.get((job_id, submit))
        if rows_say == {known}:
            same[job_id, submit] = _Same(pk, status == INCOMPLETE)
        elif rows_say is not None:
            suspects.append(pk)
    return same, suspects


class _Batch:
    """The jobs that a batch touches, each held once in memory however often it occurs."""

    def __init__(self, run: ImportRun, rows: Sequence[Parsed]) -> None:
        self.run = run
        self._same, suspects = _compare(run, [row.job for row in rows if row.job is not None])
        known = Job.objects.filter(pk__in=suspects).select_related("run")
        self.jobs = {(job.job_id, job.submit): job for job in known}
        self.new: list[Job] = []
        self.changed: dict[int, Job] = {}
        self.confirmed: dict[int, int] = {}
        self.revisions: list[JobRevision] = []

    def take(self, row: JobRow, line: int) -> str:
        """Take in one job row; returns the name of the count that it belongs to."""
        if same := self._same.get((row.job_id, row.submit)):
            if same.waits:
                self.confirmed[same.pk] = line
            return "jobs_unchanged"
        job = self.jobs.get((row.job_id, row.submit))
        if job is None:
            job = Job(cluster_id=self.run.cluster_id, job_id=row.job_id, submit=row.submit)
            self._fill(job, row, line)
            self.jobs[row.job_id, row.submit] = job
            self.new.append(job)
            return "jobs_new"
        if row.absent:
            row = row.filled(
                partition=job.partition, qos=job.qos, suspended_seconds=job.suspended_seconds
            )
        if says_nothing_new(job, row):
            if job.pk and job.run.status == INCOMPLETE:
                job.run, job.line = self.run, line
                self.confirmed[job.pk] = line
            return "jobs_unchanged"
        self._change(job, row, line)
        return "jobs_changed"

    def _change(self, job: Job, row: JobRow, line: int) -> None:
        if job.pk:
            self.revisions.append(earlier_revision(job))
            self.changed[job.pk] = job
        job.revision += 1 if job.pk else 0
        self._fill(job, row, line)

    def _fill(self, job: Job, row: JobRow, line: int) -> None:
        kept = {_FIELD_OF.get(name, name) for name in row.absent} if job.pk else set()
        for name, value in row_values(row).items():
            if name not in kept:
                setattr(job, name, value)
        job.fingerprint, job.run, job.line = row.fingerprint, self.run, line

    def write(self) -> None:
        """Write everything that was taken in; jobs that exist are locked in key order first, as
        rating locks them, so that the two wait for each other instead of deadlocking."""
        lock_rows(Job.objects.all(), *self.changed, *self.confirmed)
        insert_many(self.revisions)
        insert_many(self.new)
        # An upsert that never inserts: bulk_update's CASE for each field takes ten times as long.
        Job.objects.bulk_create(
            self.changed.values(),
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=_WRITTEN,
        )
        confirmed = [
            Job(pk=pk, run=self.run, line=line)
            for pk, line in self.confirmed.items()
            if pk not in self.changed
        ]
        Job.objects.bulk_update(confirmed, ("run", "line"), batch_size=500)


def write_batch(run: ImportRun, rows: Sequence[Parsed]) -> Tally:
    """Write the jobs of a batch within the caller's transaction and tell how each row was used."""
    batch, tally = _sort(run, rows)
    batch.write()
    return tally


def classify(run: ImportRun, rows: Sequence[Parsed]) -> Tally:
    """Tell how the rows of a batch would be used, without writing anything."""
    return _sort(run, rows)[1]


def _sort(run: ImportRun, rows: Sequence[Parsed]) -> tuple[_Batch, Tally]:
    batch, tally = _Batch(run, rows), Tally()
    for row in rows:
        if row.job is not None:
            count = batch.take(row.job, row.line)
        else:
            count = "steps" if row.kind == "step" else "quarantined"
        setattr(tally, count, getattr(tally, count) + 1)
    return batch, tally


def says_nothing_new(job: Job, row: JobRow) -> bool:
    """Whether a row leaves a stored job as it is.

    An estimate never replaces a figure of record, and a row from while the job ran never replaces
    one from after its end: both come from older or poorer sources, not from a change in Slurm.
    """
    if job.fingerprint == row.fingerprint:
        return True
    if row.estimated and not job.estimated:
        return True
    return row.end is None and job.end is not None


def earlier_revision(job: Job) -> JobRevision:
    """Return the stored values of a job as a revision to keep."""
    values = {name: getattr(job, name) for name in VALUE_FIELDS}
    values |= {name: values[name].isoformat() for name in ("start", "end") if values[name]}
    values["fingerprint"] = job.fingerprint
    return JobRevision(
        job=job, revision=job.revision, values=values, run_id=job.run_id, line=job.line
    )


def row_values(row: JobRow) -> dict[str, object]:
    """Return a parsed row as values of the job's fields."""
    return {
        "display_id": row.display_id[:64],
        "user_name": row.user[:128],
        "account": row.account[:128],
        "partition": row.partition[:255],
        "qos": row.qos[:128],
        "state": row.state[:32],
        "name": row.name[:1024],
        "node_list": row.node_list,
        "start": row.start,
        "end": row.end,
        "elapsed_seconds": row.elapsed_seconds,
        "suspended_seconds": row.suspended_seconds,
        "tres": {
            "cpu": row.tres.cpus,
            "mem_kib": row.tres.mem_kib,
            "gpu": row.tres.gpus,
            "node": row.tres.nodes,
            "gpu_types": dict(row.tres.gpu_types),
            "billing": row.tres.billing,
            "other": dict(row.tres.other),
        },
        "cpu_seconds": row.cpu_seconds,
        "gpu_seconds": row.gpu_seconds,
        "mem_mib_seconds": row.mem_mib_seconds,
        "node_seconds": row.node_seconds,
        "gpu_type_seconds": dict(row.gpu_type_seconds),
        "estimated": row.estimated,
        "flags": list(row.flags),
    }
