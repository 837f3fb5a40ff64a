"""What a cluster was used for in a span of time, shared out over its days or its people.

One pass in the database, so that a year of millions of jobs takes no memory here. The rule by which
a job is shared out is ``usage.proration``'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from usage.models import Cluster
from usage.normalise import UNPLACED
from usage.proration import day_bounds, month_bounds, share


class By(StrEnum):
    """What the rows of a table of totals stand for."""

    DAY = "day"
    MONTH = "month"
    USER = "user"
    ACCOUNT = "account"
    PARTITION = "partition"


_KEYS = {By.USER: "user_name", By.ACCOUNT: "account", By.PARTITION: "partition"}

_MEASURED = ("cpu_seconds", "gpu_seconds", "node_seconds", "length")
"""What is added up, in the order of ``Sums``; its wall time is the length of jobs."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts of jobs, and seconds of what they held, within one row's span.

    Only jobs that were placed on nodes count. ``jobs_running`` ran at some time within the span,
    ``jobs_unfinished`` are those of them that have no end yet. Wall time runs from a job's start to
    its end; of an unfinished one, up to when it was last seen.
    """

    jobs_started: int = 0
    jobs_ended: int = 0
    jobs_running: int = 0
    jobs_unfinished: int = 0
    cpu_seconds: int = 0
    gpu_seconds: int = 0
    node_seconds: int = 0
    wall_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """A table of sums by key, and the sums of the whole span: a job that ran on two days counts as
    running on both, but once in ``total``."""

    rows: list[tuple[str, Sums]]
    total: Sums


def usage_totals(
    *, cluster: Cluster, first: date, last: date, zone: ZoneInfo, by: By = By.DAY
) -> Totals:
    """Return what a cluster's jobs used from ``first`` to ``last``, whole local days of ``zone``.

    Days and months without a job are there with zeros. Jobs of imports that are held back count:
    they ran. Rows in quarantine don't: nobody knows what they used.
    """
    make = day_bounds if by is By.DAY else month_bounds
    bounds = make(first, last, zone)
    if by in _KEYS:
        bounds = [bounds[0], bounds[-1]]
        found = _query(cluster, bounds, _KEYS[by])
        rows = [(key, sums) for _place, key, sums, _new in found]
    else:
        found = _query(cluster, bounds, "''")
        at = {place: sums for place, _key, sums, _new in found}
        pattern = "%Y-%m-%d" if by is By.DAY else "%Y-%m"
        rows = [
            (begin.astimezone(zone).strftime(pattern), at.get(place, Sums()))
            for place, begin in enumerate(bounds[:-1], start=1)
        ]
    return Totals(rows, _added([(sums, new) for _place, _key, sums, new in found]))


# A job reaches from the span that has its start to the one that has its last second, or to the one
# that has its end where that lies on a bound.
_SQL = """
WITH bounds AS (SELECT %(bounds)s::timestamptz[] AS at, %(count)s AS count),
job AS (
    SELECT {key} AS key, start, "end", cpu_seconds, gpu_seconds, node_seconds,
        coalesce("end", start + make_interval(secs => elapsed_seconds + suspended_seconds)) AS seen
    FROM usage_job
    WHERE cluster_id = %(cluster)s AND start < %(until)s AND ("end" >= %(since)s OR "end" IS NULL)
        AND (node_list <> ALL(%(unplaced)s)
             OR (node_list = '' AND (elapsed_seconds > 0 OR node_seconds > 0 OR "end" IS NULL)))
),
placed AS (
    SELECT job.*, extract(epoch FROM seen - start)::bigint AS length,
        greatest(1, width_bucket(start, at)) AS first,
        least(count, greatest(1, width_bucket(seen - interval '1 microsecond', at),
            CASE WHEN "end" < %(until)s THEN width_bucket("end", at) END)) AS last
    FROM job CROSS JOIN bounds
),
share AS (
    SELECT placed.*, place,
        greatest(0, least(length, extract(epoch FROM at[place] - start)::bigint)) AS x0,
        greatest(0, least(length, extract(epoch FROM at[place + 1] - start)::bigint)) AS x1,
        start >= at[place] AS started_here,
        "end" >= at[place] AND "end" < at[place + 1] AS ended_here
    FROM placed CROSS JOIN bounds CROSS JOIN generate_series(first, greatest(first, last)) AS place
)
SELECT place, key,
    count(*) FILTER (WHERE started_here),
    count(*) FILTER (WHERE ended_here),
    count(*) FILTER (WHERE x1 > x0 OR started_here),
    count(*) FILTER (WHERE (x1 > x0 OR started_here) AND "end" IS NULL),
    {sums},
    count(*) FILTER (WHERE place = first AND (seen > %(since)s OR started_here)),
    count(*) FILTER (WHERE place = first AND (seen > %(since)s OR started_here) AND "end" IS NULL)
FROM share GROUP BY place, key ORDER BY place, key COLLATE "C"
"""


def _query(
    cluster: Cluster, bounds: Sequence[datetime], key: str
) -> list[tuple[int, str, Sums, tuple[int, int]]]:
    """Return (place of the span, key, sums, (running, unfinished) jobs not in an earlier span)."""
    sums = ", ".join(f"coalesce(sum({share(quantity)}), 0)" for quantity in _MEASURED)
    values: dict[str, Any] = {
        "bounds": list(bounds),
        "count": len(bounds) - 1,
        "since": bounds[0],
        "until": bounds[-1],
        "cluster": cluster.pk,
        "unplaced": list(UNPLACED),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SQL.format(key=key, sums=sums), values)
        return [
            (place, name, Sums(*(int(value) for value in figures[:-2])), (figures[-2], figures[-1]))
            for place, name, *figures in cursor.fetchall()
        ]


def _added(found: Sequence[tuple[Sums, tuple[int, int]]]) -> Sums:
    """Return the sums of all rows, each running job counted once."""
    added = {
        field.name: sum(getattr(sums, field.name) for sums, _new in found) for field in fields(Sums)
    }
    added["jobs_running"] = sum(new[0] for _sums, new in found)
    added["jobs_unfinished"] = sum(new[1] for _sums, new in found)
    return Sums(**added)
