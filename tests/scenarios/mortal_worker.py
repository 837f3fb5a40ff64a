"""A Celery worker that dies where it is told to, is started anew, and dies again.

`python -m tests.scenarios.mortal_worker DEATHS LOG` with DEATHS a JSON list of [pattern, n]: each
life is a process of its own that runs a real worker (solo pool) and sends itself SIGKILL just
before the n-th step whose label matches the pattern. Steps are the SQL statements of the tasks, and
the moments right before and after each commit. LOG gets a line for each death; the life after the
last one stays.

Django is loaded once and each life forked from that, because loading it takes longer than the work.
No connection is open at the fork.
"""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import django
import psycopg
from django.db.backends.signals import connection_created

SMALL_BATCH = 150
"""Small batches make many commits, and so many different places to die in."""


class Death:
    """Counts steps, and kills the process at the one that was chosen."""

    def __init__(self, pattern: str, number: int, log: Path) -> None:
        self._pattern = re.compile(pattern, re.DOTALL)
        self._left = number
        self._log = log

    def step(self, label: str) -> None:
        if not self._pattern.search(label):
            return
        self._left -= 1
        if self._left == 0:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(" ".join(label.split())[:100] + "\n")
            os.kill(os.getpid(), signal.SIGKILL)


def arm(death: Death) -> None:
    """Let each connection of this process count its steps."""

    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        death.step(f"SQL {sql}")
        return execute(sql, *rest)

    def on_connection(connection: Any, **_signal: Any) -> None:
        connection.execute_wrappers.append(count)
        commit = connection._commit

        def counted() -> None:
            death.step("before commit")
            commit()
            death.step("after commit")

        connection._commit = counted

    copy = psycopg.Cursor.copy

    def counted_copy(self: Any, statement: Any, *rest: Any) -> Any:
        text = statement if isinstance(statement, str) else statement.as_string()
        death.step(f"COPY {text}")
        return copy(self, statement, *rest)

    setattr(psycopg.Cursor, "copy", counted_copy)  # noqa: B010 - types forbid the assignment
    connection_created.connect(on_connection, weak=False)


def live(death: Death | None) -> None:
    """Be a worker until death, or until told to stop."""
    from hpcbilling.celery import app  # noqa: PLC0415 - after Django is set up

    if death is not None:
        arm(death)
    for cause in (signal.SIGTERM, signal.SIGINT):
        signal.signal(cause, signal.SIG_DFL)
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", "--pool", "solo", "--loglevel", "CRITICAL", *options])


def send_what_beat_sends() -> None:
    """Queue the two tasks that come every five minutes."""
    from hpcbilling.celery import app  # noqa: PLC0415 - after Django is set up

    with app.connection_for_write() as connection:
        for task in ("hpcbilling.resume", "hpcbilling.rate_pending"):
            app.send_task(task, connection=connection)


def main() -> int:
    deaths, log = json.loads(sys.argv[1]), Path(sys.argv[2])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hpcbilling.settings")
    django.setup()
    from pricing import rating  # noqa: PLC0415 - after Django is set up
    from usage import services  # noqa: PLC0415

    rating.BATCH_JOBS = SMALL_BATCH
    services.BATCH_ROWS = SMALL_BATCH
    for pattern, number in [*deaths, (None, 0)]:
        send_what_beat_sends()
        child = os.fork()
        if child == 0:
            live(Death(pattern, number, log) if pattern else None)
            os._exit(0)

        def stop(number: int, _frame: FrameType | None, child: int = child) -> None:
            os.kill(child, signal.SIGKILL)
            os._exit(128 + number)

        for cause in (signal.SIGTERM, signal.SIGINT):
            signal.signal(cause, stop)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            print(f"a life ended by itself: {status}", file=sys.stderr)
            return 1
        time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
