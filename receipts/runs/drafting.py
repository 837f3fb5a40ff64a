"""Going on with a run: each addressee's document in a transaction of its own.

Whatever breaks off, at whatever point, leaves entries done or waiting and nothing between; going on
does those that wait. So what comes out is the same however often a run broke off.
"""

import logging
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Min, QuerySet
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from accounts.models import Period, Project
from accounts.periods import period_of
from audit.services import record
from core.actor import Actor
from core.errors import Conflict
from core.intervals import Interval, local_midnight
from core.locks import lock_rows
from core.site import site_zone
from core.transitions import transition
from pricing.models import Charge
from receipts.addressees import billed_projects, in_run
from receipts.arithmetic import totals_of
from receipts.models import BillingRun, Receipt, RunEntry
from receipts.orders import order_for
from receipts.runs.steps import ENTRY_STEPS, RUN_STEPS
from receipts.runs.telling import DEFECT, Problem, problem, refusal_of
from receipts.selectors import lines_over, unbilled_charges
from receipts.services.drafting import write_draft
from receipts.services.steps import STEPS, figures_of, moved
from receipts.settled_corrections import credit_waiting
from receipts.taxing import tax_for

log = logging.getLogger(__name__)
E = RunEntry.State
R = BillingRun.Status
S = Receipt.Status
Told = Callable[[int, int], None]


def advance(
    *,
    run_id: int,
    actor: Actor,
    seconds: float | None = None,
    progress: Told = lambda done, total: None,
) -> bool:
    """Do the entries of a run that wait, for so long at most; returns whether some still wait.

    Several callers at once share the work. ``progress`` is told how many of how many are done. An
    entry that is refused notes what to do about it, and the others go on.
    """
    until = None if seconds is None else time.monotonic() + seconds
    entries = RunEntry.objects.filter(run=run_id)
    waiting = list(entries.filter(state=E.WAITING).order_by("pk").values_list("pk", flat=True))
    total = entries.count()
    for done, pk in enumerate(waiting, start=1 + total - len(waiting)):
        if until is not None and time.monotonic() >= until:
            return True
        _do(pk, actor)
        progress(done, total)
    return not _end(run_id, actor)


def unfinished() -> list[int]:
    """Return the runs that still have drafts to make, the oldest first."""
    rows = BillingRun.objects.filter(status=R.DRAFTING).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _end(run_id: int, actor: Actor) -> bool:
    """Note that nothing waits any more; returns whether that is so."""
    with transaction.atomic():
        (run,) = lock_rows(BillingRun.objects.all(), run_id)
        states = list(run.entries.order_by().values_list("state", flat=True))
        if E.WAITING in states:
            return False
        if run.status == R.DRAFTING:
            transition(
                BillingRun.objects.all(),
                table=RUN_STEPS,
                pk=run.pk,
                before=R.DRAFTING,
                after=R.DRAFTED,
                ended_at=timezone.now(),
            )
            counts = {state: states.count(state) for state in sorted(set(states))}
            record("run.drafted", actor=actor, target=run, data=counts)
    return True


def _do(entry_id: int, actor: Actor) -> None:
    """Bring one entry to an end, whatever that is."""
    try:
        found = refusal_of(lambda: _attempt(entry_id, actor))
    except (InterfaceError, OperationalError):
        raise  # the connection or the server, not this entry
    except Exception:
        log.exception("entry %s of a monthly run failed", entry_id)
        found = problem("defect", DEFECT)
    if found:
        with transaction.atomic():
            entry = _claimed(entry_id)
            if entry is not None:
                _put(entry, E.FAILED, problem=found)


def _claimed(entry_id: int) -> RunEntry | None:
    """Lock an entry; None if somebody else has it, or it is done."""
    rows = RunEntry.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
    return rows.filter(pk=entry_id, state=E.WAITING).select_related("run").first()


def _attempt(entry_id: int, actor: Actor) -> None:
    with transaction.atomic():
        entry = _claimed(entry_id)
        if entry is not None:
            _draft(entry, actor)


def _draft(entry: RunEntry, actor: Actor) -> None:
    """Credit what was reversed, and hand in a document over all that is unbilled."""
    period = _closed(entry.run)
    projects = list(in_run(billed_projects(entry.project_id)).values_list("pk", flat=True))
    locked = {row.pk: row for row in lock_rows(Project.objects.all(), entry.project_id, *projects)}
    addressee = locked[entry.project_id]
    credit_waiting(
        project_id=addressee.pk, currency=entry.currency, until=period.month, actor=actor
    )
    charges = unbilled_charges().filter(
        project__in=projects, currency=entry.currency, period__lte=period.month
    )
    lines = lines_over(charges)
    if not lines:
        _put(entry, E.NOTHING)
        return
    taxed = tax_for(addressee, timezone.localdate())
    total = totals_of((line.amount for line in lines), taxed.taxation, entry.currency).total
    if total <= 0:
        _put(entry, E.CARRIED, total=total)
        return
    window = _window(charges, period)
    receipt = write_draft(
        project=addressee, lines=lines, window=window, actor=actor, period=period.month, taxed=taxed
    )
    _hand_in(receipt, actor)
    found = refusal_of(lambda: order_for(receipt, timezone.localdate()))
    _put(entry, E.DRAFTED, receipt=receipt, total=receipt.total, problem=found)


def _closed(run: BillingRun) -> Period:
    """Return the run's period. Raises Conflict if it was opened again since."""
    period = period_of(run.period_id)
    if period.closed_at != run.closed_at:
        raise Conflict(
            "reopened",
            _("The period was opened again. Once it is closed, its next run takes the charges."),
        )
    return period


def _window(charges: QuerySet[Charge], period: Period) -> Interval:
    """From the period's start, or the first day of late usage, to the period's end."""
    first = charges.order_by().aggregate(first=Min("job_end"))["first"]
    day = localtime(first, site_zone()).date()
    return Interval(min(period.starts_at, local_midnight(day, site_zone())), period.ends_at)


def _hand_in(receipt: Receipt, actor: Actor) -> None:
    """Let it wait for approval. Nobody submitted it, so any clerk may approve it."""
    now = timezone.now()
    transition(
        Receipt.objects.all(),
        table=STEPS,
        pk=receipt.pk,
        before=S.DRAFT,
        after=S.PENDING,
        submitted_at=now,
    )
    receipt.status, receipt.submitted_at = S.PENDING, now
    record("receipt.submitted", actor=actor, target=receipt, data=figures_of(receipt))
    moved(S.DRAFT, S.PENDING)


def _put(
    entry: RunEntry,
    state: RunEntry.State,
    *,
    problem: Problem | None = None,
    **values: object,
) -> None:
    if state not in ENTRY_STEPS[entry.state]:
        raise ValueError(f"an entry has no step from {entry.state} to {state}")
    stamps = {"receipt": None, "total": None} | values
    RunEntry.objects.filter(pk=entry.pk).update(state=state, problem=problem or {}, **stamps)
