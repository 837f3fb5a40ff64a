"""One batch of parsed rows: sorted into jobs, steps and bad ones, staged, merged and counted."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from usage import staging
from usage.merge import Merged, merge, survey
from usage.models import ImportRun
from usage.normalise import JobRow
from usage.sources.sacct import Parsed


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


Said = tuple[int, str, tuple[str, ...]]
"""What a job's last row in the batch was: its turn, its fingerprint, and what it left out."""


@dataclass(slots=True)
class Batch:
    """Rows ready to be staged. Of a job row only its line for COPY is kept in memory."""

    lines: list[str] = field(default_factory=list)
    bad: list[Parsed] = field(default_factory=list)
    steps: int = 0
    repeated: int = 0
    """Rows that say of a job what a row before them in the batch had said."""
    turns: int = 0
    _said: dict[tuple[int, datetime], Said] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines) + len(self.bad) + self.steps + self.repeated

    def take(self, rows: Iterable[Parsed]) -> bool:
        """Take rows in; returns whether there were any."""
        for row in rows:
            job = row.job
            if job is not None:
                self._take_job(row, job)
            elif row.kind == "step":
                self.steps += 1
            else:
                self.bad.append(row)
        return bool(len(self))

    def _take_job(self, row: Parsed, job: JobRow) -> None:
        key, turn = (job.job_id, job.submit), 0
        before = self._said.get(key)
        if before is not None:
            turn, fingerprint, absent = before
            if (fingerprint, absent) == (job.fingerprint, job.absent):
                self.repeated += 1
                return
            turn += 1
        self._said[key] = turn, job.fingerprint, job.absent
        self.turns = max(self.turns, turn + 1)
        self.lines.append(staging.line_of(row, job, turn))

    def tally(self, merged: Iterable[Merged]) -> Tally:
        """Return the counts of the batch, given what became of each round of its jobs."""
        found = list(merged)
        return Tally(
            jobs_new=sum(each.new for each in found),
            jobs_changed=sum(each.changed for each in found),
            jobs_unchanged=sum(each.unchanged for each in found) + self.repeated,
            steps=self.steps,
            quarantined=len(self.bad),
        )


def write_batch(run: ImportRun, batch: Batch) -> Tally:
    """Write the jobs of a batch within the caller's transaction and tell how each row was used."""
    if not batch.lines:
        return batch.tally(())
    with staging.staged(batch.lines):
        return batch.tally([merge(run, turn=turn) for turn in range(batch.turns)])


def classify(run: ImportRun, batch: Batch) -> Tally:
    """Tell how the rows of a batch would be used, within a transaction that writes nothing else.

    The second and further rows of a job in the batch are compared with the job as it is stored.
    """
    if not batch.lines:
        return batch.tally(())
    with staging.staged(batch.lines):
        found = [survey(cluster_id=run.cluster_id, turn=turn) for turn in range(batch.turns)]
    later = (Merged(0, each.new + each.changed, each.unchanged) for each in found[1:])
    return batch.tally([found[0], *later])
