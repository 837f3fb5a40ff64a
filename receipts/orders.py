"""Purchase orders: which one a receipt is issued under, and which near their end."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from core import formatting
from core.errors import Conflict
from core.locks import lock_rows
from receipts.models import PurchaseOrder, Receipt

WARN_PERCENT = 80
WARN_DAYS = 30
S = Receipt.Status


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an order is used up on a day. ``left`` may be negative if the ceiling was lowered."""

    order: PurchaseOrder
    billed: Decimal
    day: date

    @property
    def left(self) -> Decimal:
        """What may still be billed."""
        return self.order.ceiling - self.billed

    @property
    def percent(self) -> int:
        """How much of the ceiling is billed, rounded down: 100 means that nothing is left."""
        return int(self.billed * 100 // self.order.ceiling)

    @property
    def days_left(self) -> int:
        """How many days after this one it lasts; negative once it is over."""
        return (self.order.expires_on - self.day).days

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be issued under it."""
        return self.days_left < 0 or self.left <= 0

    @property
    def is_near_its_end(self) -> bool:
        """Whether somebody should see to the next order."""
        return self.percent >= WARN_PERCENT or self.days_left <= WARN_DAYS


def with_billed(orders: QuerySet[PurchaseOrder]) -> QuerySet[PurchaseOrder]:
    """Return orders with ``billed``: what was issued under each, less what was credited."""
    return orders.annotate(billed=_billed())


def _billed() -> Coalesce:
    counted = Receipt.objects.filter(purchase_order=OuterRef("pk"))
    sums = counted.order_by().values("purchase_order").annotate(sum=Sum("total"))
    return Coalesce(Subquery(sums.values("sum")), Decimal(0))


def standing(order: PurchaseOrder, day: date) -> Standing:
    """Return how far an order is used up; asks the database unless it is from ``with_billed``."""
    billed = getattr(order, "billed", None)
    if billed is None:
        ours = PurchaseOrder.objects.filter(pk=order.pk).annotate(billed=_billed())
        billed = ours.values_list("billed", flat=True).get()
    return Standing(order, billed, day)


def in_force(project_id: int, day: date) -> PurchaseOrder | None:
    """Return the order of a project that a receipt issued on a day is under, if there is one."""
    orders = PurchaseOrder.objects.filter(project=project_id)
    return orders.filter(starts_on__lte=day, expires_on__gte=day).first()


def under_orders(project_ids: Collection[int]) -> set[int]:
    """Return those of these projects that have a purchase order, whenever it begins and ends."""
    orders = PurchaseOrder.objects.filter(project__in=project_ids).order_by()
    return set(orders.values_list("project", flat=True))


def order_for(receipt: Receipt, day: date) -> PurchaseOrder | None:
    """Return the order that a draft is issued under, locked; None if its project has none, or it
    asks for no money. Raises Conflict if no order covers it, saying what to do."""
    orders = PurchaseOrder.objects.filter(project=receipt.project_id)
    found = in_force(receipt.project_id, day)
    if receipt.total <= 0:
        return found if found and found.currency == receipt.currency else None
    if found is None:
        last = orders.filter(starts_on__lte=day).order_by("-starts_on").first()
        if last is None and not orders.exists():
            return None
        raise _none_in_force(last)
    (order,) = lock_rows(PurchaseOrder.objects.all(), found.pk)
    _check(standing(order, day), receipt)
    return order


def _none_in_force(last: PurchaseOrder | None) -> Conflict:
    if last is None:
        return Conflict(
            "purchase_order",
            _("The project's purchase order has not begun yet. The finance office can correct it."),
        )
    said = _(
        "The purchase order %(number)s ended on %(day)s. The finance office enters the next one,"
        " or its new last day; then issue the receipt again."
    )
    day = formatting.day(last.expires_on)
    return Conflict("purchase_order_expired", said % {"number": last.number, "day": day})


def _check(now: Standing, receipt: Receipt) -> None:
    order = now.order
    if order.currency != receipt.currency:
        said = _("The purchase order %(number)s is in %(currency)s: it can't cover this receipt.")
        values = {"number": order.number, "currency": order.currency}
        raise Conflict("purchase_order_currency", said % values)
    if receipt.total > now.left:
        said = _(
            "The purchase order %(number)s has %(left)s left, and this receipt comes to %(total)s."
            " The finance office raises the ceiling, or ends the order and enters the next one;"
            " a receipt over fewer days may fit too."
        )
        left = formatting.money(max(now.left, Decimal(0)), order.currency)
        total = formatting.money(receipt.total, receipt.currency)
        values = {"number": order.number, "left": left, "total": total}
        raise Conflict("purchase_order_ceiling", said % values)


def last_orders(day: date) -> QuerySet[PurchaseOrder]:
    """Return the orders of active projects that have begun and that none follows."""
    later = PurchaseOrder.objects.filter(
        project=OuterRef("project"), starts_on__gt=OuterRef("starts_on")
    )
    begun = PurchaseOrder.objects.filter(starts_on__lte=day, project__is_active=True)
    return begun.exclude(Exists(later)).select_related("project")


def near_their_end(day: date) -> list[Standing]:
    """Return the orders that somebody should see to, the most urgent first."""
    found = (standing(order, day) for order in with_billed(last_orders(day)))
    return sorted(
        (each for each in found if each.is_near_its_end),
        key=lambda each: (not each.is_over, each.order.expires_on, -each.percent),
    )
