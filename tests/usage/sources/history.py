"""A fake slurmrestd with a history: it answers windows with their jobs, and may withhold a day."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.usage.sources import fake_slurmrestd as fake
from tests.usage.sources.recordings import job

HOUR = 3600


@dataclass
class History:
    """Jobs that end on each of the last days but the quiet ones; days (UTC) that are withheld."""

    days: int = 12
    each_day: int = 3
    withheld: set[date] = field(default_factory=set)
    over_midnight: bool = False
    quiet: set[date] = field(default_factory=set)
    today: date = field(default_factory=lambda: datetime.now(UTC).date())

    def jobs(self) -> Iterator[dict[str, Any]]:
        for back in range(self.days, 0, -1):
            if self.today - timedelta(days=back) in self.quiet:
                continue
            noon = datetime.combine(self.today - timedelta(days=back), datetime.min.time(), UTC)
            for number in range(self.each_day):
                hour = 10 + number
                if self.over_midnight and number == 0 and back < self.days:
                    hour = 0
                yield ended(back * 100 + number, int(noon.timestamp()) + hour * HOUR + HOUR // 2)

    def answer(self, handler: fake.Handler) -> None:
        """Answer one question for jobs, as a fault of the fake."""
        query = parse_qs(urlsplit(handler.path).query)
        start, end = (
            int(query[name][0].removeprefix("uts")) for name in ("start_time", "end_time")
        )
        if any(
            start < _midnight(day) + 24 * HOUR and end > _midnight(day) for day in self.withheld
        ):
            handler.tell({"jobs": [], "errors": [{"error_number": 7000, "error": "slurmdbd"}]}, 500)
            return
        found = [
            each
            for each in self.jobs()
            if each["time"]["end"] >= start and each["time"]["eligible"] < end
        ]
        body = {"jobs": found, "meta": {}, "errors": [], "warnings": []}
        handler.give(200, json.dumps(body).encode())


def _midnight(day: date) -> int:
    return int(datetime.combine(day, datetime.min.time(), UTC).timestamp())


def ended(number: int, end: int) -> dict[str, Any]:
    """A job of one hour."""
    return job(
        cluster="erawan",
        account="genomics",
        user="alice",
        job_id=number,
        time__eligible=end - HOUR - 60,
        time__submission=end - HOUR - 60,
        time__start=end - HOUR,
        time__end=end,
        time__elapsed=HOUR,
    )


@contextmanager
def slurm(history: History, folder: Path) -> Iterator[Path]:
    """Run a slurmrestd with this history; yields the operator's file of connections."""
    state = fake.State(clusters=("erawan",), fault=history.answer)
    token = folder / "slurm.token"
    token.write_text("good\n", encoding="ascii")
    token.chmod(0o600)
    with fake.running(state) as url:
        connections = folder / "slurm.toml"
        connections.write_text(
            f'[main]\nkind = "slurmrestd"\nurl = "{url}"\nuser = "billing"\n'
            f'token_file = "{token}"\n',
            encoding="utf-8",
        )
        yield connections
