"""Charges for items: what a project is sold besides jobs, at the price of the list in effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from accounts.periods import PeriodBook
from audit.services import record
from core.actor import Actor
from core.bulk import copy_lines
from core.errors import Conflict, Invalid
from core.intervals import microseconds
from core.locks import lock_rows
from pricing import engine
from pricing.counting import Counters, Priced
from pricing.judging import Portion, Verdict
from pricing.lines import WIDE_COLUMNS, ChargeLines
from pricing.models import Charge, ChargeKind, PriceList, Sku
from pricing.resources import MICRO
from pricing.selectors import live_charges
from pricing.tariffs import layers_of

MAX_UNITS = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class ItemQuote:
    """What an item comes to, by which list. ``quantity`` is in units of the item."""

    project: Project
    sku: Sku
    quantity: Decimal
    at: datetime
    amount: Decimal
    currency: str
    price_list: PriceList


def quote_item(*, project: Project, sku: Sku, quantity: Decimal, at: datetime) -> ItemQuote:
    """Return what so many of an item would cost a project then. Reads only.

    Raises Invalid if it can't be sold: too little or much, in the future, no tier, no price.
    """
    portion = _portion(project, sku, quantity, at)
    verdict = Verdict(project.pk, portions=(portion,))
    counters = Counters.of([(microseconds(at), verdict)], lock=False)
    (charge,) = _priced(counters, at, portion)
    price_list = PriceList.objects.get(pk=portion.measured[0].rate.price_list_id)
    return ItemQuote(project, sku, quantity, at, charge.amount, charge.currency, price_list)


def charge_item(
    *,
    project: Project,
    sku: Sku,
    quantity: Decimal,
    at: datetime,
    reason: str,
    expected: Decimal,
    actor: Actor,
) -> Charge:
    """Charge an item to a project by the list in effect for it at a moment.

    ``expected`` is the amount that the person was shown. Raises what ``quote_item`` does, Invalid
    without a reason, and Conflict if it comes to another amount by now, or if the very same charge
    is in force already.
    """
    _check_reason(reason)
    with transaction.atomic():
        lock_rows(Project.objects.all(), project.pk)
        portion = _portion(project, sku, quantity, at)
        same = live_charges().filter(
            kind=ChargeKind.ITEM, project=project, job_end=at, resource=_code(sku),
            quantity=_micro(quantity),
        )  # fmt: skip
        if same.exists():
            raise Conflict("charged_already", _("This is charged already."))
        periods = PeriodBook([microseconds(at)])
        verdict = Verdict(project.pk, portions=(portion,))
        counters = Counters.of([(microseconds(at), verdict)])
        (priced,) = _priced(counters, at, portion)
        if priced.amount != expected:
            raise Conflict("other_amount", _("It comes to another amount by now. Look again."))
        lines = ChargeLines(periods)
        copy_lines("pricing_charge", WIDE_COLUMNS, [lines.jobless(priced)])
        made = Charge.objects.filter(kind=ChargeKind.ITEM, project=project).latest("pk")
        record("item.charged", actor=actor, target=made, data=_told(made, reason))
    return made


def reverse_item(*, charge_id: int, reason: str, actor: Actor) -> Charge:
    """Take an item's charge back by a second one that negates it. Of one on an issued document that
    waits for a credit note.

    Raises Invalid without a reason, Conflict if it is no item, not in force, or on a draft.
    """
    _check_reason(reason)
    with transaction.atomic():
        charge = Charge.objects.filter(pk=charge_id, kind=ChargeKind.ITEM, reverses=None).first()
        if charge is None:
            raise Conflict("no_item", _("This is no charge for an item."))
        lock_rows(Project.objects.all(), charge.project_id)
        if not live_charges(Charge.objects.filter(pk=charge.pk)).exists():
            raise Conflict("reversed", _("This charge was taken back already."))
        try:
            with transaction.atomic():
                _take_back(charge)
                connection.check_constraints()
        except IntegrityError as error:
            raise Conflict(
                "on_document", _("This charge is on a document that is not issued yet.")
            ) from error
        made = Charge.objects.get(reverses=charge)
        record("item.reversed", actor=actor, target=charge, data=_told(charge, reason))
    return made


def _take_back(charge: Charge) -> None:
    periods = PeriodBook([microseconds(charge.job_end)])
    counters = Counters.of((), [charge])
    lines = ChargeLines(periods)
    made = [lines.reversal(charge, counters.reverse(charge))]
    made += map(lines.jobless, counters.adjustments())
    copy_lines("pricing_charge", WIDE_COLUMNS, made)


def _portion(project: Project, sku: Sku, quantity: Decimal, at: datetime) -> Portion:
    """Return what is to be priced, with the rate that is for it. Raises Invalid."""
    exact = quantity.is_finite() and MICRO % quantity.as_integer_ratio()[1] == 0
    if not exact or not 0 < quantity <= MAX_UNITS:
        raise Invalid("quantity", _("Give more than zero, with at most six decimals."))
    if at > timezone.now():
        raise Invalid("at", _("Items are charged when they were delivered, not before."))
    if not (sku.is_active and project.is_active):
        raise Invalid("inactive", _("The item or the project is not active."))
    layers = layers_of(project.pk, at)
    rates = [rate for one in layers.found for rate in one.rates if rate.resource == _code(sku)]
    if not rates:
        raise Invalid("no_rate", _("No list in effect for the project then has a price for it."))
    measured = engine.Measured(_code(sku), rates[0], _micro(quantity), "")
    return Portion(project.pk, None, (measured,), rates[0].currency, Decimal(0), 0)


def _priced(counters: Counters, at: datetime, portion: Portion) -> Sequence[Priced]:
    try:
        made = counters.alone(microseconds(at), [portion])
    except engine.TooLarge as error:
        raise Invalid("quantity", _("The amount is too large to be charged.")) from error
    end = at.isoformat()
    return [one._replace(kind=ChargeKind.ITEM.value, end_text=end) for one in made]


def _code(sku: Sku) -> str:
    return f"sku:{sku.code}"


def _micro(quantity: Decimal) -> int:
    return int(quantity * MICRO)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("reason", _("Give a reason."))


def _told(charge: Charge, reason: str) -> dict[str, object]:
    return {
        "project": charge.project.code,
        "resource": charge.resource,
        "quantity": Decimal(charge.quantity) / MICRO,
        "at": charge.job_end,
        "amount": charge.amount,
        "currency": charge.currency,
        "reason": reason.strip(),
    }
