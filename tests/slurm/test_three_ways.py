"""The same jobs by slurmrestd, by sacct and by file in every form, and read into three clusters."""

import gzip
import io
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from core.actor import Actor
from tests.slurm.months import PUT_FIRST, Months
from tests.slurm.packages import program
from tests.slurm.stack import MAIN, OTHER, Stack
from tests.usage.sources.recordings import completed
from usage.normalise import JobRow
from usage.sources.factory import make_source
from usage.sources.formats import open_reader

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("billing", "connections", "months")]

BY_TEST = Actor.system("slurm tests")
COLUMNS = (
    "JobIDRaw,JobID,User,Account,Partition,QOS,State,Submit,Start,End,ElapsedRaw,Suspended,NodeList,"
    "Reservation,ReqTRES,AllocTRES"
)
USED_COLUMNS = f"{COLUMNS},TotalCPU,AveRSS,NTasks,ConsumedEnergyRaw"
TELL_USE = (
    "slurmrestd with steps",
    "sacct with steps",
    "sacct -P with use",
    "sacct --json with steps",
)


def sacct(stack: Stack, months: Months, *options: str, **variables: str) -> bytes:
    start, end = (int(moment.timestamp()) for moment in (months.span.start, months.span.end))
    command = [program("sacct"), "-a", "-D", f"-Suts{start}", f"-Euts{end}", *options]
    return subprocess.run(
        command, env=stack.environment() | variables, check=True, capture_output=True
    ).stdout


def by_source(
    kind: str, place: str, months: Months, cluster: str = MAIN, *, reads_steps: bool = False
) -> bytes:
    with tempfile.TemporaryFile() as into:
        source = make_source(kind, place, slurm_name=cluster, reads_steps=reads_steps)
        source.fetch(months.span, into)
        into.seek(0)
        return into.read()


def table(stack: Stack, months: Months) -> bytes:
    return sacct(stack, months, "-X", "-P", "--noconvert", "-o", COLUMNS)


FORMS: dict[str, Callable[[Stack, Months], bytes]] = {
    "slurmrestd": lambda stack, months: by_source("slurmrestd", "rest", months),
    "slurmrestd by socket": lambda stack, months: by_source("slurmrestd", "socket", months),
    "slurmrestd with steps": lambda stack, months: by_source(
        "slurmrestd", "rest", months, reads_steps=True
    ),
    "sacct": lambda stack, months: by_source("sacct", "sacct", months),
    "sacct with steps": lambda stack, months: by_source("sacct", "sacct", months, reads_steps=True),
    "sacct -P": table,
    "sacct -P with steps": lambda stack, months: sacct(
        stack, months, "-P", "--noconvert", "-o", f"{COLUMNS},JobName"
    ),
    "sacct -P with use": lambda stack, months: sacct(
        stack, months, "-P", "--noconvert", "-o", f"{USED_COLUMNS},JobName"
    ),
    "sacct -P in Bangkok": lambda stack, months: sacct(
        stack, months, "-X", "-P", "-o", COLUMNS, TZ="Asia/Bangkok"
    ),
    "sacct --json": lambda stack, months: sacct(stack, months, "-X", "--json"),
    "sacct --json with steps": lambda stack, months: sacct(stack, months, "--json"),
    "gzip": lambda stack, months: gzip.compress(table(stack, months)),
    "zstd": lambda stack, months: (
        subprocess.run(
            [program("zstd"), "-q"], input=table(stack, months), check=True, capture_output=True
        ).stdout
    ),
}


def rows_of(content: bytes, zone: str = "UTC") -> Iterator[JobRow]:
    reader = open_reader(
        io.BytesIO(content),
        zone=ZoneInfo(zone),
        now=datetime.now(UTC),
        cluster_names=(MAIN,),
    )
    for parsed in reader:
        assert parsed.kind != "bad", (parsed.reason, parsed.detail, parsed.raw)
        if parsed.job is not None:
            yield parsed.job
    assert not reader.truncated


def known(job: JobRow) -> tuple[object, ...]:
    """What must be the same; of a job that still runs not how long it did when it was asked for."""
    if job.end is None:
        return job.job_id, job.submit, job.user, job.account, job.start, job.tres_canonical
    billed = job.state, job.cpu_seconds, job.gpu_seconds, job.mem_mib_seconds
    return job.fingerprint, job.used_cpu_seconds, job.used_mem_mib_seconds, *billed


@pytest.fixture(scope="module")
def reference(slurm: Stack, months: Months) -> dict[tuple[int, datetime], JobRow]:
    content = FORMS["sacct with steps"](slurm, months)
    return {(job.job_id, job.submit): job for job in rows_of(content)}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_jobs(
    form: str, slurm: Stack, months: Months, reference: dict[tuple[int, datetime], JobRow]
) -> None:
    zone = "Asia/Bangkok" if "Bangkok" in form else "UTC"
    found = list(rows_of(FORMS[form](slurm, months), zone))
    jobs = {(job.job_id, job.submit): job for job in found}
    assert len(jobs) == len(found)
    if form not in TELL_USE:
        assert {job.used_mem_mib_seconds for job in found} == {None}
        # What a form does not tell is no difference.
        jobs = {key: completed(job, reference[key]) for key, job in jobs.items()}
    assert {key: known(job) for key, job in jobs.items()} == {
        key: known(job) for key, job in reference.items()
    }


def test_another_cluster_behind_the_same_slurmdbd_is_another_cluster(months: Months) -> None:
    for kind, place in (("slurmrestd", "rest"), ("sacct", "sacct")):
        content = by_source(kind, place, months, OTHER)
        reader = open_reader(io.BytesIO(content), now=datetime.now(UTC), cluster_names=(OTHER,))
        jobs = [parsed.job for parsed in reader]
        assert None not in jobs
        # The same id, and even the same submit time, as a job of the first cluster.
        ours = {job.job_id for job in jobs if job}
        assert ours == {months.history.jobs["other_cluster"], PUT_FIRST}
