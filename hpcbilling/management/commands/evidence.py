"""``manage.py evidence JOB``: the raw accounting row of a job, from the stored original."""

import json
import re
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q, QuerySet

from hpcbilling.command_line import FAILED, USAGE
from usage.models import Cluster, Job
from usage.raw import Origin, is_whole, origins, row_at, step_rows

_NAMED = re.compile(r"(?P<cluster>[^:@]+):(?P<job>[^@]+)(?:@(?P<submit>.+))?")
SHOWN_ATTEMPTS = 20


class Command(BaseCommand):
    """Exit codes: 0 the row is there and its evidence is as it came, 1 it is not, 2 used wrongly:
    there is no such job, or several attempts of it."""

    help = (
        "Print the raw accounting row of a job from the stored original, where it came from, and"
        " whether the original still has its digest. Exit codes: 0 it has, 1 it is damaged or the"
        " row is not in it, 2 there is no such job."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "job",
            metavar="JOB",
            help="CLUSTER:JOBID, CLUSTER:JOBID@SUBMIT (ISO or Unix time) where an id was used"
            " again, or the number of the job in this database",
        )
        parser.add_argument(
            "--revision", type=int, help="an earlier revision of the job (default: the last one)"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        known = origins(_found(options["job"]))
        asked = options["revision"] or known[0].revision
        origin = next((item for item in known if item.revision == asked), None)
        if origin is None:
            numbers = ", ".join(str(item.revision) for item in known)
            raise CommandError(
                f"The job has no such revision (known: {numbers}).", returncode=USAGE
            )
        raw = row_at(origin.evidence, offset=origin.offset, size=origin.size)
        whole = is_whole(origin.evidence)
        if options["json"]:
            self.stdout.write(json.dumps(_told(origin, raw, whole), ensure_ascii=False))
        else:
            self._print(origin, raw, whole=whole)
        if not whole:
            raise CommandError(
                "The stored evidence does not match its digest: it was changed behind the"
                " application. Restore it from a backup.",
                returncode=FAILED,
            )
        if not raw:
            raise CommandError("The evidence has no such row.", returncode=FAILED)

    def _print(self, origin: Origin, raw: str, *, whole: bool) -> None:
        job, run, evidence = origin.job, origin.run, origin.evidence
        digest = "matches" if whole else "DOES NOT MATCH"
        end = origin.offset + origin.size
        lines = (
            ("Job", f"{job} (raw id {job.job_id}, submitted {_time(job.submit)})"),
            ("Revision", f"{origin.revision} of {job.revision}"),
            ("Run", f"#{run.pk}, {run.get_status_display()}, began {_time(run.created_at)}"),
            ("Source", f"{run.origin} (times without zone: {run.time_zone})"),
            ("Position", f"line {origin.line}, bytes {origin.offset}-{end}"),
            ("Evidence", f"{evidence.size_bytes:,} bytes, received {_time(evidence.received_at)}"),
            ("SHA-256", f"{evidence.sha256} ({digest})"),
        )
        for name, text in lines:
            self.stdout.write(f"{name:<9} {text}")
        self.stdout.write("")
        self.stdout.write("\n".join((raw, *step_rows(origin))))


def _found(text: str) -> Job:
    """Return the job that is meant. Raises CommandError (2)."""
    jobs = _jobs(text).select_related("cluster", "run__evidence").order_by("submit")
    found = list(jobs[: SHOWN_ATTEMPTS + 1])
    if not found:
        raise CommandError(f"There is no job “{text}”.", returncode=USAGE)
    if len(found) > 1:
        attempts = ", ".join(f"{job}@{_time(job.submit)}" for job in found[:SHOWN_ATTEMPTS])
        raise CommandError(f"There are several of “{text}”: {attempts}.", returncode=USAGE)
    return found[0]


def _jobs(text: str) -> QuerySet[Job]:
    if text.isascii() and text.isdigit():
        return Job.objects.filter(pk=int(text))
    named = _NAMED.fullmatch(text)
    if named is None:
        raise CommandError(
            f"“{text}” is neither CLUSTER:JOBID nor the number of a job here.", returncode=USAGE
        )
    name, job_id = named["cluster"], named["job"]
    shown = Q(display_id=job_id)
    raw = Q(job_id=int(job_id)) if job_id.isascii() and job_id.isdigit() else Q()
    # Slurm's name of a cluster leads to it too, unless another cluster has that name here.
    known = Cluster.objects.filter(name=name) or Cluster.objects.filter(slurm_name=name)
    jobs = Job.objects.filter(raw or shown, cluster__in=known)
    return jobs.filter(submit=_moment(named["submit"])) if named["submit"] else jobs


def _moment(text: str) -> datetime:
    try:
        if text.isascii() and text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise CommandError(f"“{text}” is not a time.", returncode=USAGE) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _told(origin: Origin, raw: str, whole: bool) -> dict[str, Any]:
    job, run, evidence = origin.job, origin.run, origin.evidence
    return {
        "job": job.pk,
        "cluster": job.cluster.name,
        "job_id": job.job_id,
        "display_id": job.display_id,
        "submit": _time(job.submit),
        "revision": origin.revision,
        "run": run.pk,
        "run_status": str(run.status),
        "read_at": _time(run.created_at),
        "source": run.origin,
        "time_zone": run.time_zone,
        "line": origin.line,
        "offset": origin.offset,
        "size": origin.size,
        "sha256": evidence.sha256,
        "size_bytes": evidence.size_bytes,
        "received_at": _time(evidence.received_at),
        "intact": whole,
        "raw": raw,
        "steps": step_rows(origin),
    }
