"""Reading a window: source after source until one answers, then evidence, import and what is gone.

A source that fails is noted and never counts as an answer; what an earlier source wrote before it
failed is thrown away. Nothing here rates: that is for who has the whole picture.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from core import metrics
from core.actor import Actor
from core.errors import Conflict, DomainError, Invalid
from core.intervals import Interval
from core.locks import Space, session_lock
from usage import missing, windows
from usage.coverage import LIVE_KINDS, window_sources
from usage.models import Cluster, ImportRun, Window
from usage.models import Source as SourceRow
from usage.services import prepare_import, run_import
from usage.sources.base import Fetched, Source, SourceFailed, WindowTooLarge
from usage.sources.factory import make_source

MAX_ERROR = 300
MINUTE = "%Y-%m-%dT%H:%MZ"

log = structlog.get_logger(__name__)
W = Window.Status
MakeSource = Callable[..., Source]


class _Busy(Exception):
    """The same answer is being imported by somebody else just now."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a source said: the import of it, or nothing for an empty answer.

    ``is_current`` says that Slurm itself answered: a file says what Slurm had when it was saved.
    """

    label: str
    asked_at: datetime
    run: ImportRun | None
    is_current: bool


def read_window(
    *,
    window_id: int,
    actor: Actor,
    make: MakeSource | None = None,
) -> bool:
    """Read one waiting window to its end; returns False if somebody else is reading it.

    Afterwards the window is read, empty, split into two that wait, or failed. It still waits only
    if the very same answer is being imported by another reader at this moment. Safe to be called
    again for a window whose reader was killed: an answer that was stored is gone on with. Raises
    Invalid for a window that is not over yet.
    """
    with session_lock(Space.WINDOW, window_id) as held:
        if not held:
            return False
        window = Window.objects.select_related("cluster", "pull").get(pk=window_id)
        if window.status == W.WAITING:
            if window.end > timezone.now():
                raise Invalid("window", "A window can be read only after its end.")
            _Reading(window, actor, make or make_source).read()
        return True


class _Reading:
    """One reading of a window: what was tried, and what came of it."""

    def __init__(self, window: Window, actor: Actor, make: MakeSource) -> None:
        self.window = window
        self.cluster: Cluster = window.cluster
        self.span = Interval(window.start.astimezone(UTC), window.end.astimezone(UTC))
        self.tried: list[dict[str, str]] = []
        self._actor, self._make = actor, make

    def read(self) -> None:
        self.window.attempts += 1
        Window.objects.filter(pk=self.window.pk, status=W.WAITING).update(
            attempts=self.window.attempts, asked_at=timezone.now()
        )
        try:
            answer = self._first_answer()
        except WindowTooLarge as refusal:
            self._split(refusal)
        except _Busy:
            return
        else:
            self._end(answer)
        metrics.WINDOWS.labels(status=self.window.status).inc()

    def _first_answer(self) -> _Answer | None:
        """Ask the sources in their order; None if all failed. Raises WindowTooLarge if the window
        can be split, and _Busy."""
        for source in window_sources(self.cluster):
            try:
                return self._ask(source)
            except WindowTooLarge as error:
                if windows.halves(self.span) is not None:
                    raise
                self._failed(source, error.code, error.message)
            except SourceFailed as error:
                self._failed(source, error.code, error.message)
            except (OSError, DomainError) as error:
                self._failed(source, "error", str(error))
            except (_Busy, OperationalError, InterfaceError):
                raise
            except Exception as error:
                # One answer that we stumble over must not keep all later windows from being read.
                log.exception("window_not_readable", window=self.window.pk, source=str(source))
                self._failed(source, "internal", f"{type(error).__name__}: {error}")
        return None

    def _failed(self, source: SourceRow, code: str, message: str) -> None:
        self.tried.append({"source": str(source), "code": code, "error": message[:MAX_ERROR]})
        metrics.SOURCE_FAILURES.labels(kind=source.kind, code=code).inc()

    def _ask(self, source: SourceRow) -> _Answer:
        connection = self._make(
            source.kind,
            source.place,
            slurm_name=self.cluster.known_to_slurm_as,
            time_zone=self.cluster.time_zone,
            reads_steps=self.cluster.reads_steps,
        )
        asked_at, is_current = timezone.now(), source.kind in LIVE_KINDS
        with tempfile.TemporaryFile() as spool:
            fetched = connection.fetch(self.span, spool)
            if fetched.empty:
                return _Answer(fetched.label, asked_at, None, is_current)
            spool.seek(0)
            run = self._import(fetched, spool, asked_at, is_current=is_current)
            return _Answer(fetched.label, asked_at, run, is_current)

    def _import(
        self, fetched: Fetched, answer: BinaryIO, asked_at: datetime, *, is_current: bool
    ) -> ImportRun:
        """Store and import an answer. Raises SourceFailed if it can't be read whole."""
        run = prepare_import(
            cluster=self.cluster,
            stream=answer,
            origin=f"{fetched.label} {self.span.start:{MINUTE}}/{self.span.end:{MINUTE}}",
            actor=self._actor,
            columns=fetched.columns,
            time_zone=fetched.time_zone,
            confirmed=True,
            as_of=asked_at if is_current else None,
        )
        try:
            run = run_import(run_id=run.pk, actor=self._actor)
        except Conflict as conflict:
            if conflict.code == "import_running":
                raise _Busy from conflict
            raise
        if run.status == ImportRun.Status.FAILED:
            raise SourceFailed(run.error_code or "bad_answer", run.error)
        if run.truncated:
            raise SourceFailed("cut_off", f"The answer is cut off (import #{run.pk}).")
        return run

    def _end(self, answer: _Answer | None) -> None:
        """Write down what became of the window, and which jobs it no longer has."""
        with transaction.atomic():
            if answer is None:
                error = "\n".join(f"{t['source']}: {t['error']}" for t in self.tried)
                self._become(W.FAILED, error=error or "The cluster has no source to ask.")
                return
            status = W.EMPTY if answer.run is None else W.READ
            self._become(status, run=answer.run, source=answer.label, asked_at=answer.asked_at)
            if answer.is_current:
                missing.note(self.window, answer.run)

    def _split(self, refusal: WindowTooLarge) -> None:
        with transaction.atomic():
            self._become(W.SPLIT, error=refusal.message[:MAX_ERROR])
            for half in windows.halves(self.span) or ():
                Window.objects.get_or_create(
                    cluster=self.cluster, pull=self.window.pull, start=half.start, end=half.end
                )

    def _become(self, status: str, **values: object) -> None:
        changes = {"status": status, "tried": self.tried, "error": "", **values}
        Window.objects.filter(pk=self.window.pk, status=W.WAITING).update(**changes)
        for name, value in changes.items():
            setattr(self.window, name, value)
