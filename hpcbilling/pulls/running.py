"""Reading a pull's windows one by one, by as many workers as there are, and closing it once.

Every step may be asked for twice, or by two at once: a window has one reader, a pull is closed by
one. Who is killed leaves windows that wait; whoever comes next goes on with them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from django.db import transaction
from django.utils import timezone

from audit.services import record
from core.actor import Actor
from core.locks import Space, session_lock
from hpcbilling import workflows
from hpcbilling.pulls import watch
from hpcbilling.pulls.folders import Visit, read_folders
from usage.models import ImportRun, Pull, Window
from usage.pulls import Progress, progress_of, readers_of
from usage.reading import MakeSource, read_window
from usage.remarks import Remark, of_span
from usage.twins import twins_of

W = Window.Status
SHOWN_FAILURES = 5
NO_FILES = (Pull.Kind.BACKFILL, Pull.Kind.RESCAN)

Told = Callable[[Progress], None]


def read_next(*, pull_id: int, actor: Actor, make: MakeSource | None = None) -> bool:
    """Read the next window that nobody reads, and rate; returns whether there was one."""
    waiting = Window.objects.filter(pull_id=pull_id, status=W.WAITING).order_by("start", "pk")
    for window_id in waiting.values_list("pk", flat=True):
        if read_window(window_id=window_id, actor=actor, make=make):
            window = Window.objects.select_related("cluster").get(pk=window_id)
            if window.status == W.WAITING:
                continue  # the same answer is being imported by somebody else
            _rate(window, actor)
            return True
    return False


def _rate(window: Window, actor: Actor) -> None:
    """Rate what a window brought, unless somebody rates this cluster: then they, or the end of the
    pull, or the schedule will find it."""
    if window.status != W.READ:
        return
    with session_lock(Space.RATING, window.cluster_id) as held:
        if held:
            workflows.rate_pending(actor=actor, cluster=window.cluster)


def advance(*, pull_id: int, actor: Actor, make: MakeSource | None = None) -> bool:
    """Take one step of a pull, as one of its few readers; returns whether there may be another.

    A cluster's accounting is not asked by more readers at once than the kind of pull allows,
    however often this is called.
    """
    pull = Pull.objects.get(pk=pull_id)
    if pull.finished_at is not None:
        return False
    with _reader(pull) as admitted:
        if not admitted:
            return False
        if read_next(pull_id=pull_id, actor=actor, make=make):
            return True
    close_pull(pull_id=pull_id, actor=actor)
    return False


@contextmanager
def _reader(pull: Pull) -> Iterator[bool]:
    """Hold one of the places for a pull's readers; yields whether one was free."""
    with ExitStack() as stack:
        places = (f"{pull.pk} {place}" for place in range(readers_of(pull)))
        yield any(stack.enter_context(session_lock(Space.READER, place)) for place in places)


def run_pull(
    *,
    pull_id: int,
    actor: Actor,
    make: MakeSource | None = None,
    told: Told = lambda progress: None,
) -> Pull:
    """Read all of a pull here and now, and close it. Windows that others read are left to them."""
    while read_next(pull_id=pull_id, actor=actor, make=make):
        told(progress_of(Pull.objects.get(pk=pull_id)))
    close_pull(pull_id=pull_id, actor=actor)
    return Pull.objects.select_related("cluster").get(pk=pull_id)


def close_pull(*, pull_id: int, actor: Actor) -> bool:
    """End a pull none of whose windows waits: visit the folders, rate, and write down what is
    wrong. Returns whether this call ended it."""
    pull = Pull.objects.select_related("cluster").get(pk=pull_id)
    with session_lock(Space.PULL, pull.cluster_id) as held:
        if not held or not _may_close(pull_id):
            return False
        no_files = pull.kind in NO_FILES
        visit = Visit(0, ()) if no_files else read_folders(pull.cluster, actor)
        workflows.rate_pending(actor=actor, cluster=pull.cluster)
        remarks = [*_window_remarks(pull), *visit.remarks, *twins_of(pull.cluster)]
        with transaction.atomic():
            ended = Pull.objects.filter(pk=pull_id, finished_at=None).update(
                finished_at=timezone.now(), files=visit.files, remarks=remarks
            )
            if not ended:
                return False
            found = progress_of(pull)
            record(
                "pull.finished",
                actor=actor,
                target=pull,
                data={
                    "cluster": pull.cluster.name,
                    "kind": pull.kind,
                    "files": visit.files,
                    "read": found.read,
                    "empty": found.empty,
                    "failed": found.failed,
                },
            )
            if pull.kind == Pull.Kind.NIGHTLY and not found.failed:
                transaction.on_commit(watch.send_heartbeat)
    return True


def _may_close(pull_id: int) -> bool:
    open_still = Pull.objects.filter(pk=pull_id, finished_at=None)
    return open_still.exclude(windows__status=W.WAITING).exists()


def _window_remarks(pull: Pull) -> list[Remark]:
    """Tell what is odd about a pull's windows: those that failed, those that were answered without
    any job, and those whose import waits for somebody."""
    rows = Window.objects.filter(pull=pull).order_by("start")
    failed = list(rows.filter(status=W.FAILED))
    found = [
        of_span("not_read", window.start, window.end, error=window.error)
        for window in failed[:SHOWN_FAILURES]
    ]
    if len(failed) > SHOWN_FAILURES:
        found.append({"code": "more_windows", "count": len(failed) - SHOWN_FAILURES})
    empty = [window for window in rows.filter(status=W.EMPTY) if window.is_suspicious]
    held = rows.filter(run__status=ImportRun.Status.INCOMPLETE)
    for code, some in (("empty", empty), ("held", held)):
        found += [of_span(code, window.start, window.end) for window in some[:SHOWN_FAILURES]]
    return found
