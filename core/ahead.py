"""Two threads for one stream of work: the next item is made while the caller is busy with the last.

The caller alone has the database connection, with its transaction and its locks. Whatever the maker
wants from there it asks the caller for, who answers when it comes for the next item.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = 0.05
_HANDOVER_SECONDS = 0.001


class _Stopped(BaseException):
    """Ends the maker's thread when nobody wants its items any more."""


def one_behind(things: Iterable[T]) -> Iterator[T]:
    """Yield each thing when the next one is made: what was asked for is answered meanwhile. An
    error comes after all that was made before it."""
    held: list[T] = []
    try:
        for thing in things:
            yield from held
            held = [thing]
    except Exception:
        yield from held
        raise
    yield from held


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _Question:
    ask: Callable[[], Any]
    answers: "SimpleQueue[Callable[[], Any]]"
    taken: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Ahead(Generic[T]):
    """Makes items in a thread of its own, one ahead of the caller: no more than two are in memory,
    the one that the caller has and the one that is being made.

    Belongs to the thread that made it, the caller's.
    """

    def __init__(self) -> None:
        self._caller = threading.get_ident()
        self._messages: SimpleQueue[_Item[T] | _Question | _End] = SimpleQueue()
        self._wanted = threading.Semaphore(0)
        self._stopped = False
        self._chores: list[Callable[[], object]] = []

    def ask(self, question: Callable[[], R]) -> R:
        """Return, or raise, what a question does in the caller's thread. It waits there until the
        caller is done with its item; asked by the caller itself, it is answered at once."""
        return self.asking(question)()

    def asking(self, question: Callable[[], R]) -> Callable[[], R]:
        """Ask as ``ask`` does and return what waits for the answer: more can be done meanwhile."""
        if threading.get_ident() == self._caller:
            found = question()
            return lambda: found
        answers: SimpleQueue[Callable[[], R]] = SimpleQueue()
        asked = _Question(question, answers)
        self._messages.put(asked)
        # Python lets another thread in only after 5 ms of work: by then the answer is waited for.
        asked.taken.wait(_HANDOVER_SECONDS)

        def answer() -> R:
            return answers.get()()

        return answer

    def before_each(self, chore: Callable[[], object]) -> None:
        """Have the caller's thread do something each time before it is given an item."""
        self._chores.append(chore)

    @contextmanager
    def making(self, make: Callable[[], Iterator[T]]) -> Iterator[Iterator[T]]:
        """Yield the items of ``make``, which runs in the other thread. An error of it is raised
        where the item after the last good one was wanted. At the end of the block the thread is
        gone, whatever happened."""
        context = copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._make, make), name="ahead", daemon=True
        )
        thread.start()
        try:
            yield self._items()
        finally:
            self._stopped = True
            self._wanted.release()
            while thread.is_alive():
                self._refuse_question()
            thread.join()

    def _make(self, make: Callable[[], Iterator[T]]) -> None:
        error: BaseException | None = None
        try:
            for item in make():
                self._messages.put(_Item(item))
                self._wanted.acquire()
                if self._stopped:
                    break
        except _Stopped:
            pass
        except BaseException as caught:  # noqa: BLE001 - raised again in the caller's thread
            error = caught
        self._messages.put(_End(error))

    def _items(self) -> Iterator[T]:
        while True:
            message = self._messages.get()
            if isinstance(message, _Question):
                message.taken.set()
                message.answers.put(_answer(message.ask))
            elif isinstance(message, _End):
                if message.error is not None:
                    raise message.error
                return
            else:
                for chore in self._chores:
                    chore()
                self._wanted.release()
                yield message.value

    def _refuse_question(self) -> None:
        try:
            message = self._messages.get(timeout=_POLL_SECONDS)
        except Empty:
            return
        if isinstance(message, _Question):
            message.answers.put(_stop)


def _answer(question: Callable[[], R]) -> Callable[[], R]:
    try:
        found = question()
    except Exception as error:  # noqa: BLE001 - raised again by who asked
        return _raiser(error)
    return lambda: found


def _raiser(error: Exception) -> Callable[[], Any]:
    def throw() -> Any:
        raise error

    return throw


def _stop() -> Any:
    raise _Stopped
