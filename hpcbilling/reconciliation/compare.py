"""Job by job in the database: what Slurm stated against what we have. In constant memory.

Both sides are seconds held within the window. Ours are shared out by the rule of
``usage.proration``; Slurm's come as they were stated. Who is in quarantine here is counted with
Slurm's figures: nobody else knows any.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import Case, Q, QuerySet

from core.intervals import Interval
from hpcbilling.reconciliation.causes import UNEXPLAINED
from insights.buckets import bucket
from usage.models import Cluster, Job, QuarantinedRow
from usage.proration import share
from usage.statements.rows import StatedJob

RESOURCES = ("cpu_seconds", "gpu_seconds", "mem_mib_seconds", "node_seconds")
QUARANTINED = "quarantined"
LISTED_JOBS = 1000
_JOB_ID = re.compile(r"(?<![0-9.])[0-9]{1,10}(?![0-9])")
MAX_IDS_OF_A_ROW = 64
QUARANTINE_BATCH = 500

_STATED = """
DROP TABLE IF EXISTS pg_temp.stated, pg_temp.in_quarantine, pg_temp.ours, pg_temp.compared;
CREATE TEMPORARY TABLE stated (
    job_id bigint, submit bigint, account text, user_name text, start bigint, "end" bigint,
    cpu_seconds bigint, gpu_seconds bigint, mem_mib_seconds bigint, node_seconds bigint,
    was_suspended boolean, cpu_held_seconds bigint
) ON COMMIT DROP;
CREATE TEMPORARY TABLE in_quarantine (job_id bigint, submit bigint) ON COMMIT DROP
"""

_OURS = """
SELECT id, job_id, submit, account, user_name, display_id, bucket, flags, estimated,
    suspended_seconds, start, "end", {shares}
FROM (
    SELECT held.*,
        greatest(0, least(length, %(since)s - start)) AS x0,
        greatest(0, least(length, %(until)s - start)) AS x1
    FROM (
        SELECT j.id, job_id, extract(epoch FROM submit)::bigint AS submit, account, user_name,
            display_id, standing.bucket, flags, estimated, suspended_seconds, {quantities},
            extract(epoch FROM start)::bigint AS start, extract(epoch FROM "end")::bigint AS "end",
            coalesce(extract(epoch FROM "end" - start)::bigint,
                     elapsed_seconds + suspended_seconds) AS length
        FROM usage_job j JOIN ({standing}) standing ON standing.id = j.id
    ) held
) placed
"""

# A row that could not be read may not even say when its job was submitted.
_QUARANTINED = (
    "EXISTS (SELECT FROM in_quarantine q WHERE q.job_id = t.job_id"
    " AND coalesce(q.submit, t.submit) = t.submit)"
)

# The first condition that holds is the cause. A job that lies in quarantine has no difference.
_CAUSE = """
CASE
    WHEN o.id IS NULL AND {quarantined} THEN ''
    WHEN o.id IS NULL AND %(windows)s AND NOT EXISTS (
        SELECT FROM usage_window w
        WHERE w.cluster_id = %(cluster)s AND w.status IN ('read', 'empty')
            AND w.start <= to_timestamp(coalesce(t."end", t.start))
            AND w."end" > to_timestamp(coalesce(t."end", t.start))
    ) THEN 'not_read'
    WHEN o.id IS NULL THEN 'missing'
    WHEN t.job_id IS NULL THEN 'gone'
    WHEN o."end" IS NULL AND t."end" IS NOT NULL THEN 'ended_since'
    WHEN o.flags ? 'resized' THEN 'resized'
    WHEN greatest(o.start, %(since)s) <> greatest(t.start, %(since)s)
        OR least(o."end", %(until)s) <> least(t."end", %(until)s) THEN 'changed_since'
    WHEN o.estimated THEN 'estimated'
    WHEN t.was_suspended OR o.suspended_seconds > 0 OR o.flags ? 'elapsed_short' THEN 'suspended'
    WHEN o."end" IS NULL THEN 'still_runs'
    ELSE 'unknown'
END
"""
_COMPARED = """
CREATE TEMPORARY TABLE compared ON COMMIT DROP AS
SELECT o.id, coalesce(o.job_id, t.job_id) AS job_id, coalesce(o.submit, t.submit) AS submit,
    coalesce(o.account, t.account) AS account, coalesce(o.user_name, t.user_name) AS user_name,
    coalesce(o.display_id, t.job_id::text) AS display_id,
    coalesce(o.bucket, CASE WHEN {quarantined} THEN 'quarantined' ELSE '' END) AS bucket,
    {cause} AS cause, {pairs}
