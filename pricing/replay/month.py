"""A month's replay: evidence file by file, then the counters."""

from collections.abc import Callable, Iterable
from datetime import date

from django.db.models import Exists, OuterRef

from core.bulk import in_batches
from core.intervals import Interval
from core.intervals import month as month_of
from core.site import site_zone
from pricing.engine import Usage
from pricing.models import Charge, JobRating, RatingStatus
from pricing.replay.counters import replay_counters, replay_true_ups
from pricing.replay.found import Difference, Replayed
from pricing.replay.jobs import Books, JobReplay, charges_of
from pricing.replay.rows import CHUNK, charged_jobs, compare_job, read_again, runs_of, usage_of
from pricing.selectors import ratings_of
from usage.models import Cluster, Job


def replay_month(
    day: date,
    *,
    cluster: Cluster | None = None,
    tell: Callable[[Difference], None],
    looked_at: Callable[[int], None] = lambda jobs: None,
) -> Replayed:
    """Compute every charge of jobs that ended in a day's month anew, and tell what differs.

    ``looked_at`` is told how many jobs were looked at so far. Memory does not grow with the jobs,
    but with those that changed after they had been imported. Counters and true-ups are of projects,
    so all of the month's are walked, whatever the cluster.
    """
    month = month_of(day, site_zone())
    found = Replayed(tell)
    projects = Charge.objects.filter(job_end__gte=month.start, job_end__lt=month.end)
    books = Books(projects.order_by().values_list("project", flat=True).distinct())
    _Jobs(month, cluster, books, found, looked_at).replay()
    replay_counters(month, books, found)
    replay_true_ups(month, books, found)
    return found


class _Jobs:
    """Goes through the month's jobs by where their rows stand."""

    def __init__(
        self,
        month: Interval,
        cluster: Cluster | None,
        books: Books,
        found: Replayed,
        looked_at: Callable[[int], None],
    ) -> None:
        self._month = month
        self._cluster = cluster
        self._jobs = charged_jobs(month, cluster)
        self._replay = JobReplay(books, found)
        self._found = found
        self._looked_at = looked_at
        # Of jobs that changed: what they say now, and what they said before.
        self._changed: dict[int, list[tuple[int, Usage]]] = {}

    def replay(self) -> None:
        for run in runs_of(self._jobs):
            for batch in in_batches(read_again(run, self._jobs, self._found), CHUNK):
                whole: list[tuple[Job, list[Usage]]] = []
                for place, row in batch:
                    job, usage = place.job, usage_of(place, row)
                    if place.revision is None:
                        compare_job(job, row, self._found)
                    if job.revision == 1:
                        whole.append((job, [usage]))
                    else:
                        at = job.revision if place.revision is None else place.revision
                        self._changed.setdefault(job.pk, []).append((at, usage))
                self._compare(whole)
        for keys in in_batches(list(self._changed), CHUNK):
            jobs = Job.objects.filter(pk__in=keys).select_related("cluster")
            self._compare([(job, self._latest_first(job.pk)) for job in jobs])
        self._uncharged()

    def _latest_first(self, job_id: int) -> list[Usage]:
        found = sorted(self._changed[job_id], key=lambda pair: -pair[0])
        return [usage for _revision, usage in found]

    def _compare(self, jobs: Iterable[tuple[Job, list[Usage]]]) -> None:
        pairs = list(jobs)
        keys = [job.pk for job, _usages in pairs]
        charges, ratings = charges_of(keys), ratings_of(keys)
        for job, usages in pairs:
            self._replay.replay(job, usages, charges.get(job.pk, ()), ratings.get(job.pk))
        self._looked_at(self._found.jobs)

    def _uncharged(self) -> None:
        """Tell the jobs of the month that are rated and have no charges at all."""
        ended = JobRating.objects.filter(
            job__end__gte=self._month.start,
            job__end__lt=self._month.end,
            status=RatingStatus.RATED,
            due=False,
        )
        if self._cluster is not None:
            ended = ended.filter(job__cluster=self._cluster)
        bare = ended.filter(~Exists(Charge.objects.filter(job=OuterRef("job"))))
        for rating in bare.select_related("job__cluster").order_by("pk").iterator(CHUNK):
            self._found.about = str(rating.job)
            self._found.compare("charges", "none", "rated")
