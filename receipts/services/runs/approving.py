"""The review of a run: documents are approved, sent back or discarded; entries are tried again.

Approving notes who approved, for one document or hundreds, in one statement; they are then issued,
some in a transaction. So nothing that was approved is lost where that breaks off.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import groupby
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import record
from core.actor import Actor
from core.bulk import in_batches
from core.errors import Changed, Conflict, Invalid
from core.locks import lock_rows
from core.queue import after_commit
from core.seen import require_seen
from core.transitions import transition
from receipts.alone import not_second_to
from receipts.models import BillingRun, Receipt, RunEntry
from receipts.services.billed import note_billed
from receipts.services.drafting import discard_draft
from receipts.services.issuing import issue_all, issue_receipt, return_receipt, submit_receipt
from receipts.services.runs.steps import ADVANCE_TASK, ISSUE_TASK, RETRIED, RUN_STEPS
from receipts.services.steps import locked_all
from receipts.services.telling import DEFECT, problem, refusal_of

log = logging.getLogger(__name__)
E = RunEntry.State
R = BillingRun.Status
S = Receipt.Status
NAMED = 10
"""Documents that are named at the most where several changed."""

TOGETHER = 20
"""Documents that are issued in a transaction. The series of their numbers is locked meanwhile, for
a fraction of a second."""


class Seen(NamedTuple):
    """The document of an entry as a person saw it. Lines of documents never change, so its key and
    total tell it from any other."""

    receipt_id: int | None
    total: Decimal | None


def seen_in(entries: QuerySet[RunEntry]) -> dict[int, Seen]:
    """Return the documents of entries as a person sees them now, by the entries' keys."""
    rows = entries.values_list("pk", "receipt", "receipt__total")
    return {pk: Seen(receipt, total) for pk, receipt, total in rows}


def approve(*, seen: Mapping[int, Seen], actor: Actor) -> int:
    """Note that a person approves the documents of these entries as they were seen; they are then
    issued one by one. Returns how many were not approved before.

    Documents that are approved or issued already, and those that another person has to approve, are
    left out: a second click finds nothing more to approve. Raises Invalid where nobody is named,
    and Changed, approving none, where a document was sent back, discarded or drafted anew since.
    """
    if actor.user_id is None:
        raise Invalid("person", _("This needs the name of a person."))
    with transaction.atomic():
        lock_rows(RunEntry.objects.all(), *seen)
        _require_as_seen(seen)
        keys = list(to_approve(actor).filter(pk__in=seen).values_list("pk", flat=True))
        if not keys:
            return 0
        chosen = RunEntry.objects.filter(pk__in=keys)
        for run_id, sums in _sums(chosen).items():
            run = BillingRun.objects.get(pk=run_id)
            record("run.approved", actor=actor, target=run, data=sums)
            after_commit(ISSUE_TASK, run_id)
        chosen.update(approved_by=actor.user_id, approved_at=timezone.now(), problem={})
    return len(keys)


def _require_as_seen(seen: Mapping[int, Seen]) -> None:
    """Raise Changed, naming the addressees, unless all that is not approved waits as it was seen.

    Whoever makes another document of an entry changes the entry, which is locked.
    """
    rows = RunEntry.objects.filter(pk__in=seen, approved_by=None)
    changed = []
    for entry in rows.select_related("receipt", "project").order_by("project__code", "pk"):
        receipt = entry.receipt
        if receipt is not None and receipt.status not in Receipt.BEFORE_ISSUE:
            continue
        sent_back = receipt is not None and receipt.status != S.PENDING
        if sent_back or seen[entry.pk] != seen_of(entry):
            changed.append(entry.project.code)
    if changed:
        shown = ", ".join(changed[:NAMED]) + (" …" if len(changed) > NAMED else "")
        said = _(
            "Changed since you looked, so nothing is approved: %(projects)s. Look at the new"
            " figures, and confirm again."
        )
        raise Changed(said % {"projects": shown})


def to_approve(actor: Actor) -> QuerySet[RunEntry]:
    """Return the entries whose documents a person may approve: not those that he or she handed in,
    or decided alone more of than the limit."""
    rows = RunEntry.objects.filter(receipt__status=S.PENDING, approved_by=None)
    own = Q(receipt__submitted_by__isnull=False, receipt__submitted_by=actor.user_id)
    waiting = Receipt.objects.filter(pk__in=rows.order_by().values("receipt"))
    return rows.exclude(own | Q(receipt__in=not_second_to(waiting, actor.user_id)))


def _sums(entries: QuerySet[RunEntry]) -> dict[int, dict[str, object]]:
    """Return what an event says of each run: which documents, and their sums by currency."""
    receipts: dict[int, list[int | None]] = {}
    for run_id, receipt_id in entries.order_by("pk").values_list("run", "receipt"):
        receipts.setdefault(run_id, []).append(receipt_id)
    found: dict[int, dict[str, object]] = {key: {"receipts": ids} for key, ids in receipts.items()}
    sums = entries.order_by().values_list("run", "currency").annotate(sum=Sum("receipt__total"))
    for run_id, currency, total in sums:
        found[run_id][currency] = total
    return found


def issue_approved(*, run_id: int, seconds: float | None = None) -> bool:
    """Issue what was approved in a run, for so long at most; returns whether some is left.

    Several callers at once, or the same again, issue each once. A refusal takes the approval back
    and is noted with what to do.
    """
    until = None if seconds is None else time.monotonic() + seconds
    rows = approved().filter(run=run_id).order_by("approved_by", "pk")
    found = list(rows.values_list("approved_by", "pk", "receipt", "receipt__total"))
    people = User.objects.in_bulk({row[0] for row in found})
    for user_id, mine in groupby(found, key=lambda row: row[0]):
        for some in in_batches(mine, TOGETHER):
            if until is not None and time.monotonic() >= until:
                return True
            _issue_some([row[1:] for row in some], Actor.of(people[user_id]))
    if found:
        note_billed(month=BillingRun.objects.get(pk=run_id).period_id)
    return False


