"""Going on with a run: the documents of some addressees in a transaction.

What is refused or fails among several is undone and done again one by one, so that each entry has
its own end. Whatever breaks off, at whatever point, leaves entries done or waiting and nothing
between; going on does those that wait. So what comes out is the same however often a run broke off.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from accounts.models import Period, Project
from accounts.periods import period_of
from audit.services import record, record_all
from core.actor import Actor
from core.bulk import in_batches, look_up_by_index
from core.errors import Conflict
from core.intervals import Interval, local_midnight
from core.locks import lock_rows
from core.site import site_zone
from core.transitions import transition, transition_all
from receipts.addressees import addressees_of, billed_to, in_run
from receipts.arithmetic import LineItem, totals_of
from receipts.models import BillingRun, Receipt, RunEntry
from receipts.orders import order_for, under_orders
from receipts.selectors import lines_over, unbilled_charges, uncredited_reversals
from receipts.services.corrections import credit_now, receipts_to_credit
from receipts.services.drafting import Content, write_drafts
from receipts.services.runs.steps import ENTRY_STEPS, RUN_STEPS
from receipts.services.steps import STEPS, figures_of, moved, projects_on
from receipts.services.telling import DEFECT, Problem, problem, refusal_of
from receipts.taxing import taxes_for

log = logging.getLogger(__name__)
E = RunEntry.State
R = BillingRun.Status
S = Receipt.Status
Told = Callable[[int, int], None]
Ours = dict[tuple[int, str], list[LineItem]]
"""Lines by addressee and currency."""

TOGETHER = 50
"""Entries in a transaction: most of what one costs is the same for fifty. Their projects are locked
meanwhile, for about a second where each has some hundreds of charges."""


@dataclass(frozen=True, slots=True)
class Locked:
    """Projects by key, and of those that are billed the addressee."""

    projects: dict[int, Project]
    addressees: dict[int, int]


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
    done = total - len(waiting)
    for keys in in_batches(waiting, TOGETHER):
        if until is not None and time.monotonic() >= until:
            return True
        _do(keys, actor)
        done += len(keys)
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


def _do(keys: Sequence[int], actor: Actor) -> None:
    """Bring entries to an end: together what can be, and the others one by one."""
    for pk in _together(keys, actor) if len(keys) > 1 else keys:
        _alone(pk, actor)


def _together(keys: Sequence[int], actor: Actor) -> Sequence[int]:
    """Do entries in one transaction; returns those that are to be done alone: all, if one of them
    was refused or failed, which undoes the others."""
    try:
        with transaction.atomic():
            entries = _claimed(keys)
            locked = _lock_projects(entries)
            apart = _to_credit(entries)
            _draft([entry for entry in entries if entry.pk not in apart], locked, actor)
    except (InterfaceError, OperationalError):
        raise  # the connection or the server, not these entries
    except Exception:
        log.info("entries of a monthly run are done one by one", exc_info=True)
        return keys
    return sorted(apart)


def _alone(entry_id: int, actor: Actor) -> None:
    """Bring one entry to an end, whatever that is."""
    try:
        found = refusal_of(lambda: _attempt(entry_id, actor))
    except (InterfaceError, OperationalError):
        raise
    except Exception:
        log.exception("entry %s of a monthly run failed", entry_id)
        found = problem("defect", DEFECT)
    if found:
        with transaction.atomic():
            for entry in _claimed([entry_id]):
                _put(entry, E.FAILED, problem=found)
                _save([entry])


def _claimed(keys: Collection[int]) -> list[RunEntry]:
    """Lock entries, but those that somebody else has, or that are done."""
    rows = RunEntry.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
    found = rows.filter(pk__in=keys, state=E.WAITING).select_related("run")
    return list(found.order_by("pk"))


def _attempt(entry_id: int, actor: Actor) -> None:
    """Credit what was reversed, and hand in a document over all that is unbilled."""
    with transaction.atomic():
        for entry in _claimed([entry_id]):
            _closed(entry.run)
            waiting = receipts_to_credit(
                project_id=entry.project_id, currency=entry.currency, until=entry.run.period_id
            )
            locked = _lock_projects([entry], projects_on(waiting))
            for receipt in waiting:
                credit_now(receipt=receipt, actor=actor)
            _draft([entry], locked, actor)


def _lock_projects(entries: Sequence[RunEntry], others: Collection[int] = ()) -> Locked:
    """Lock the addressees of some entries, all projects that they pay for, and others."""
    keys = {entry.project_id for entry in entries}
    addressees = addressees_of(set(in_run(billed_to(keys)).values_list("pk", flat=True)))
    rows = lock_rows(Project.objects.all(), *keys, *addressees, *others)
    return Locked({row.pk: row for row in rows}, addressees)


def _draft(entries: Sequence[RunEntry], locked: Locked, actor: Actor) -> None:
    """Hand in a document over all that is unbilled for each of some entries of a run."""
    if not entries:
        return
    period = _closed(entries[0].run)
    lines = _lines(locked.addressees, period)
    of_entry = {entry.pk: lines.get((entry.project_id, entry.currency), []) for entry in entries}
    billed = [entry for entry in entries if of_entry[entry.pk]]
    taxes = taxes_for({entry.project_id for entry in billed}, timezone.localdate())
    wanted: list[tuple[RunEntry, Content]] = []
    for entry in entries:
        mine = of_entry[entry.pk]
        if not mine:
            _put(entry, E.NOTHING)
            continue
        taxed = taxes[entry.project_id]
        amounts = (line.amount for line in mine)
        total = totals_of(amounts, taxed.taxation, entry.currency).total
        if total <= 0:
            _put(entry, E.CARRIED, total=total)
            continue
        project = locked.projects[entry.project_id]
        window = _window(mine, period)
        wanted.append((entry, Content(project, mine, window, taxed, period.month)))
    _make(wanted, actor)
    _save(entries)


def _lines(addressees: dict[int, int], period: Period) -> Ours:
    """Group all that is unbilled of some projects, booked by the end of a period, in one pass."""
    look_up_by_index()
    charges = unbilled_charges(addressees).filter(period__lte=period.month)
    found: Ours = defaultdict(list)
    for line in lines_over(charges):
        found[addressees[line.project_id], line.currency].append(line)
    return found


def _make(wanted: Sequence[tuple[RunEntry, Content]], actor: Actor) -> None:
    """Make the documents, hand them in, and note what stands in the way of their issue."""
    if not wanted:
        return
    receipts = write_drafts(contents=[content for _, content in wanted], actor=actor)
    _hand_in(receipts, actor)
    today, ordered = timezone.localdate(), under_orders([r.project_id for r in receipts])
    for (entry, _content), receipt in zip(wanted, receipts, strict=True):
        found = _refusal(receipt, today) if receipt.project_id in ordered else None
        _put(entry, E.DRAFTED, receipt=receipt, total=receipt.total, problem=found)


def _refusal(receipt: Receipt, day: date) -> Problem:
    return refusal_of(lambda: order_for(receipt, day))


def _closed(run: BillingRun) -> Period:
    """Return the run's period. Raises Conflict if it was opened again since."""
    period = period_of(run.period_id)
    if period.closed_at != run.closed_at:
        raise Conflict(
            "reopened",
            _("The period was opened again. Once it is closed, its next run takes the charges."),
        )
    return period


