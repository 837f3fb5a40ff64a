"""Reading payments, balances and what is to be decided."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, ExpressionWrapper, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.models import Project
from accounts.selectors import Viewer, projects_managed_by
from payments.models import Allocation, InboundEvent, OfficialReceipt, Payment, Refund, Withholding
from receipts.models import Receipt, WriteOff
from receipts.selectors import receipts_visible_to

_AMOUNT: DecimalField[Decimal, Decimal] = DecimalField(max_digits=18, decimal_places=4)
ZERO = Decimal(0)


def payments_visible_to(user: Viewer) -> QuerySet[Payment]:
    """Return the payments of receipts that a person may see."""
    payments = Payment.objects.filter(receipt__in=receipts_visible_to(user))
    return payments.select_related("receipt", "receipt__project")


def payments_readable_by(user: Viewer) -> QuerySet[Payment]:
    """Return all payments to staff whose role sees them, else what ``payments_visible_to`` does."""
    if user.has_perm("payments.view_payment"):
        return Payment.objects.select_related("receipt", "receipt__project")
    return payments_visible_to(user)


def _sum_of(rows: QuerySet[Any], by: str, what: str = "amount") -> Coalesce:
    """The sum of the rows of an outer one, zero where there is none."""
    sums = rows.filter(**{by: OuterRef("pk")}).order_by().values(by).annotate(sum=Sum(what))
    return Coalesce(Subquery(sums.values("sum"), output_field=_AMOUNT), ZERO)


def with_parts(payments: QuerySet[Payment]) -> QuerySet[Any]:
    """Add to payments what of each is ``allocated``, ``refunded`` or about to be, and
    ``unallocated``, which means something of those that arrived."""
    given_back = Refund.objects.exclude(status=Refund.Status.REJECTED)
    # What the bank took back counts once a second person has approved it.
    given_back = given_back.exclude(bounced=True, status=Refund.Status.REQUESTED)
    return payments.annotate(
        allocated=_sum_of(Allocation.objects.all(), "payment"),
        refunded=_sum_of(given_back, "payment"),
        unallocated=ExpressionWrapper(
            F("amount") - F("allocated") - F("refunded"), output_field=_AMOUNT
        ),
    )


def with_unallocated(payments: QuerySet[Payment]) -> QuerySet[Any]:
    """Return those payments that arrived, with what is ``unallocated`` of each: what settles no
    receipt, and is not given back or about to be."""
    return with_parts(payments.filter(status=Payment.Status.SUCCEEDED))


def unallocated_of(payment: Payment) -> Decimal:
    """Return what of a payment settles nothing and is not given back; zero if it never arrived."""
    found = with_unallocated(Payment.objects.filter(pk=payment.pk))
    return found.values_list("unallocated", flat=True).first() or ZERO


def bounces_of(receipt: Receipt) -> int:
    """Return how many payments that settled a receipt the bank took back, as two persons found."""
    found = Refund.objects.filter(bounced=True, status=Refund.Status.PAID_OUT)
    return found.filter(payment__in=receipt.allocations.values("payment")).count()


@dataclass(frozen=True, slots=True)
class Balance:
    """What a project has paid in one currency that settles nothing yet."""

    project: Project
    currency: str
    amount: Decimal
    payments: int


def balances(projects: QuerySet[Project] | None = None) -> list[Balance]:
    """Return the balances of projects that have one, by code and currency."""
    found = with_unallocated(Payment.objects.all()).filter(unallocated__gt=0)
    if projects is not None:
        found = found.filter(receipt__project__in=projects)
    groups: dict[tuple[Project, str], list[Decimal]] = {}
    for payment in found.select_related("receipt__project"):
        key = payment.receipt.project, payment.currency
        groups.setdefault(key, []).append(payment.unallocated)
    rows = [Balance(*key, sum(parts, ZERO), len(parts)) for key, parts in groups.items()]
    return sorted(rows, key=lambda row: (row.project.code, row.currency))


def balances_visible_to(user: Viewer) -> list[Balance]:
    """Return the balances of the projects that a person acts for."""
    return balances(projects_managed_by(user))


def balance_of(project: Project, currency: str) -> Decimal:
    """Return what a project has paid in a currency that settles nothing yet."""
    mine = Payment.objects.filter(receipt__project=project, currency=currency)
    return with_unallocated(mine).aggregate(sum=Sum("unallocated"))["sum"] or ZERO


def official_receipts_visible_to(user: Viewer) -> QuerySet[OfficialReceipt]:
    """Return the official receipts of receipts that a person may see; all, to staff who may."""
    found = OfficialReceipt.objects.select_related("receipt__project", "series")
    if user.has_perm("payments.view_officialreceipt"):
        return found
    return found.filter(receipt__in=receipts_visible_to(user))


def withholdings_of(receipt: Receipt) -> QuerySet[Withholding]:
    """Return the tax withheld of a receipt that was not taken back, oldest first."""
    return Withholding.objects.filter(receipt=receipt, reverses=None, reversal=None).order_by("pk")


def with_standing(receipts: QuerySet[Receipt]) -> QuerySet[Any]:
    """Add to receipts what their settlement is: ``noted`` by credit notes (less than zero),
    ``allocated``, ``withheld`` and ``written_off``."""
    notes = Receipt.objects.exclude(status__in=Receipt.BEFORE_ISSUE)
    given_up = WriteOff.objects.filter(status=WriteOff.Status.APPROVED)
    return receipts.annotate(
        noted=_sum_of(notes, "corrects", "total"),
        allocated=_sum_of(Allocation.objects.all(), "receipt"),
        withheld=_sum_of(Withholding.objects.all(), "receipt"),
        written_off=_sum_of(given_up, "receipt"),
    )


def mismatches() -> QuerySet[InboundEvent]:
    """Return payments that arrived and match nothing, waiting for a person, oldest first."""
    rows = InboundEvent.objects.filter(outcome=InboundEvent.Outcome.MISMATCH, resolved_at=None)
    return rows.select_related("payment__receipt__project").order_by("received_at")


def payments_of(receipt: Receipt) -> QuerySet[Payment]:
    """Return the attempts to pay a receipt, newest first."""
    return Payment.objects.filter(receipt=receipt).order_by("-pk")


def has_open_mismatch(receipt: Receipt) -> bool:
    """Tell whether something arrived for a receipt that a person still has to look at."""
    return mismatches().filter(payment__receipt=receipt).exists()


def taken_back(payment: Any) -> QuerySet[Refund]:
    """Return what says of a payment that the bank took it back, approved by a second person."""
    return Refund.objects.filter(payment=payment, bounced=True, status=Refund.Status.PAID_OUT)


def bounces(payment: Payment) -> bool:
    """Tell whether a payment can be taken back: it arrived, and nothing of it was given back."""
    given_back = payment.refunds.exclude(status=Refund.Status.REJECTED)
    return payment.status == Payment.Status.SUCCEEDED and not given_back.exists()


def state_of(payment: Payment) -> str:
    """Return how a payment stands for its payer: its status; ``taken_back`` if the bank took it
    back; ``mismatch`` if something arrived that
    a person has to look at; ``settled_otherwise`` if its receipt needs it no more."""
    if payment.status == Payment.Status.SUCCEEDED:
        return "taken_back" if taken_back(payment).exists() else Payment.Status.SUCCEEDED
    if mismatches().filter(payment=payment).exists():
        return "mismatch"
    waits = payment.status == Payment.Status.PENDING
    if waits and payment.receipt.status not in Receipt.OPEN:
        return "settled_otherwise"
    return payment.status
