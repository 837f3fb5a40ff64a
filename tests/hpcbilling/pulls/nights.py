"""Nights of one cluster, whose zone is UTC and whose hour is half past one."""

import io
from datetime import UTC, date, datetime, timedelta

import time_machine
from django.core.management import CommandError, call_command

from core.actor import Actor
from tests.nights import pull_cluster
from usage import coverage
from usage.coverage import DayState
from usage.models import Cluster, Pull

BEAT = Actor.system("beat")
FIRST = datetime(2026, 10, 1, tzinfo=UTC)


def day(number: int, hour: float = 0) -> datetime:
    return FIRST + timedelta(days=number - 1, hours=hour)


def night(cluster: Cluster) -> Pull | None:
    return pull_cluster(cluster, BEAT)


def nights(cluster: Cluster, clock: time_machine.Traveller, first: int, last: int) -> None:
    for number in range(first, last + 1):
        clock.move_to(day(number, 2))
        night(cluster)


def states(cluster: Cluster, now: datetime) -> str:
    """The first days of the month, a letter each."""
    days = coverage.calendar(cluster, date(2026, 10, 1), now)
    letters = {
        DayState.COMPLETE: "c", DayState.PARTIAL: "p", DayState.MISSING: "m", DayState.LATE: "l",
        DayState.EMPTY: "e", DayState.EXPECTED: "x", DayState.FILES: "f", DayState.NONE: ".",
    }  # fmt: skip
    return "".join(letters[each.state] for each in days)


def command(name: str, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
    return 0, out.getvalue(), err.getvalue()
