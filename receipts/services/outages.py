"""Outages where they meet documents: what is billed already is given back by credit notes."""

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from core.actor import Actor
from core.errors import Conflict
from core.locks import lock_rows
from pricing.models import Adjustment, OutageCredit
from pricing.outages import credits_of
from pricing.selectors import charge_of_adjustment
from pricing.services.outages import DocumentLine, approve_outage
from receipts.arithmetic import LineItem
from receipts.models import Line, LineCharge, Receipt
from receipts.selectors import CREDITABLE
from receipts.services import write_note
from receipts.settling import payable_changed


def approve_outage_credit(
    *, outage_id: int, actor: Actor, seen: str | None = None
) -> list[Adjustment]:
    """Let an outage give back what was submitted: on the next receipts of the projects, and of what
    is on issued receipts by a credit note over each.

    Raises what ``approve_outage`` does, and Conflict where so much of a line was credited by hand
    already that this would be more than all of it.
    """
    try:
        return _approve(outage_id, actor, seen)
    except IntegrityError as error:
        raise Conflict(
            "less_left",
            _("A receipt was credited already: a line has less left than this would give back."),
        ) from error


def _approve(outage_id: int, actor: Actor, seen: str | None) -> list[Adjustment]:
    with transaction.atomic():
        _lock(OutageCredit.objects.get(pk=outage_id))
        made = approve_outage(outage_id=outage_id, lines_of=issued_lines_of, actor=actor, seen=seen)
        by_receipt: dict[int, list[Adjustment]] = defaultdict(list)
        for row in made:
            if row.credits_receipt_id is not None:
                by_receipt[row.credits_receipt_id].append(row)
        for key in sorted(by_receipt):
            receipt = Receipt.objects.select_related("project").get(pk=key)
            rows = by_receipt[key]
            lines = [_line(row) for row in rows]
            write_note(receipt=receipt, lines=lines, actor=actor, reason=rows[0].text)
            payable_changed(receipt, actor=actor)
    return made


def issued_lines_of(charge_ids: Collection[int]) -> dict[int, DocumentLine]:
    """Return the lines of issued receipts that charges are on."""
    links = _links(charge_ids).values_list("charge_id", "line__receipt_id", "line_id")
    return {charge: DocumentLine(receipt, line) for charge, receipt, line in links}


def _links(charge_ids: Collection[int]) -> QuerySet[LineCharge]:
    return LineCharge.objects.filter(
        charge_id__in=charge_ids,
        line__receipt__kind=Receipt.Kind.RECEIPT,
        line__receipt__status__in=CREDITABLE,
    )


def _lock(row: OutageCredit) -> None:
    """Lock the projects and then the receipts that are concerned, each in the order of the house:
    a receipt may be another project's than its charges."""
    found = credits_of(row)
    links = _links([one.charge_id for one in found])
    receipts = dict(links.values_list("line__receipt_id", "line__receipt__project_id"))
    projects = {one.project_id for one in found} | set(receipts.values())
    lock_rows(Project.objects.all(), *projects)
    lock_rows(Receipt.objects.all(), *receipts)


def _line(row: Adjustment) -> LineItem:
    """Return the line of a credit note: a part of a receipt's line, given back by hand."""
    charge = charge_of_adjustment(row)
    if charge is None or row.credits_line_id is None:
        raise ValueError("an approved adjustment has a charge, and this one credits a line")
    original = Line.objects.get(pk=row.credits_line_id)
    earlier = original.credited_by.exclude(receipt__status__in=Receipt.BEFORE_ISSUE)
    before = earlier.aggregate(sum=Sum("charged"))["sum"] or Decimal(0)
    return LineItem(
        row.currency, original.project_id, original.resource, original.unit_price,
        original.unit_size, original.rate_id, row.text, 0, row.amount, 0, (charge.pk,),
        original.pk, before,
    )  # fmt: skip
