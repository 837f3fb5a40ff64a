"""Asking slurmrestd what a cluster was used for: by the day, each answer whole or not at all.

Of what imports use only the way there is shared, with its checks that an answer is one. What the
answer says is read here anew.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from core.intervals import Interval
from usage.connections import SlurmrestdConnection
from usage.sources.base import Source, WindowTooLarge
from usage.sources.slurmrestd import Slurmrestd
from usage.statements.rows import StatedJob, StatementUnreadable, rest_job

DAY = timedelta(days=1)
SHORTEST = timedelta(minutes=1)


def stated_jobs(
    connection: SlurmrestdConnection, *, slurm_name: str, window: Interval
) -> Iterator[StatedJob]:
    """Yield what slurmrestd says of each attempt within a window; one that spans days comes more
    than once, always the same. Raises SourceFailed or StatementUnreadable, also after rows."""
    source = Slurmrestd(connection, cluster=slurm_name)
    since, until = (int(edge.timestamp()) for edge in (window.start, window.end))
    start = window.start
    while start < window.end:
        end = min(start + DAY, window.end)
        for record in _records(source, Interval(start, end)):
            if record.get("cluster") in (None, "", slurm_name):
                job = rest_job(record, since=since, until=until)
                if job is not None:
                    yield job
        start = end


def _records(source: Source, window: Interval) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a window, which is halved where it is too large for one answer."""
    try:
        yield from _answer(source, window)
    except WindowTooLarge:
        middle = window.start + (window.end - window.start) / 2
        if middle - window.start < SHORTEST:
            raise
        yield from _records(source, Interval(window.start, middle))
        yield from _records(source, Interval(middle, window.end))


def _answer(source: Source, window: Interval) -> list[Mapping[str, Any]]:
    with tempfile.TemporaryFile() as body:
        if source.fetch(window, body).empty:
            return []
        body.seek(0)
        try:
            jobs = json.load(body)["jobs"]
        except (ValueError, KeyError, TypeError) as error:
            raise StatementUnreadable(f"slurmrestd's answer: {error}") from error
    if not (isinstance(jobs, list) and all(isinstance(job, dict) for job in jobs)):
        raise StatementUnreadable("slurmrestd's answer has no list of jobs.")
    return jobs
