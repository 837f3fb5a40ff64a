"""Reading usage: which project a job belongs to, and what waits for someone."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from django.db.models import Case, Exists, F, Max, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce

from accounts.models import Project
from core.bulk import any_of
from usage.models import AccountMapping, Cluster, ImportRun, Job

IS_FREE = Q(run__status__in=ImportRun.IN_FORCE)
"""Over jobs: the run that last wrote the job is complete or released, so it may be rated."""
IS_HELD = ~IS_FREE


class Payable(Protocol):
    """What of a job says who pays for it."""

    @property
    def cluster_id(self) -> int: ...
    @property
    def account(self) -> str: ...
    @property
    def user_name(self) -> str: ...


class ProjectBook:
    """Finds the projects of a batch of jobs with three queries.

    The order: the cluster's mapping of the Slurm account; the project whose code is the account;
    and for a job without an account, its user's personal project.
    """

    def __init__(self, jobs: Sequence[Payable]) -> None:
        accounts = {job.account for job in jobs if job.account}
        owners = {job.user_name for job in jobs if not job.account}
        self._mapped = {
            (row.cluster_id, row.account): row.project
            for row in AccountMapping.objects.filter(
                cluster_id__in={job.cluster_id for job in jobs}, account__in=accounts
            ).select_related("project")
        }
        rows = Project.objects.filter(Q(code__in=accounts) | Q(owner__username__in=owners))
        self._by_code = {row.code: row for row in rows}
        self._by_owner = {
            row.owner.username: row for row in rows.select_related("owner") if row.owner
        }

    def of(self, job: Payable) -> Project | None:
        """Return the project that pays for a job, or None."""
        if not job.account:
            return self._by_owner.get(job.user_name)
        mapped = self._mapped.get((job.cluster_id, job.account))
        return mapped or self._by_code.get(job.account)

    def all(self) -> Collection[Project]:
        """Return every project that may be found."""
        return {*self._mapped.values(), *self._by_code.values(), *self._by_owner.values()}


def free_jobs() -> QuerySet[Job]:
    """Return the jobs that have ended and are not held back, in a form that can be locked."""
    runs = ImportRun.objects.filter(status__in=ImportRun.IN_FORCE)
    return Job.objects.filter(end__isnull=False, run__in=runs.values("pk"))


def free_among(job_ids: Iterable[int]) -> QuerySet[Job]:
    """Return those of some jobs that ``free_jobs`` would return.

    The runs stand in a CASE, which PostgreSQL doesn't make a join of: it would read all jobs of
    their runs, and an import may be one run of a million.
    """
    runs = ImportRun.objects.filter(status__in=ImportRun.IN_FORCE)
    is_free = Case(When(run__in=runs.values("pk"), then=True), default=False)
    return Job.objects.filter(is_free, any_of("pk", job_ids), end__isnull=False)


def on_accounts_of(projects: QuerySet[Project]) -> Q:
    """Return the condition that a job's Slurm account is billed to one of some projects.

    The same rule as ProjectBook's, in SQL, for jobs that no rating has looked at yet. Jobs without
    an account are left out: they are their user's own.
    """
    mappings = AccountMapping.objects.filter(
        cluster=OuterRef("cluster"), account=OuterRef("account")
    )
    by_name = Q(account__in=projects.values("code")) & ~Exists(mappings)
    return Exists(mappings.filter(project__in=projects)) | by_name


def run_of_digest(cluster: Cluster, sha256: str) -> ImportRun | None:
    """Return the last import of an input by a cluster's own settings, whatever became of it, or
    None if it was never imported or given up before it began."""
    runs = ImportRun.objects.filter(
        cluster=cluster, evidence__sha256=sha256, columns=[], time_zone=cluster.time_zone
    )
    return runs.exclude(status=ImportRun.Status.CANCELLED).order_by("-pk").first()


def runs_waiting() -> QuerySet[ImportRun]:
    """Return incomplete runs whose jobs are held back until someone releases them or a complete
    import confirms them."""
    runs = ImportRun.objects.filter(
        Exists(Job.objects.filter(run=OuterRef("pk"))), status=ImportRun.Status.INCOMPLETE
    )
    return runs.select_related("cluster").order_by("created_at")


def last_imports() -> dict[str, datetime]:
    """Return when usage of each enabled cluster was last imported, by its name.

    For a cluster that never was, the time at which it was added.
    """
    read = Q(
        runs__status__in=(
            ImportRun.Status.COMPLETE,
            ImportRun.Status.INCOMPLETE,
            ImportRun.Status.RELEASED,
        )
    )
    clusters = Cluster.objects.filter(is_enabled=True).annotate(
        heard=Coalesce(Max("runs__finished_at", filter=read), F("created_at"))
    )
    return dict(clusters.values_list("name", "heard"))
