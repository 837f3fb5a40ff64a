"""The same work on several things at once, by threads that have a database connection each.

PostgreSQL works for each connection on a processor of its own, and Python is free for one thread
while another waits for the database.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from queue import SimpleQueue
from typing import TypeVar

from django.db import connection, connections

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], things: Iterable[T], workers: int) -> Iterator[R]:
    """Yield what ``work`` returns for each thing, in the order in which it is done.

    Up to ``workers`` are worked on at once; no thing is asked for before a worker is free. Within a
    transaction of the caller, which others can't see into, it is done by the caller itself, one by
    one. After an error, which is raised here, nothing more is begun; what had begun is finished.
    """
    if workers < 2 or connection.in_atomic_block:
        yield from map(work, things)
        return
    todo: SimpleQueue[T | None] = SimpleQueue()
    done: SimpleQueue[Callable[[], R]] = SimpleQueue()
    context = copy_context()
    threads = [
        threading.Thread(
            target=context.copy().run, args=(_work, work, todo, done), name="side by side"
        )
        for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield from _shared_out(iter(things), todo, done, workers)
    finally:
        for _ in threads:
            todo.put(None)
        for thread in threads:
            thread.join()


def _shared_out(
    things: Iterator[T],
    todo: "SimpleQueue[T | None]",
    done: "SimpleQueue[Callable[[], R]]",
    workers: int,
) -> Iterator[R]:
    busy = 0
    for thing in things:
        todo.put(thing)
        busy += 1
        if busy == workers:
            yield done.get()()
            busy -= 1
    for _ in range(busy):
        yield done.get()()


def _work(
    work: Callable[[T], R], todo: "SimpleQueue[T | None]", done: "SimpleQueue[Callable[[], R]]"
) -> None:
    try:
        while (thing := todo.get()) is not None:
            done.put(_outcome(work, thing))
    finally:
        connections.close_all()


def _outcome(work: Callable[[T], R], thing: T) -> Callable[[], R]:
    try:
        result = work(thing)
    except BaseException as caught:  # noqa: BLE001 - raised again in the caller's thread
        error = caught

        def fail() -> R:
            raise error

        return fail
    return lambda: result
