"""The raw rows of a month's charged jobs, read again from the evidence, in constant memory."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from django.db.models import QuerySet

from core.intervals import Interval
from pricing.engine import Usage
from pricing.models import Charge
from pricing.replay.found import Difference, Replayed
from usage.evidence import EvidenceDamaged, blocks
from usage.intake import reader_for
from usage.models import Cluster, ImportRun, Job, JobRevision
from usage.normalise import JobRow
from usage.reasons import FileRefused
from usage.sources.sacct import Parsed
from usage.used import Used

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row of a job stands; ``revision`` is None for what the job says now."""

    offset: int
    job: Job
    revision: int | None = None


def charged_jobs(month: Interval, cluster: Cluster | None) -> QuerySet[Job]:
    """Return the jobs that have charges of a month, whatever became of these."""
    charges = Charge.objects.filter(
        job_end__gte=month.start, job_end__lt=month.end, job__isnull=False
    )
    jobs = Job.objects.filter(pk__in=charges.order_by().values("job"))
    return jobs if cluster is None else jobs.filter(cluster=cluster)


def runs_of(jobs: QuerySet[Job]) -> QuerySet[ImportRun]:
    """Return the imports that what some jobs say, or said once, came with."""
    now = jobs.order_by().values("run")
    then = JobRevision.objects.filter(job__in=jobs).order_by().values("run")
    runs = ImportRun.objects.filter(pk__in=now) | ImportRun.objects.filter(pk__in=then)
    return runs.select_related("cluster", "evidence").order_by("pk")


def read_again(
    run: ImportRun, jobs: QuerySet[Job], found: Replayed
) -> Iterator[tuple[Place, JobRow]]:
    """Yield the jobs that an import wrote with what their rows say, in the order of its input.

    Tells what can't be found again: the evidence is damaged, or no row of the job stands there.
    """
    found.about = f"import #{run.pk}"
    try:
        for _block in blocks(run.evidence):
            pass
    except EvidenceDamaged as error:
        found.add(Difference(found.about, 0, "evidence", run.evidence.sha256, str(error)))
        return
    try:
        rows = (row for row in reader_for(run) if row.job is not None)
        row: Parsed | None = None
        for place in _places(run, jobs):
            while row is None or row.offset < place.offset:
                row = next(rows, None)
                if row is None:
                    break
            if row is None or row.offset != place.offset or row.job is None:
                found.about = str(place.job)
                found.compare("row", f"import #{run.pk} at byte {place.offset}", None)
                continue
            yield place, row.job
    except FileRefused as error:
        found.about = f"import #{run.pk}"
        found.add(Difference(found.about, 0, "evidence", "readable", str(error)))


def _places(run: ImportRun, jobs: QuerySet[Job]) -> Iterator[Place]:
    now = jobs.filter(run=run).select_related("cluster").order_by("raw_offset", "pk")
    then = (
        JobRevision.objects.filter(run=run, job__in=jobs)
        .select_related("job__cluster")
        .order_by("raw_offset", "pk")
    )
    return heapq.merge(
        (Place(job.raw_offset, job) for job in now.iterator(CHUNK)),
        (Place(row.raw_offset, row.job, row.revision) for row in then.iterator(CHUNK)),
        key=lambda place: place.offset,
    )


def usage_of(place: Place, row: JobRow) -> Usage:
    """Return what a row says that quantities depend on. What its source does not have was taken
    from an earlier row, and so is taken from the job."""
    whole = filled(place.job, row)
    return Usage(
        cluster_id=place.job.cluster_id,
        partition=whole.partition,
        qos=whole.qos,
        state=whole.state,
        elapsed_seconds=whole.elapsed_seconds,
        suspended_seconds=whole.suspended_seconds,
        tres=whole.tres_canonical,
        req_tres=whole.req_tres,
        used_cpu_seconds=whole.used_cpu_seconds,
        used_mem_mib_seconds=whole.used_mem_mib_seconds,
        energy_joules=whole.energy_joules,
    )


def filled(job: Job, row: JobRow) -> JobRow:
    return row.filled(
        partition=job.partition,
        qos=job.qos,
        suspended_seconds=job.suspended_seconds,
        req_tres=job.req_tres,
        reservation=job.reservation,
        used=Used(job.used_cpu_seconds, job.used_mem_mib_seconds),
        energy_joules=job.energy_joules,
    )


def compare_job(job: Job, row: JobRow, found: Replayed) -> None:
    """Tell where a job is stored otherwise than its row says, as far as prices depend on it."""
    whole = filled(job, row)
    found.about = str(job)
    pairs = (
        ("job_id", job.job_id, whole.job_id),
        ("submit", job.submit, whole.submit.astimezone(UTC)),
        ("user", job.user_name, whole.user),
        ("account", job.account, whole.account),
        ("partition", job.partition, whole.partition),
        ("qos", job.qos, whole.qos),
        ("state", job.state, whole.state),
        ("end", job.end, whole.end),
        ("elapsed_seconds", job.elapsed_seconds, whole.elapsed_seconds),
        ("suspended_seconds", job.suspended_seconds, whole.suspended_seconds),
        ("tres", job.tres, whole.tres_canonical),
        ("req_tres", job.req_tres, whole.req_tres),
        ("cpu_seconds", job.cpu_seconds, whole.cpu_seconds),
        ("gpu_seconds", job.gpu_seconds, whole.gpu_seconds),
        ("mem_mib_seconds", job.mem_mib_seconds, whole.mem_mib_seconds),
        ("node_seconds", job.node_seconds, whole.node_seconds),
        ("used_cpu_seconds", job.used_cpu_seconds, whole.used_cpu_seconds),
        ("used_mem_mib_seconds", job.used_mem_mib_seconds, whole.used_mem_mib_seconds),
        ("energy_joules", job.energy_joules, whole.energy_joules),
        ("estimated", job.estimated, whole.estimated),
    )
    for name, stored, computed in pairs:
        found.compare(f"job.{name}", stored, computed)
