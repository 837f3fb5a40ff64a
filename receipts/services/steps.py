"""The steps that a document can take, and what each of them needs."""

from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from core import metrics
from core.errors import Conflict
from core.locks import lock_rows
from core.transitions import Table
from receipts.models import Line, Receipt, ReceiptStatus

S = Receipt.Status
STEPS: Table = {
    S.DRAFT: frozenset({S.PENDING, S.ISSUED}),
    S.PENDING: frozenset({S.DRAFT, S.ISSUED}),
    S.ISSUED: frozenset({S.PART_PAID, S.PAID, S.VOID, S.WRITTEN_OFF}),
    # Back where tax that was recorded as withheld is taken back.
    S.PART_PAID: frozenset({S.ISSUED, S.PAID, S.VOID, S.WRITTEN_OFF}),
    S.PAID: frozenset({S.ISSUED, S.PART_PAID, S.VOID}),
}


def locked(receipt_id: int, others: Iterable[int] = ()) -> Receipt:
    """Lock a document, its project, those whose usage is on it and other projects, in the order of
    the house: projects first. What is taken back of it, and charged anew, is theirs, and writing
    that locks them; so they are locked before a series is. Raises Conflict if it is gone."""
    found = Receipt.objects.filter(pk=receipt_id).values_list("project_id", flat=True).first()
    if found is not None:
        keys = {found, *others} | projects_on(Receipt.objects.filter(pk=receipt_id))
        projects = {row.pk: row for row in lock_rows(Project.objects.all(), *keys)}
        rows = lock_rows(Receipt.objects.all(), receipt_id)
        if rows:
            rows[0].project = projects[found]
            return rows[0]
    raise Conflict("gone", _("This draft was discarded by someone else."))


def projects_on(receipts: QuerySet[Receipt]) -> set[int]:
    """Return the projects whose usage is on documents. Who pays for them may be another one, and
    who paid for them then may not pay for them any more."""
    lines = Line.objects.filter(receipt__in=receipts.order_by().values("pk"))
    return set(lines.order_by().values_list("project", flat=True).distinct())


def locked_all(receipt_ids: Collection[int]) -> list[Receipt]:
    """Lock documents and their projects, in the same order; those that are gone are left out."""
    ids = Receipt.objects.filter(pk__in=receipt_ids).order_by().values_list("project", flat=True)
    rows = lock_rows(Project.objects.select_related("department"), *ids.distinct())
    projects = {project.pk: project for project in rows}
    found = lock_rows(Receipt.objects.all(), *receipt_ids)
    for receipt in found:
        receipt.project = projects[receipt.project_id]
    return found


def require(receipt: Receipt, *statuses: ReceiptStatus) -> None:
    """Raise Conflict unless a document is in one of these states."""
    if receipt.status not in statuses:
        raise Conflict(
            "stale_status",
            _("This receipt is “%(status)s”; the step is not possible any more.")
            % {"status": receipt.get_status_display()},
        )


def figures_of(receipt: Receipt) -> dict[str, object]:
    """Return what the audit log keeps of a document at each step."""
    return {
        "kind": receipt.kind,
        "project": receipt.project.code,
        "number": receipt.number,
        "currency": receipt.currency,
        "net": receipt.net_amount,
        "tax": receipt.tax_amount,
        "total": receipt.total,
        "from": receipt.window_start,
        "until": receipt.window_end,
    }


def moved(before: str, after: str) -> None:
    """Count a transition once it is committed."""
    counter = metrics.RECEIPT_TRANSITIONS.labels(from_status=before or "new", to_status=after)
    transaction.on_commit(counter.inc)
