"""A fake slurmrestd and what asks it for an hour."""

import tempfile
from datetime import UTC, datetime
from typing import Any

import pytest

from core.intervals import Interval
from tests.usage.sources import fake_slurmrestd as fake
from tests.usage.sources.recordings import answer, job
from usage.connections import SlurmrestdConnection
from usage.sources.base import Fetched, SourceFailed
from usage.sources.slurmrestd import Slurmrestd

WINDOW = Interval(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 1, 1, tzinfo=UTC))
ONE_JOB = answer(job(cluster="demo25"))
ALL_FLAGS = {"skip_steps", "show_duplicates", "disable_truncate_usage_time"}


class Client:
    """A fake slurmrestd and what asks it."""

    def __init__(self, state: fake.State, connection: SlurmrestdConnection) -> None:
        self.state = state
        self.connection = connection
        self.pauses: list[float] = []
        self.content = b""

    def source(self, **options: Any) -> Slurmrestd:
        return Slurmrestd(self.connection, cluster="demo25", pause=self.pauses.append, **options)

    def fetch(self, source: Slurmrestd | None = None) -> Fetched:
        with tempfile.TemporaryFile() as into:
            fetched = (source or self.source()).fetch(WINDOW, into)
            into.seek(0)
            self.content = into.read()
        return fetched

    def failure(self) -> SourceFailed:
        with pytest.raises(SourceFailed) as caught:
            self.fetch()
        return caught.value

    def asked_for_jobs(self) -> list[dict[str, str]]:
        return [query for path, query, _headers in self.state.asked if path.endswith("/jobs")]