def approved() -> QuerySet[RunEntry]:
    """Return the entries whose documents are approved and not issued yet."""
    return RunEntry.objects.filter(approved_by__isnull=False, receipt__status=S.PENDING)


def to_issue() -> list[int]:
    """Return the runs in which something is approved and not issued yet."""
    return sorted(set(approved().values_list("run", flat=True)))


def _issue_some(rows: Sequence[tuple[int, int, Decimal]], actor: Actor) -> None:
    """Issue the documents of entries in one transaction, or, if one of them is refused or fails,
    which undoes the others, each in its own."""
    totals = {receipt_id: total for _, receipt_id, total in rows}
    try:
        with transaction.atomic():
            receipts = locked_all(list(totals))
            # Those that somebody else issued meanwhile, or sent back, are left out.
            still = set(approved().filter(receipt__in=receipts).values_list("receipt", flat=True))
            mine = [each for each in receipts if each.pk in still]
            issue_all(receipts=mine, actor=actor, expected=totals)
    except (InterfaceError, OperationalError):
        raise  # the connection or the server, not these documents
    except Exception:
        log.info("documents of a monthly run are issued one by one", exc_info=True)
        for entry_id, receipt_id, total in rows:
            _issue(entry_id, receipt_id, actor, total)


def _issue(entry_id: int, receipt_id: int, actor: Actor, total: Decimal) -> None:
    act = partial(issue_receipt, receipt_id=receipt_id, actor=actor, expected_total=total)
    try:
        found = refusal_of(act)
    except (InterfaceError, OperationalError):
        raise  # the connection or the server, not this document
    except Exception:
        # One document that can't be issued does not keep back those after it.
        log.exception("the document of entry %s of a monthly run was not issued", entry_id)
        found = problem("defect", DEFECT)
    if found:
        # Where somebody else issued it meanwhile, that is no problem.
        refused = RunEntry.objects.filter(
            pk=entry_id, receipt=receipt_id, receipt__status__in=Receipt.BEFORE_ISSUE
        )
        refused.update(approved_by=None, approved_at=None, problem=found)


def send_back(*, entry_id: int, actor: Actor, reason: str, seen: str | None = None) -> None:
    """Make a draft again of an entry's document, saying why. This, and what follows, raise Changed
    where ``seen`` is a mark of another document than the entry has by now."""
    with transaction.atomic():
        entry, receipt = _document_of(entry_id, seen)
        return_receipt(receipt_id=receipt.pk, actor=actor, reason=reason)
        texts = {"texts": {"": reason.strip()}, "code": "returned"}
        rows = RunEntry.objects.filter(pk=entry.pk, state=E.DRAFTED)
        rows.update(approved_by=None, approved_at=None, problem=texts)


def hand_in(*, entry_id: int, actor: Actor, seen: str | None = None) -> None:
    """Hand a document in again that was sent back; another person approves it then."""
    with transaction.atomic():
        entry, receipt = _document_of(entry_id, seen)
        submit_receipt(receipt_id=receipt.pk, actor=actor)
        RunEntry.objects.filter(pk=entry.pk).update(problem={})


def seen_of(entry: RunEntry) -> Seen:
    """Return the document of an entry as a person sees it now."""
    return Seen(entry.receipt_id, entry.receipt.total if entry.receipt else None)


def discard(*, entry_id: int, actor: Actor, reason: str, seen: str | None = None) -> None:
    """Delete an entry's document; its charges can be billed again, by this entry or another way."""
    with transaction.atomic():
        _entry, receipt = _document_of(entry_id, seen)
        if receipt.status == S.PENDING:
            return_receipt(receipt_id=receipt.pk, actor=actor, reason=reason)
        discard_draft(receipt_id=receipt.pk, actor=actor)


def _document_of(entry_id: int, seen: str | None) -> tuple[RunEntry, Receipt]:
    """Return an entry with its document, as its page showed it. Raises Conflict if somebody has
    discarded that meanwhile."""
    entry = RunEntry.objects.select_related("receipt").get(pk=entry_id)
    if entry.receipt is None:
        raise Conflict("gone", _("This draft was discarded by someone else."))
    require_seen(seen, *seen_of(entry))
    return entry, entry.receipt


def retry(*, entry_ids: Collection[int], actor: Actor) -> int:
    """Let entries be done again that failed, were carried forward or discarded.

    Returns how many.
    """
    with transaction.atomic():
        entries = RunEntry.objects.filter(state__in=RETRIED)
        chosen = lock_rows(entries, *entry_ids)
        for run in lock_rows(BillingRun.objects.all(), *{entry.run_id for entry in chosen}):
            if run.status == R.DRAFTED:
                transition(
                    BillingRun.objects.all(),
                    table=RUN_STEPS,
                    pk=run.pk,
                    before=R.DRAFTED,
                    after=R.DRAFTING,
                    ended_at=None,
                )
            count = sum(entry.run_id == run.pk for entry in chosen)
            record("run.retried", actor=actor, target=run, data={"entries": count})
            after_commit(ADVANCE_TASK, run.pk)
        keys = [entry.pk for entry in chosen]
        RunEntry.objects.filter(pk__in=keys).update(state=E.WAITING, problem={}, total=None)
    return len(keys)
