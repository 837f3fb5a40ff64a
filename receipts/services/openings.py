"""Opening balances: what was asked for elsewhere, before, and is still to be paid here."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from secrets import token_urlsafe

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import lock_rows
from core.money import round_money
from core.site import site_days
from core.transitions import transition
from receipts.arithmetic import Taxation, Totals
from receipts.models import Line, Receipt, TaxCategory
from receipts.services.contents import at_payment, hash_of, parties_of
from receipts.services.drafting import put_amounts
from receipts.services.numbering import will_be_given
from receipts.services.steps import STEPS, figures_of, moved
from receipts.settling import payable_changed
from receipts.taxing import Taxed

RESOURCE = "opening"
MOST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Opening:
    """A document as it was issued elsewhere; ``amount`` is what of it is still to be paid."""

    project: Project
    number: str
    issued_on: date
    due_on: date
    amount: Decimal
    currency: str


def check_opening(opening: Opening) -> Receipt | None:
    """Return the document if it was brought before. Raises Invalid for what can't be meant,
    Conflict if the number belongs to another document, or to this with other values."""
    if not 0 < len(opening.number) <= 64:
        raise Invalid("number", _("A number has 1 to 64 characters."))
    if not opening.number.isprintable():
        raise Invalid("number", _("A number has up to 64 characters that can be printed."))
    amount = opening.amount
    if not (amount.is_finite() and 0 < amount < MOST):
        raise Invalid("amount", _("Give an amount of more than zero."))
    if amount != round_money(amount, opening.currency):
        raise Invalid("amount", _("The currency has fewer decimals."))
    if opening.issued_on > timezone.localdate():
        raise Invalid("issued_on", _("It can't have been issued in the future."))
    if opening.due_on < opening.issued_on:
        raise Invalid("due_on", _("It can't be due before it was issued."))
    found = Receipt.objects.filter(number=opening.number).first()
    if found is not None and _said(found) != opening:
        raise Conflict("number_taken", _("This number belongs to a document that says otherwise."))
    if found is None and will_be_given(opening.number):
        raise Conflict(
            "number_of_series",
            _("A series here comes to this number. Let the series begin after it first."),
        )
    return found


def _said(receipt: Receipt) -> Opening | None:
    if receipt.kind != Receipt.Kind.OPENING or receipt.due_on is None or not receipt.number:
        return None
    return Opening(
        receipt.project, receipt.number, receipt.first_day, receipt.due_on, receipt.total,
        receipt.currency,
    )  # fmt: skip


def bring_opening(*, opening: Opening, actor: Actor) -> bool:
    """Bring a document that was issued elsewhere; tells whether it is new. The same one twice
    changes nothing. Raises what ``check_opening`` does."""
    with transaction.atomic():
        lock_rows(Project.objects.all(), opening.project.pk)
        if check_opening(opening) is not None:
            return False
        receipt = _drafted(opening, actor)
        _issue(receipt, opening, actor)
        record("receipt.opened", actor=actor, target=receipt, data=figures_of(receipt))
        payable_changed(receipt, actor=actor)
        moved("", Receipt.Status.ISSUED)
    return True


def _drafted(opening: Opening, actor: Actor) -> Receipt:
    window = site_days(opening.issued_on, opening.issued_on)
    receipt = Receipt(
        kind=Receipt.Kind.OPENING,
        project=opening.project,
        window_start=window.start,
        window_end=window.end,
        created_by_id=actor.user_id,
    )
    untaxed = Taxed(Taxation(TaxCategory.STANDARD.value, Decimal(0)))
    put_amounts(
        receipt, Totals(opening.amount, Decimal(0), opening.amount), untaxed, opening.currency
    )
    receipt.save(force_insert=True)
    Line.objects.create(
        receipt=receipt, position=1, project=opening.project, resource=RESOURCE, unit_size=1,
        quantity=0, charged=opening.amount, amount=opening.amount, jobs=0,
    )  # fmt: skip
    return receipt


def _issue(receipt: Receipt, opening: Opening, actor: Actor) -> None:
    stamps = {
        "number": opening.number,
        "issued_at": receipt.window_start,
        "due_on": opening.due_on,
        "parties": parties_of(opening.project),
        "particulars": {
            "title": "opening",
            "at_payment": at_payment("opening"),
            "corrects": "",
            "tax_reason": "",
            "price_lists": [],
            "projects": {str(opening.project.pk): opening.project.code},
        },
        "verify_token": token_urlsafe(24),
    }
    for name, value in stamps.items():
        setattr(receipt, name, value)
    receipt.sha256 = hash_of(receipt)
    transition(
        Receipt.objects.all(),
        table=STEPS,
        pk=receipt.pk,
        before=Receipt.Status.DRAFT,
        after=Receipt.Status.ISSUED,
        issued_by_id=actor.user_id,
        sha256=receipt.sha256,
        **stamps,
    )
    receipt.status = Receipt.Status.ISSUED
