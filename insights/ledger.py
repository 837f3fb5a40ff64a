"""What changes what a project owes: documents, and what settles them, each at its moment.

One table of sources, which aging and statements sum up in SQL, so that both tell the same. A
project's balance is the sum of all of it: what it owes, less what it paid beyond that.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, Max, QuerySet, Sum, TextChoices
from django.utils.translation import gettext_lazy as _

from payments.models import Payment, Refund, Withholding
from receipts.models import Receipt, WriteOff
from receipts.selectors import ISSUED


class FactKind(TextChoices):
    """What kind of fact changes a balance."""

    RECEIPT = "receipt", _("Receipt")
    OPENING = "opening", _("Opening balance")
    CREDIT_NOTE = "credit_note", _("Credit note")
    PAYMENT = "payment", _("Payment")
    WITHHELD = "withheld", _("Tax withheld")
    WRITTEN_OFF = "written_off", _("Written off")
    REFUND = "refund", _("Refund")
    BOUNCED = "bounced", _("Payment taken back")


@dataclass(frozen=True)
class Source:
    """Where facts of a kind stand: whose they are, when they were, and what they add."""

    kind: FactKind
    rows: Callable[[], QuerySet[Any]]
    project: str
    currency: str
    moment: str
    amount: Any
    document: str

    def between(self, start: datetime | None, until: datetime) -> QuerySet[Any]:
        """Return the facts of ``[start, until)``, or of all time before ``until``."""
        span = {f"{self.moment}__lt": until}
        if start is not None:
            span[f"{self.moment}__gte"] = start
        return self.rows().filter(**span).order_by()


SOURCES = (
    Source(
        FactKind.RECEIPT,
        lambda: Receipt.objects.filter(kind="receipt", status__in=ISSUED),
        "project", "currency", "issued_at", F("total"), "pk",
    ),
    # It is of a day when this site knew nothing of it: it counts from when it was brought.
    Source(
        FactKind.OPENING,
        lambda: Receipt.objects.filter(kind="opening", status__in=ISSUED),
        "project", "currency", "created_at", F("total"), "pk",
    ),
    Source(
        FactKind.CREDIT_NOTE,
        lambda: Receipt.objects.filter(kind="credit_note", status__in=ISSUED),
        "project", "currency", "issued_at", F("total"), "pk",
    ),
    Source(
        FactKind.PAYMENT,
        lambda: Payment.objects.filter(status=Payment.Status.SUCCEEDED),
        "receipt__project", "currency", "settled_at", -F("amount"), "receipt",
    ),
    Source(
        FactKind.WITHHELD, Withholding.objects.all,
        "receipt__project", "receipt__currency", "recorded_at", -F("amount"), "receipt",
    ),
    Source(
        FactKind.WRITTEN_OFF,
        lambda: WriteOff.objects.filter(status=WriteOff.Status.APPROVED),
        "receipt__project", "receipt__currency", "approved_at", -F("amount"), "receipt",
    ),
    Source(
        FactKind.REFUND,
        lambda: Refund.objects.filter(done_at__isnull=False, bounced=False),
        "payment__receipt__project", "payment__currency", "done_at", F("amount"),
        "payment__receipt",
    ),
    Source(
        FactKind.BOUNCED,
        lambda: Refund.objects.filter(done_at__isnull=False, bounced=True),
        "payment__receipt__project", "payment__currency", "done_at", F("amount"),
        "payment__receipt",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that changed what a project owes; less than zero where it owes less."""

    moment: datetime
    kind: FactKind
    project_id: int
    currency: str
    receipt_id: int
    amount: Decimal


Sums = dict[tuple[int, str, FactKind], Decimal]
"""Sums by project, currency and kind."""


def sums(start: datetime | None, until: datetime, projects: Collection[int] | None = None) -> Sums:
    """Return what facts of ``[start, until)`` come to; of all projects, or of these."""
    found: Sums = {}
    for source in SOURCES:
        rows = source.between(start, until)
        if projects is not None:
            rows = rows.filter(**{f"{source.project}__in": projects})
        grouped = rows.values_list(source.project, source.currency)
        for project, currency, amount in grouped.annotate(sum=Sum(source.amount)):
            found[project, currency, source.kind] = amount
    return found


def last_moment(projects: Collection[int]) -> datetime | None:
    """Return when something last changed what these projects owe; None if nothing ever did."""
    found = (
        source.rows()
        .filter(**{f"{source.project}__in": projects})
        .order_by()
        .aggregate(last=Max(source.moment))["last"]
        for source in SOURCES
    )
    return max(filter(None, found), default=None)


def facts(start: datetime, until: datetime, projects: Collection[int]) -> list[Fact]:
    """Return the facts of projects in ``[start, until)``, in the order of time."""
    return sorted(_facts(start, until, projects), key=lambda fact: (fact.moment, fact.receipt_id))


def _facts(start: datetime, until: datetime, projects: Collection[int]) -> Iterator[Fact]:
    for source in SOURCES:
        rows = source.between(start, until).filter(**{f"{source.project}__in": projects})
        columns = (source.moment, source.project, source.currency, source.document)
        for moment, project, currency, receipt, amount in rows.values_list(*columns, source.amount):
            yield Fact(moment, source.kind, project, currency, receipt, amount)
