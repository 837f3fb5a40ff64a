"""Work that is shared out among threads, each with a connection of its own."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection

from core.side_by_side import side_by_side
from tests.databases import Database


def backend(_thing: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def others() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "side by side"]


def test_two_work_at_the_same_time_and_leave_no_connection(committed_db: Database) -> None:
    both = threading.Barrier(2, timeout=20)

    def work(thing: int) -> tuple[int, int]:
        both.wait()
        return thing, backend(thing)

    found = dict(side_by_side(work, range(1, 7), 2))
    assert set(found) == set(range(1, 7))
    assert len(set(found.values())) == 2
    assert backend(0) not in found.values()
    assert not others()
    assert sessions() == 1


def test_nothing_is_asked_for_before_a_worker_is_free(committed_db: Database) -> None:
    asked: list[int] = []

    def things() -> Iterator[int]:
        for thing in range(1, 9):
            asked.append(thing)
            yield thing

    results = side_by_side(lambda thing: thing, things(), 3)
    assert next(results) in asked
    assert len(asked) == 3
    assert len(list(results)) == 7


def test_an_error_is_raised_and_nothing_more_begun(committed_db: Database) -> None:
    begun: list[int] = []

    def work(thing: int) -> int:
        begun.append(thing)
        return 1 // (thing - 2)

    with pytest.raises(ZeroDivisionError):
        list(side_by_side(work, range(1, 100), 2))
    assert len(begun) < 6
    assert not others()
    assert sessions() == 1


@pytest.mark.django_db
def test_within_a_transaction_the_caller_does_it_alone() -> None:
    assert set(side_by_side(backend, range(3), 2)) == {backend(0)}
    assert set(side_by_side(lambda _thing: threading.get_ident(), range(3), 2)) == {
        threading.get_ident()
    }


def test_one_worker_is_the_caller(committed_db: Database) -> None:
    assert set(side_by_side(backend, range(3), 1)) == {backend(0)}
