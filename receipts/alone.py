"""What one person alone gave or charged by hand: credits, discounts and fees that nobody else
approved.

One document carries at most ``ADJUSTMENT_LIMIT`` of it, or a second person issues it: who pays for
a project may change after amounts were decided, so it is its issue that counts. Money that is given
away and money that is charged count alike, whoever decided, and do not offset each other: otherwise
many small amounts would do what a large one may not. What was taken back does not count.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum, TextField, Value
from django.db.models.functions import Abs, Cast, Concat

from core.errors import Conflict, Text
from core.formatting import money
from pricing.limits import limit_in
from pricing.models import Adjustment, Charge, ChargeKind, ReviewStatus
from pricing.models.adjustments import RESOURCE
from pricing.selectors import live_charges
from receipts.addressees import addressees_of, billed_to
from receipts.models import Line, Receipt

_KEY = Concat(Value(f"{RESOURCE}:"), Cast(OuterRef("pk"), TextField()))


def alone_before(row: Adjustment) -> Decimal:
    """Return what one person alone decided of what goes on the next documents of an adjustment's
    addressee, in its currency: on none yet, or on drafts."""
    addressee = addressees_of([row.project_id])[row.project_id]
    projects = billed_to([addressee])
    unbilled = Q(document_line=None) | Q(
        document_line__line__receipt__status__in=Receipt.BEFORE_ISSUE
    )
    found = _alone(row.currency).filter(project__in=projects, credits_receipt_id=None)
    return _sum(found.filter(Exists(_charges().filter(unbilled))))


def alone_on(receipt: Receipt) -> Decimal:
    """Return what one person alone decided of what is on a receipt, and gave back of it since."""
    of_receipt = Exists(_charges().filter(document_line__line__receipt=receipt))
    given_back = Q(credits_receipt_id=receipt.pk) & Exists(_charges())
    projects = receipt.lines.order_by().values("project")
    found = _alone(receipt.currency).filter(project__in=projects)
    return _sum(found.filter(given_back | Q(of_receipt)))


@dataclass(frozen=True, slots=True)
class Alone:
    """What one person alone decided of what a draft carries, and who wrote it."""

    amount: Decimal
    authors: frozenset[int]

    def is_beyond(self, limit: Decimal) -> bool:
        """Whether the draft is issued by a second person only."""
        return self.amount > limit

    def is_second(self, person: int | None, receipt: Receipt) -> bool:
        """Whether somebody is a second person to it: who neither wrote any of it nor drafted the
        document. The database asks the same (``receipts_receipt_alone``)."""
        return person is not None and person not in {*self.authors, receipt.created_by_id}


def alone_on_drafts(receipt_ids: Collection[int]) -> dict[int, Alone]:
    """Return what one person alone decided of what each of these drafts carries; those without are
    left out. Before issue all charges of a draft are in force."""
    lines = Line.objects.filter(receipt__in=receipt_ids, resource__startswith=f"{RESOURCE}:")
    carried = lines.filter(corrects=None).order_by().values_list("receipt", "resource")
    of = {int(resource.partition(":")[2]): receipt for receipt, resource in carried}
    rows = Adjustment.objects.filter(pk__in=of, status=ReviewStatus.APPROVED, decided_by=None)
    found: dict[int, list[Adjustment]] = {}
    for row in rows.only("amount", "author") if of else ():
        found.setdefault(of[row.pk], []).append(row)
    return {receipt: _told(mine) for receipt, mine in found.items()}


def beyond_limit(receipts: Iterable[Receipt]) -> dict[int, Alone]:
    """Return, by key, what one alone decided of those drafts that a second person issues: it is
    more than ``ADJUSTMENT_LIMIT``."""
    drafts = {receipt.pk: receipt for receipt in receipts if receipt.status in receipt.BEFORE_ISSUE}
    found = alone_on_drafts(drafts)
    limits = {key: limit_in(drafts[key].currency) for key in found}
    return {key: alone for key, alone in found.items() if alone.is_beyond(limits[key])}


def not_second_to(receipts: QuerySet[Receipt], person: int | None) -> set[int]:
    """Return the keys of those drafts that take a second person, which somebody is not."""
    by_hand = receipts.filter(lines__resource__startswith=f"{RESOURCE}:").distinct()
    drafts = {receipt.pk: receipt for receipt in by_hand}
    beyond = beyond_limit(drafts.values())
    return {key for key, alone in beyond.items() if not alone.is_second(person, drafts[key])}


def above_limit(said: Text, amount: Decimal, currency: str) -> Conflict:
    """Return a refusal because of what one person alone decided; what it says names the ``amount``
    and the ``limit``."""
    amounts = {"amount": amount, "limit": limit_in(currency)}
    return Conflict("alone", str(said) % {k: money(v, currency) for k, v in amounts.items()})


def _told(rows: list[Adjustment]) -> Alone:
    amount = sum((abs(row.amount) for row in rows), Decimal(0))
    return Alone(amount, frozenset(row.author_id for row in rows))


def _alone(currency: str) -> QuerySet[Adjustment]:
    return Adjustment.objects.filter(
        status=ReviewStatus.APPROVED, decided_by=None, currency=currency
    )


def _charges() -> QuerySet[Charge]:
    """The charge in force of the adjustment that a query asks about."""
    ours = Charge.objects.filter(
        project=OuterRef("project"),
        job_end=OuterRef("at"),
        kind=ChargeKind.MANUAL,
        resource=_KEY,
    )
    return live_charges(ours)


def _sum(rows: QuerySet[Adjustment]) -> Decimal:
    return rows.order_by().aggregate(sum=Sum(Abs("amount")))["sum"] or Decimal(0)
