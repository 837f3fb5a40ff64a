"""Reading prices and charges."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import Project, Split, Tier
from accounts.selectors import (
    Viewer,
    projects_borne_by,
    projects_managed_by,
    projects_of,
)
from core.bulk import any_of
from pricing.content import CHILDREN
from pricing.models import (
    Adjustment,
    Charge,
    ChargeKind,
    JobRating,
    OutageCredit,
    PriceList,
    Recheck,
    ReviewStatus,
)
from pricing.models.adjustments import RESOURCE
from usage.models import ImportRun, Job
from usage.selectors import free_jobs, on_accounts_of


def price_lists_at(moment: datetime, tier: Tier | None = None) -> QuerySet[PriceList]:
    """Return the published list in effect at a moment of each tier (or one), with all it says."""
    lists = PriceList.objects.filter(
        status=PriceList.Status.PUBLISHED, tier__isnull=False, effective_at__lte=moment
    ).order_by("tier__code", "-effective_at", "-revision")
    if tier is not None:
        lists = lists.filter(tier=tier)
    lists = lists.select_related("tier", "project", "user").prefetch_related(*CHILDREN)
    return lists.distinct("tier__code")


def negotiated_at(moment: datetime, project: Project) -> QuerySet[PriceList]:
    """Return the published list of a project's negotiated prices at a moment, if there is one."""
    lists = PriceList.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=moment),
        status=PriceList.Status.PUBLISHED,
        project=project,
        effective_at__lte=moment,
    ).order_by("-effective_at", "-revision")
    return lists.select_related("tier", "project", "user").prefetch_related(*CHILDREN)[:1]


def runs_to_rate() -> QuerySet[ImportRun]:
    """Return imports that are complete or released and whose jobs rating has not all looked at."""
    return ImportRun.objects.filter(status__in=ImportRun.IN_FORCE, rated=None).order_by("pk")


def unrated_jobs(run_id: int | None = None) -> QuerySet[Job]:
    """Return the ended jobs of an import (or of all in ``runs_to_rate``) that rating has not looked
    at as they are now, and that do not wait for that."""
    jobs = Job.objects.filter(end__isnull=False)
    if run_id is None:
        jobs = jobs.filter(run__in=runs_to_rate().order_by().values("pk"))
    else:
        jobs = jobs.filter(run=run_id)
    unlike = Q(rating=None) | Q(~Q(rating__job_revision=F("revision")), rating__due=False)
    return jobs.filter(unlike)


def due_ratings() -> QuerySet[JobRating]:
    """Return the ratings that are to be made anew as soon as no document is in the way."""
    return JobRating.objects.filter(due=True)


def jobs_to_rate() -> QuerySet[Job]:
    """Return the ended jobs that rating has something to do for; where it only has to look whether
    there is a price now, see ``unpriced``."""
    keys = unrated_jobs().values("pk").union(due_ratings().values("pk"))
    return free_jobs().filter(pk__in=keys)


class _Scope(NamedTuple):
    """What a change of prices, tiers or payers says of the jobs it touches, but for the project
    and the Slurm account: the span of their ends, the cluster, and whose they are."""

    starts_at: datetime | None
    ends_at: datetime | None
    cluster_id: int | None
    user_name: str

    def ratings(self) -> QuerySet[JobRating]:
        ratings = JobRating.objects.filter(due=False)
        if self.starts_at is not None:
            ratings = ratings.filter(job__end__gte=self.starts_at)
        if self.ends_at is not None:
            ratings = ratings.filter(job__end__lt=self.ends_at)
        if self.cluster_id is not None:
            ratings = ratings.filter(job__cluster=self.cluster_id)
        if self.user_name:
            ratings = ratings.filter(job__user_name=self.user_name)
        return ratings


def rechecked(changes: Iterable[Recheck]) -> Iterator[QuerySet[JobRating]]:
    """Yield the ratings that changes of prices, tiers and payers touch.

    Changes that differ in nothing but the project, or the Slurm account, are one set: a thousand
    new projects are looked for once, not a thousand times. Those that are due are left out: they
    are made anew by what holds then.
    """
    projects: dict[tuple[_Scope, str], set[int]] = defaultdict(set)
    accounts: dict[_Scope, set[str]] = defaultdict(set)
    for row in changes:
        scope = _Scope(row.starts_at, row.ends_at, row.cluster_id, row.user_name)
        if row.project_id is None:
            accounts[scope].add(row.account)
        else:
            projects[scope, row.account].add(row.project_id)
    for (scope, account), ids in projects.items():
        borne = projects_borne_by(ids).values_list("pk", flat=True)
        # By keys: with a subquery beside them, PostgreSQL reads all ratings.
        ratings = scope.ratings().filter(any_of("project_id", ids.union(borne)))
        yield ratings.filter(job__account=account) if account else ratings
    for scope, names in accounts.items():
        ratings = scope.ratings()
        if scope.cluster_id is None and not scope.user_name:
            ratings = ratings.filter(status=JobRating.Status.UNPRICED)
        # The empty name is all of them.
        yield ratings if "" in names else ratings.filter(job__account__in=names)


def live_charges(charges: QuerySet[Charge] | None = None) -> QuerySet[Charge]:
    """Return charges that are in force: neither reversals nor reversed.

    Asked as NOT EXISTS: a join whose other side is null looks to PostgreSQL as if it would leave
    one row, and sums over many jobs then take seconds.
    """
    base = Charge.objects.all() if charges is None else charges
    reversals = Charge.objects.filter(reverses=OuterRef("pk"))
    return base.filter(~Exists(reversals), reverses=None)


