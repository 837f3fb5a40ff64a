"""Running the same act in several processes at the same moment, each with its own connection."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from django.db import connections

from core.errors import DomainError
from tests import databases

_FORK = multiprocessing.get_context("fork")


def race(*acts: Callable[[], object]) -> list[str]:
    """Run acts in a process each, started together; returns what each returned, as text.

    A refusal is returned as its code, any other error as ``!`` and its text. A process that does
    not end within a minute fails the test: it is a deadlock.
    """
    connections.close_all()
    barrier = _FORK.Barrier(len(acts))
    runners = [_start(act, barrier) for act in acts]
    results = [_result(reader) for _, reader in runners]
    for process, _ in runners:
        process.join(10)
        assert process.exitcode == 0
    return results


def _start(
    act: Callable[[], object], barrier: Barrier
) -> tuple[multiprocessing.context.ForkProcess, Connection]:
    reader, writer = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_run, args=(act, barrier, writer), daemon=True)
    process.start()
    return process, reader


def _run(act: Callable[[], object], barrier: Barrier, writer: Connection) -> None:
    try:
        databases.leave_to_parent()
        connections["default"].ensure_connection()
        barrier.wait(30)
        answer = str(act())
    except DomainError as refusal:
        answer = refusal.code
    except Exception as error:  # noqa: BLE001 - told to the test, which fails on it
        answer = f"! {type(error).__name__}: {error}"
    writer.send(answer)
    connections.close_all()
    os._exit(0)  # nothing of the test's own process may be torn down here


def _result(reader: Connection) -> str:
    assert reader.poll(60), "a process did not end: deadlock"
    return str(reader.recv())


def times(count: int, act: Callable[[], object]) -> Sequence[Callable[[], object]]:
    """The same act, ``count`` times."""
    return [act] * count