FROM ours o FULL JOIN (SELECT DISTINCT ON (job_id, submit) * FROM stated) t
    ON o.job_id = t.job_id AND o.submit = t.submit
"""


@dataclass(slots=True)
class Compared:
    """The result of a comparison; see ``usage.models.Reconciliation`` for the shapes."""

    figures: dict[str, Any] = field(default_factory=dict)
    causes: dict[str, Any] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)
    jobs_stated: int = 0
    jobs_differing: int = 0
    unexplained: int = 0


def load(jobs: Iterable[StatedJob]) -> None:
    """Bring a statement into the transaction's own table. Whatever stops the iteration stops this,
    so that a statement is never compared that was not read whole."""
    with connection.cursor() as cursor:
        cursor.execute(_STATED)
        with cursor.copy("COPY stated FROM STDIN") as copy:
            for job in jobs:
                copy.write_row(
                    (
                        job.job_id, job.submit, job.account, job.user, job.start, job.end,
                        job.cpu_seconds, job.gpu_seconds, job.mem_mib_seconds, job.node_seconds,
                        job.was_suspended, job.cpu_held_seconds,
                    )
                )  # fmt: skip


def load_quarantine(rows: QuerySet[QuarantinedRow]) -> None:
    """Note which jobs lie in quarantine. A row whose identity could not be read is looked through
    for numbers: one that is the id of a job that Slurm states and we lack is that job's."""
    values = rows.values_list("job_id", "submit", "raw").iterator(chunk_size=QUARANTINE_BATCH)
    while batch := list(islice(values, QUARANTINE_BATCH)):
        # The connection does one thing at a time: no row is fetched while a COPY is open.
        found = {identity for row in batch for identity in _identities(*row)}
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY in_quarantine FROM STDIN") as copy,
        ):
            for identity in found:
                copy.write_row(identity)


def _identities(
    job_id: int | None, submit: datetime | None, raw: str
) -> Iterator[tuple[int, int | None]]:
    if job_id is not None and submit is not None:
        yield job_id, int(submit.timestamp())
        return
    for match in islice(_JOB_ID.finditer(raw), MAX_IDS_OF_A_ROW):
        yield int(match[0]), None


def compare(*, cluster: Cluster, window: Interval, has_windows: bool) -> Compared:
    """Compare what ``load`` brought in with the cluster's jobs; within the same transaction."""
    values = {
        "since": int(window.start.timestamp()),
        "until": int(window.end.timestamp()),
        "cluster": cluster.pk,
        "windows": has_windows,
    }
    pairs = ", ".join(
        f"coalesce(o.{name}, CASE WHEN {{kept}} THEN t.{name} END, 0) AS our_{name},"
        f" coalesce(t.{name}, 0) AS their_{name}"
        for name in RESOURCES
    ).format(kept=_QUARANTINED)
    with connection.cursor() as cursor:
        _make_ours(cluster, window, values)
        cursor.execute("ANALYZE stated, in_quarantine, ours")
        cause = _CAUSE.format(quarantined=_QUARANTINED)
        sql = _COMPARED.format(cause=cause, quarantined=_QUARANTINED, pairs=pairs)
        cursor.execute(sql, values)
    return _result()


def _make_ours(cluster: Cluster, window: Interval, values: dict[str, Any]) -> None:
    standing, parameters = _standing(cluster, window)
    sql = _OURS.format(
        shares=", ".join(f"{share(name)} AS {name}" for name in RESOURCES),
        quantities=", ".join(RESOURCES),
        standing=standing,
    )
    # Django's own query has its values by position; ours are whole numbers.
    for name in ("since", "until"):
        sql = sql.replace(f"%({name})s", str(int(values[name])))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE ours ON COMMIT DROP AS {sql}", parameters)


def _standing(cluster: Cluster, window: Interval) -> tuple[str, tuple[Any, ...]]:
    place: Case = bucket()
    jobs = Job.objects.filter(
        Q(end__gt=window.start) | Q(end=None), cluster=cluster, start__lt=window.end
    )
    return jobs.order_by().annotate(bucket=place).values("id", "bucket").query.sql_with_params()


