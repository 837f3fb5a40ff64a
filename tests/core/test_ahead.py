"""One thread makes items ahead, the other one uses them and alone answers questions."""

import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from core.ahead import Ahead, one_behind


def others() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def numbers(upto: int, after: Callable[[], object] = lambda: None) -> Iterator[int]:
    yield from range(upto)
    after()


def fail() -> NoReturn:
    raise LookupError("unreadable")


def test_items_come_in_order_and_the_thread_ends() -> None:
    with Ahead[int]().making(lambda: numbers(50)) as items:
        assert list(items) == list(range(50))
    assert not others()


def used(make: Callable[[], Iterator[int]], use: Callable[[int], object]) -> None:
    with Ahead[int]().making(make) as items:
        for item in items:
            use(item)


def test_an_error_comes_after_the_last_good_item() -> None:
    seen: list[int] = []
    with pytest.raises(LookupError, match="unreadable"):
        used(lambda: numbers(3, fail), seen.append)
    assert seen == [0, 1, 2]
    assert not others()


def test_no_more_than_one_is_made_ahead() -> None:
    made: list[int] = []
    second = threading.Event()

    def make() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    with Ahead[int]().making(make) as items:
        assert next(items) == 0
        assert second.wait(10)
        assert made == [0, 1]
        assert next(items) == 1
    assert not others()


def test_whoever_leaves_early_leaves_no_thread_behind() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield threading.get_ident()

    with pytest.raises(ZeroDivisionError):
        used(endless, lambda maker: 1 // (maker - maker))
    assert not others()


def test_questions_are_answered_by_the_callers_thread() -> None:
    ahead = Ahead[tuple[int, int]]()

    def make() -> Iterator[tuple[int, int]]:
        for _ in range(3):
            yield threading.get_ident(), ahead.ask(threading.get_ident)

    with ahead.making(make) as items:
        for maker, answered in items:
            assert (maker != answered, answered) == (True, threading.get_ident())
    assert ahead.ask(lambda: "at once") == "at once"


def test_a_question_that_fails_fails_where_it_was_asked() -> None:
    ahead = Ahead[str]()

    def make() -> Iterator[str]:
        try:
            ahead.ask(fail)
        except LookupError as error:
            yield str(error)

    with ahead.making(make) as items:
        assert list(items) == ["unreadable"]


def test_a_question_that_nobody_answers_any_more_ends_the_maker() -> None:
    ahead = Ahead[int]()
    asked = threading.Event()
    after: list[int] = []

    def make() -> Iterator[int]:
        yield 1
        asked.set()
        ahead.ask(lambda: after.append(1))
        after.append(2)
        yield 2

    with ahead.making(make) as items:
        assert next(items) == 1
        assert asked.wait(10)
    assert (after, others()) == ([], [])


def test_chores_are_done_before_each_item() -> None:
    ahead = Ahead[int]()
    done: list[int] = []
    ahead.before_each(lambda: done.append(threading.get_ident()))
    with ahead.making(lambda: numbers(2)) as items:
        assert [(item, len(done)) for item in items] == [(0, 1), (1, 2)]
    assert set(done) == {threading.get_ident()}


def test_more_can_be_done_while_an_answer_is_waited_for() -> None:
    ahead = Ahead[str]()
    done: list[str] = []

    def make() -> Iterator[str]:
        answer = ahead.asking(lambda: threading.current_thread().name)
        done.append("meanwhile")
        yield answer()

    with ahead.making(make) as items:
        assert list(items) == [threading.current_thread().name]
    assert done == ["meanwhile"]
    assert ahead.asking(lambda: 7)() == 7


def test_an_answer_that_nobody_waits_for_stops_nothing() -> None:
    ahead = Ahead[int]()

    def make() -> Iterator[int]:
        ahead.asking(fail)
        yield 1

    with ahead.making(make) as items:
        assert list(items) == [1]
    assert not others()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_each_is_used_when_the_next_one_is_made(count: int) -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(count):
            made.append(number)
            yield number

    for number in one_behind(make()):
        assert made == list(range(min(number + 2, count)))
    assert made == list(range(count))


def test_an_error_comes_after_all_that_was_made_before_it() -> None:
    seen: list[int] = []
    with pytest.raises(LookupError, match="unreadable"):
        seen.extend(one_behind(numbers(3, fail)))
    assert seen == [0, 1, 2]
