"""Making drafts: charges are put on lines, which reserves them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from audit.services import record, record_all
from core.actor import Actor
from core.errors import Conflict
from core.intervals import Interval
from core.locks import lock_rows
from core.money import exponent
from receipts.arithmetic import LineItem, Totals, in_order, totals_of
from receipts.models import Line, Receipt, RunEntry
from receipts.selectors import lines_over, unbilled_in
from receipts.services.steps import figures_of, locked, moved, require
from receipts.taxing import Taxed, tax_for

S = Receipt.Status


def draft_receipt(
    *, project_id: int, window: Interval, actor: Actor, currency: str = ""
) -> Receipt:
    """Put all unbilled charges of a project and window on a new draft, which reserves them.

    The project's lock makes two callers at once produce one document. Raises Conflict if there is
    nothing to bill, naming the draft or receipt that has the charges if one was just made.
    """
    currency = currency or settings.SITE_CURRENCY
    with transaction.atomic():
        (project,) = lock_rows(Project.objects.all(), project_id)
        lines = lines_over(unbilled_in(project, window, currency))
        if not lines:
            raise Conflict(
                "nothing_to_bill",
                _(
                    "There is nothing to bill for this project in this period. "
                    "It may be on another receipt already."
                ),
            )
        return write_draft(project=project, lines=lines, window=window, actor=actor)


@dataclass(frozen=True, slots=True)
class Content:
    """What a draft is to say: lines of one currency, for whom and over which time."""

    project: Project
    lines: Sequence[LineItem]
    window: Interval
    taxed: Taxed
    period: date | None = None


def write_draft(
    *, project: Project, lines: Sequence[LineItem], window: Interval, actor: Actor
) -> Receipt:
    """Make a draft with these lines for a project, which is locked; in the caller's transaction."""
    taxed = tax_for(project, timezone.localdate())
    (receipt,) = write_drafts(contents=[Content(project, lines, window, taxed)], actor=actor)
    return receipt


def write_drafts(*, contents: Sequence[Content], actor: Actor) -> list[Receipt]:
    """Make several drafts in as many statements as one needs; their projects are locked by the
    caller's transaction."""
    drafts = [(_receipt(each, actor), each.lines) for each in contents]
    _save(drafts, actor)
    return [receipt for receipt, _lines in drafts]


def _receipt(content: Content, actor: Actor) -> Receipt:
    currency, taxed = content.lines[0].currency, content.taxed
    receipt = Receipt(project=content.project, period=content.period, created_by_id=actor.user_id)
    receipt.window_start, receipt.window_end = content.window.start, content.window.end
    totals = totals_of((line.amount for line in content.lines), taxed.taxation, currency)
    put_amounts(receipt, totals, taxed, currency)
    return receipt


def put_amounts(receipt: Receipt, totals: Totals, taxed: Taxed, currency: str) -> None:
    """Put amounts and how they are taxed on a document that is not saved yet."""
    receipt.currency, receipt.decimals = currency, exponent(currency)
    receipt.net_amount, receipt.tax_amount, receipt.total = totals.net, totals.tax, totals.total
    receipt.tax_category, receipt.tax_rate = taxed.taxation.category, taxed.taxation.rate
    receipt.tax_inclusive = taxed.taxation.inclusive


def save_draft(receipt: Receipt, lines: Sequence[LineItem], actor: Actor) -> Receipt:
    """Save a new document with its lines; in the caller's transaction."""
    _save([(receipt, lines)], actor)
    return receipt


def _save(drafts: Sequence[tuple[Receipt, Sequence[LineItem]]], actor: Actor) -> None:
    receipts = [receipt for receipt, _lines in drafts]
    Receipt.objects.bulk_create(receipts)
    _write_lines([(receipt, in_order(lines)) for receipt, lines in drafts])
    found = ((receipt, figures_of(receipt)) for receipt in receipts)
    record_all("receipt.drafted", actor=actor, found=found)
    for _each in receipts:
        moved("", S.DRAFT)


def _write_lines(drafts: Sequence[tuple[Receipt, list[LineItem]]]) -> None:
    lines = Line.objects.bulk_create(
        Line(
            receipt=receipt,
            position=position,
            project_id=item.project_id,
            resource=item.resource,
            text=item.text,
            unit_price=item.unit_price,
            unit_size=item.unit_size,
            rate_id=item.rate_id,
            quantity=item.quantity,
            charged=item.charged,
            amount=item.amount,
            jobs=item.jobs,
            corrects_id=item.corrects_id,
        )
        for receipt, items in drafts
        for position, item in enumerate(items, start=1)
    )
    pairs = zip(lines, chain.from_iterable(items for _, items in drafts), strict=True)
    _link((line.pk, item.charge_ids) for line, item in pairs)


def _link(lines: Iterable[tuple[int, Sequence[int]]]) -> None:
    """Put charges on lines in one statement: there may be thousands on each.

    In the order of the charges, which is how they lie in the table and in its index: the rule that
    looks at each of them then reads what lies side by side.
    """
    found = list(lines)
    # As text, because an adapter would look at each key.
    texts = [f"{{{','.join(map(str, charge_ids))}}}" for _, charge_ids in found]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO receipts_linecharge (line_id, charge_id)"
            " SELECT l.id, charge FROM unnest(%s::bigint[], %s::text[]) l (id, charges),"
            " unnest(l.charges::bigint[]) charge ORDER BY charge",
            [[pk for pk, _ in found], texts],
        )


def discard_draft(*, receipt_id: int, actor: Actor) -> None:
    """Delete a draft and free its charges. Raises Conflict if it is issued or to be approved."""
    with transaction.atomic():
        receipt = locked(receipt_id)
        require(receipt, S.DRAFT)
        record("receipt.discarded", actor=actor, target=receipt, data=figures_of(receipt))
        _free_entry(receipt)
        receipt.delete()


def _free_entry(receipt: Receipt) -> None:
    """Let the monthly run that made a draft know that it is gone, and can be made anew."""
    RunEntry.objects.filter(receipt=receipt, state=RunEntry.State.DRAFTED).update(
        state=RunEntry.State.DISCARDED,
        receipt=None,
        problem={},
        approved_by=None,
        approved_at=None,
    )