def live_charges_of_jobs(job_ids: Iterable[int]) -> dict[int, list[Charge]]:
    """Return the charges in force of some jobs, by job."""
    found: dict[int, list[Charge]] = defaultdict(list)
    for charge in live_charges().filter(any_of("job_id", job_ids)):
        if charge.job_id is not None:
            found[charge.job_id].append(charge)
    return found


def projects_charged(ratings: QuerySet[JobRating]) -> set[int]:
    """Return the projects that carry charges of some rated jobs: those of the jobs, and where their
    costs are split (or were) those that bear them."""
    rated = ratings.filter(project__isnull=False).order_by()
    projects = set(rated.values_list("project", flat=True).distinct())
    if Split.objects.filter(project__in=projects).exists():
        charges = Charge.objects.filter(job__in=ratings.values("pk"))
        projects |= set(charges.order_by().values_list("project", flat=True).distinct())
    return projects


def ratings_of(job_ids: Iterable[int]) -> dict[int, JobRating]:
    """Return the ratings of some jobs, by job."""
    return {rating.pk: rating for rating in JobRating.objects.filter(any_of("pk", job_ids))}


def unpriced() -> QuerySet[JobRating]:
    """Return the queue of jobs that could not be priced, oldest first."""
    rows = JobRating.objects.filter(status=JobRating.Status.UNPRICED)
    return rows.select_related("job", "job__cluster", "project").order_by("since")


def jobs_visible_to(user: Viewer) -> QuerySet[Job]:
    """Return the jobs that a person may see as a researcher: own jobs on any cluster, and all jobs
    of the projects that the person acts for, also where these pay for another one's job or for a
    share of it. A job that was not looked at yet, say because it runs, belongs to the project of
    its Slurm account.

    Staff rights don't count here; see ``jobs_readable_by``.
    """
    if not user.is_authenticated:
        return Job.objects.none()
    managed = projects_managed_by(user)
    paid = Charge.objects.filter(job=OuterRef("pk"), project__in=managed)
    jobs = Job.objects.filter(
        Q(user_name=user.get_username())
        | Q(rating__project__in=managed)
        | Q(on_accounts_of(managed), rating=None)
        | Q(Exists(paid), rating__project__in=projects_borne_by(managed))
    )
    return jobs.select_related("cluster", "rating__project")


def charges_visible_to(user: Viewer) -> QuerySet[Charge]:
    """Return the charges that a person may see as a researcher: those of own jobs, and all of the
    projects that the person acts for, also where a job was charged to another project later. Of a
    job that is paid for in shares, whoever has to do with one share doesn't see the others."""
    if not user.is_authenticated:
        return Charge.objects.none()
    charges = Charge.objects.filter(may_see_charges(user))
    return charges.select_related("project", "job__cluster")


def may_see_charges(user: Viewer, prefix: str = "") -> Q:
    """Return the condition of ``charges_visible_to``, over charges or what points at them."""
    if not user.is_authenticated:
        return Q(pk__in=())
    # Of an own job whose costs are split, the parts that other people's projects pay are theirs.
    ours = Q(**{f"{prefix}share": None}) | Q(**{f"{prefix}project__in": projects_of(user)})
    own = Q(ours, **{f"{prefix}job__user_name": user.get_username()})
    return own | Q(**{f"{prefix}project__in": projects_managed_by(user)})


def jobs_readable_by(user: Viewer) -> QuerySet[Job]:
    """Return all jobs to staff whose role sees them, else what ``jobs_visible_to`` returns."""
    if user.has_perm("usage.view_job"):
        return Job.objects.select_related("cluster", "rating__project")
    return jobs_visible_to(user)


def charges_readable_by(user: Viewer) -> QuerySet[Charge]:
    """Return all charges to staff whose role sees them, else what ``charges_visible_to`` does."""
    if user.has_perm("pricing.view_charge"):
        return Charge.objects.select_related("project", "job__cluster")
    return charges_visible_to(user)


def charge_of_adjustment(row: Adjustment) -> Charge | None:
    """Return the charge that an adjustment has in force, if there is one."""
    ours = Charge.objects.filter(
        project=row.project_id, job_end=row.at, kind=ChargeKind.MANUAL, resource=row.resource
    )
    return live_charges(ours).first()


def adjustment_of(resource: str) -> int | None:
    """Return the key of the adjustment that a charge or line is for, None if it is for none."""
    family, _, key = resource.partition(":")
    return int(key) if family == RESOURCE and key.isdecimal() else None


def texts_of(resources: Iterable[str]) -> dict[str, str]:
    """Return what is printed for charges made by hand, by resource; others are left out."""
    keys = [key for key in map(adjustment_of, resources) if key is not None]
    return {row.resource: row.text for row in Adjustment.objects.filter(pk__in=keys)}


def kinds_of(resources: Iterable[str]) -> dict[str, str]:
    """Return which kind of adjustment charges by hand are for, by resource."""
    keys = [key for key in map(adjustment_of, resources) if key is not None]
    return {row.resource: row.kind for row in Adjustment.objects.filter(pk__in=keys)}


def adjustments_waiting() -> QuerySet[Adjustment]:
    """Return the adjustments that wait for a second person, but for those of an outage, which are
    approved with it, and those that give back a part of a receipt, which are approved there."""
    waiting = Adjustment.objects.filter(status=ReviewStatus.SUBMITTED)
    return waiting.filter(credits_receipt_id=None)


def outages_waiting() -> QuerySet[OutageCredit]:
    """Return the outage credits that wait for a second person."""
    return OutageCredit.objects.filter(status=ReviewStatus.SUBMITTED)
