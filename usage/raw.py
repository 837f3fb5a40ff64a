"""Walking a job back to the accounting row that it was read from."""

from usage.models import Job
from usage.services import reader_for


def raw_row(job: Job) -> str:
    """Return the row that a job was last read from, as it came; empty if it is not there.

    Reads the run's evidence from its beginning, so it takes longer for rows far down.
    """
    for row in reader_for(job.run):
        if row.line >= job.line:
            return row.raw if row.line == job.line else ""
    return ""