def _to_credit(entries: Sequence[RunEntry]) -> set[int]:
    """Return the entries whose addressees have documents with charges that were reversed since.

    Notes over them lock documents after the counter of numbers, so such an entry is done alone.
    """
    if not entries:
        return set()
    project = "reverses__document_line__line__receipt__project"
    waiting = uncredited_reversals().filter(
        **{f"{project}__in": {entry.project_id for entry in entries}},
        period__lte=entries[0].run.period_id,
    )
    found = set(waiting.order_by().values_list(project, "currency").distinct())
    return {entry.pk for entry in entries if (entry.project_id, entry.currency) in found}


def _window(lines: Sequence[LineItem], period: Period) -> Interval:
    """From the period's start, or the first day of late usage, to the period's end."""
    first = min(line.first_end for line in lines if line.first_end is not None)
    day = localtime(first, site_zone()).date()
    return Interval(min(period.starts_at, local_midnight(day, site_zone())), period.ends_at)


def _hand_in(receipts: Sequence[Receipt], actor: Actor) -> None:
    """Let them wait for approval. Nobody submitted them, so any clerk may approve them."""
    now = timezone.now()
    transition_all(
        Receipt.objects.all(),
        table=STEPS,
        pks=[receipt.pk for receipt in receipts],
        before=S.DRAFT,
        after=S.PENDING,
        submitted_at=now,
    )
    for receipt in receipts:
        receipt.status, receipt.submitted_at = S.PENDING, now
        moved(S.DRAFT, S.PENDING)
    found = ((receipt, figures_of(receipt)) for receipt in receipts)
    record_all("receipt.submitted", actor=actor, found=found)


def _put(
    entry: RunEntry,
    state: RunEntry.State,
    *,
    problem: Problem | None = None,
    receipt: Receipt | None = None,
    total: Decimal | None = None,
) -> None:
    """Put what became of an entry on it, to be saved with the others."""
    if state not in ENTRY_STEPS[entry.state]:
        raise ValueError(f"an entry has no step from {entry.state} to {state}")
    entry.state, entry.problem, entry.receipt, entry.total = state, problem or {}, receipt, total


def _save(entries: Sequence[RunEntry]) -> None:
    RunEntry.objects.bulk_update(entries, ["state", "problem", "receipt", "total"])
