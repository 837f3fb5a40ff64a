"""One batch of parsed rows: sorted into jobs, steps and bad ones; its jobs are added or merged, and
all are counted."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice

from usage import adding, staging
from usage.merge import Merged, merge, survey
from usage.models import ImportRun
from usage.normalise import JobRow
from usage.reasons import Reason
from usage.sources.sacct import Parsed


@dataclass(slots=True)
class Tally:
    """How the rows of a batch were used; their sum is the number of rows."""

    jobs_new: int = 0
    jobs_changed: int = 0
    jobs_unchanged: int = 0
    steps: int = 0
    quarantined: int = 0
    jobs_older: int = 0
    """Of the unchanged: what a later input had told otherwise."""

    def as_counts(self) -> dict[str, int]:
        """Return the counts by column of the import run, with their sum as ``rows_read``."""
        counts = asdict(self)
        return {"rows_read": sum(counts.values()) - self.jobs_older, **counts}

    def add(self, other: "Tally") -> None:
        """Add the counts of a further batch."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


_NOTHING = Merged(0, 0, 0, 0)
_KNOWN_AT_ONCE = 10
"""So many times as many rows that are known may be in a batch: each takes a tenth of the time."""


@dataclass(slots=True)
class Batch:
    """Rows ready to be staged. Of a job row only its line for COPY is kept in memory.

    A job stands in an input once. A further row that says something else of it is bad: in text,
    a name with a line feed may hold a forged row (rows of other batches: see ``usage.clashes``).
    With a ``beginning`` none of the jobs is expected to be known, and they are ``new``: lines for
    ``usage.adding``, in its order once the batch is closed. ``broken_off``: what comes after
    these rows can't be read.
    """

    beginning: bytes = b""
    broken_off: bool = False
    lines: list[str] = field(default_factory=list)
    new: list[bytes] = field(default_factory=list)
    bad: list[Parsed] = field(default_factory=list)
    steps: int = 0
    repeated: int = 0
    """Rows that say of a job what is stored, or what a row before them in the batch had said."""
    recognised: bool = False
    """Whether some were not interpreted: nothing then tells that others contradict them."""
    _said: dict[tuple[int, int], str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines) + len(self.new) + len(self.bad) + self.steps + self.repeated

    def take(self, rows: Iterator[Parsed], most: int) -> bool:
        """Take up to ``most`` rows in; returns whether there were any. Of those that are not even
        interpreted it takes more: they are counted only."""
        for row in islice(rows, most):
            if (job := row.job) is not None:
                self._take_job(row, job)
            elif row.kind == "same":
                self.repeated += row.rows
                self.recognised = True
                if self.repeated >= _KNOWN_AT_ONCE * most:
                    break
            elif row.kind == "step":
                self.steps += 1
            else:
                self.bad.append(row)
        return bool(len(self))

    def _take_job(self, row: Parsed, job: JobRow) -> None:
        before = self._said.setdefault((job.job_id, job.submit_at), job.fingerprint)
        if len(self._said) > len(self.lines) + len(self.new):
            if self.beginning:
                self.new.append(adding.line_of(self.beginning, row, job))
            else:
                self.lines.append(staging.line_of(row, job))
        elif before == job.fingerprint:
            self.repeated += 1
        else:
            self.bad.append(clash(row))

    def close(self) -> "Batch":
        """Put the new jobs in the order of their identity and forget what only further rows would
        need; returns itself."""
        if self.new:
            self.new = adding.in_order(self._said, self.new)
        self._said.clear()
        return self

    def tally(self, merged: Merged) -> Tally:
        """Return the counts of the batch, given what became of its jobs."""
        return Tally(
            jobs_new=merged.new,
            jobs_changed=merged.changed,
            jobs_unchanged=merged.unchanged + self.repeated,
            steps=self.steps,
            quarantined=len(self.bad),
            jobs_older=merged.older,
        )


def clash(row: Parsed) -> Parsed:
    """Return the row of a job as a bad one: the input says something else of the same job."""
    return row._replace(
        kind="bad",
        job=None,
        reason=Reason.IDENTITY_CLASH.value,
        detail="the job is there twice",
    )


def write_batch(run: ImportRun, batch: Batch, *, looked: bool) -> Tally:
    """Write a closed batch within the caller's transaction and tell how each row was used.

    ``looked`` says whether the whole input was looked over: see ``usage.merge.merge``. Raises
    ``adding.KnownAfterAll``.
    """
    if batch.new:
        adding.add(batch.new)
        return batch.tally(Merged(len(batch.new), 0, 0, 0))
    if not batch.lines:
        return batch.tally(_NOTHING)
    with staging.staged(batch.lines):
        return batch.tally(merge(run, len(batch.lines), looked=looked))


def classify(run: ImportRun, batch: Batch) -> Tally:
    """Tell how the rows of a batch would be used, within a transaction that writes nothing else."""
    if not batch.lines:
        return batch.tally(_NOTHING)
    with staging.staged(batch.lines):
        return batch.tally(survey(run))