_DIFFERS = " OR ".join(f"our_{name} <> their_{name}" for name in RESOURCES)
_BY_BUCKET = """
SELECT bucket, count(*) FILTER (WHERE their_cpu_seconds + their_node_seconds > 0), {}
FROM compared GROUP BY 1
"""
_BY_CAUSE = "SELECT cause, count(*), {} FROM compared WHERE {} GROUP BY 1 ORDER BY 1"
_JOBS = """
SELECT id, job_id, submit, account, user_name, display_id, bucket, cause, {} FROM compared WHERE {}
ORDER BY cause = ANY(%s) DESC, cause, job_id, submit LIMIT %s
"""
_SUSPENDED_AT_THE_EDGE = """
SELECT account, user_name, sum(cpu_seconds), sum(cpu_held_seconds) FROM stated
WHERE was_suspended AND (start <= %s OR "end" IS NULL OR "end" >= %s) GROUP BY 1, 2
"""
_STATED_SUMS = "SELECT account, user_name, {} FROM stated GROUP BY 1, 2"


def _result() -> Compared:
    found = Compared()
    found.figures = {name: {"slurm": 0, "buckets": {}, "difference": 0} for name in RESOURCES}
    for place, stated, *figures in _rows(_BY_BUCKET, "sum(our_{0}), sum(their_{0})"):
        found.jobs_stated += stated
        for name, (ours, theirs) in _by_resource(figures).items():
            row = found.figures[name]
            row["slurm"] += theirs
            row["difference"] += ours - theirs
            if place:
                row["buckets"][place] = ours
    for cause, jobs, *figures in _rows(_BY_CAUSE, "sum(our_{0}), sum(their_{0})"):
        changes = {name: ours - theirs for name, (ours, theirs) in _by_resource(figures).items()}
        found.causes[cause] = {"jobs": jobs, **changes}
        found.jobs_differing += jobs
        found.unexplained += jobs if cause in UNEXPLAINED else 0
    # Those that need a person come first.
    urgent = [str(cause) for cause in UNEXPLAINED]
    jobs = _rows(_JOBS, "our_{0}, their_{0}", urgent, LISTED_JOBS)
    found.differences = [_difference(row) for row in jobs]
    return found


def stated_sums() -> dict[tuple[str, str, str], int]:
    """Return what ``load`` brought in, by account, user and resource."""
    return {
        (account, user, name): int(value)
        for account, user, *figures in _rows(_STATED_SUMS, "sum({0})")
        for name, value in zip(RESOURCES, figures, strict=True)
    }


def suspended_at_the_edge(window: Interval) -> dict[tuple[str, str], tuple[int, int]]:
    """Return, by account and user, what jobs that were suspended and reach over an edge of the
    window were stated to have used of CPU time, and what they could have used at most.

    sreport knows when a job was suspended; a job's record only for how long, and of one that is
    suspended still not even that.
    """
    with connection.cursor() as cursor:
        edges = [int(window.start.timestamp()), int(window.end.timestamp())]
        cursor.execute(_SUSPENDED_AT_THE_EDGE, edges)
        return {(row[0], row[1]): (int(row[2]), int(row[3])) for row in cursor.fetchall()}


def _rows(template: str, figures: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one of the queries above, with the given figures for each resource."""
    columns = ", ".join(figures.format(name) for name in RESOURCES)
    with connection.cursor() as cursor:
        cursor.execute(template.format(columns, _DIFFERS), values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _by_resource(figures: Sequence[Any]) -> dict[str, tuple[int, int]]:
    pairs = zip(figures[::2], figures[1::2], strict=True)
    return {name: (int(a), int(b)) for name, (a, b) in zip(RESOURCES, pairs, strict=True)}


def _difference(row: tuple[Any, ...]) -> dict[str, Any]:
    key, job_id, submit, account, user, display_id, name_of_bucket, cause, *figures = row
    return {
        "id": key,
        "job": display_id,
        "job_id": job_id,
        "submit": datetime.fromtimestamp(submit, UTC).isoformat(),
        "account": account,
        "user": user,
        "bucket": name_of_bucket,
        "cause": cause,
        **{
            name: {"ours": ours, "slurm": theirs}
            for name, (ours, theirs) in _by_resource(figures).items()
        },
    }
