"""Jobs that stand in one input twice and say different things, far apart.

slurmdbd has each attempt of a job once. Text can have it twice if files were put together, or if a
job's name holds a line feed and a whole forged row: then nothing tells which of the two is real, so
the input waits for a person. (A forged row of a job that is nowhere else in the input can't be told
from a real one at all; it shows in the comparison with Slurm's own totals. Where users are not
trusted, take JSON, or leave free text such as JobName out.)

Within a batch of rows this is seen in passing. Across batches it matters only where the input
changed a job that was known: those jobs are few, and the input is read once more for them.
"""

from collections.abc import Iterable
from datetime import datetime

from usage.batches import clash
from usage.models import ImportRun, Job
from usage.sources.formats import Parsed

MOST_JOBS = 200_000
"""So many changed jobs are looked for; memory stays bounded."""


def clashing(
    run: ImportRun, rows: Iterable[Parsed], firsts: dict[tuple[int, datetime], Parsed] | None = None
) -> list[Parsed]:
    """Return, of a run's rows read once more, those that say something else of a job that the run
    changed than a row before them. Rows from while the job ran, after one from its end, are left:
    they change nothing. ``firsts`` is given the first row of each job so contradicted."""
    contradicted = {} if firsts is None else firsts
    changed = Job.objects.filter(run=run, revision__gt=1).values_list("job_id", "submit")
    wanted = set(changed[:MOST_JOBS])
    said: dict[tuple[int, datetime], Parsed] = {}
    found = []
    for row in rows if wanted else ():
        job = row.job
        if job is None or (job.job_id, job.submit) not in wanted:
            continue
        first = said.setdefault((job.job_id, job.submit), row)
        if first.job and first.job.fingerprint != job.fingerprint and job.end is not None:
            contradicted[job.job_id, job.submit] = first
            found.append(clash(row))
    return found
