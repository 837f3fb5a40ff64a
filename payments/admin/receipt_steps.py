"""Steps of receipts that are about money: transfers, tax withheld, write-offs, the balance."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from core import formatting
from core.actor import Actor
from core.admin import ConsoleForm, ReadOnlyAdmin, Step, admin_url, money, plain_number
from core.forms import DayInput
from core.seen import mark_of
from payments.selectors import balance_of
from payments.services import (
    Transfer,
    Withheld,
    record_transfer,
    record_withholding,
    request_write_off,
    suggested_withholding,
    use_balance_for,
)
from payments.services.decisions import left_and_balance, left_to_give_up
from payments.services.settlement import Standing, standing
from receipts.models import Receipt

WITHHELD = ("withheld", "percent", "certificate", "certificate_day")


class WithheldFields(ConsoleForm):
    """Tax withheld as it stands on the certificate."""

    withheld = forms.DecimalField(
        label=_("Tax withheld"), max_digits=18, decimal_places=4, required=False
    )
    percent = forms.DecimalField(
        label=_("Rate of it, %"), max_digits=6, decimal_places=3, required=False
    )
    certificate = forms.CharField(label=_("Certificate number"), max_length=64, required=False)
    certificate_day = forms.DateField(
        label=_("Day of the certificate"), widget=DayInput(), required=False
    )

    def clean(self) -> dict[str, Any]:
        """Ask for all about the tax withheld, or nothing."""
        values: dict[str, Any] = super().clean() or {}
        if values.get("withheld") is not None:
            for name in WITHHELD[1:]:
                if not values.get(name) and name not in self.errors:
                    self.add_error(name, _("Enter this as it stands on the certificate."))
        return values


class TransferForm(WithheldFields):
    """A bank transfer as it stands on the account's statement, and the tax withheld of it."""

    field_order = ("reference", "day", "amount", "currency", *WITHHELD)
    reference = forms.CharField(label=_("Bank's reference"), max_length=200)
    day = forms.DateField(label=_("Day of the transfer"), widget=DayInput())
    amount = forms.DecimalField(label=_("Amount that arrived"), max_digits=18, decimal_places=4)
    currency = forms.RegexField(r"\A[A-Z]{3}\Z", label=_("Currency"))


class WithholdingForm(WithheldFields):
    """Tax withheld by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = True
        self.fields["seen"] = forms.DecimalField(required=False, widget=forms.HiddenInput)


class WriteOffForm(ConsoleForm):
    """Why a receipt won't be paid."""

    reason = forms.CharField(label=_("Reason"), max_length=200)


def withheld_of(values: dict[str, Any]) -> Withheld | None:
    """Return the tax withheld that a form tells of, or None."""
    if not values.get("withheld"):
        return None
    return Withheld(
        values["withheld"], values["percent"], values["certificate"], values["certificate_day"]
    )


def standing_facts(receipt: Receipt) -> tuple[tuple[Any, Any], ...]:
    """Return what a person should see of a receipt's settlement."""
    now: Standing = standing(receipt)
    amounts = (
        (_("Total"), now.total),
        (_("Credited"), -now.credited),
        (_("Paid"), now.allocated),
        (_("Tax withheld"), now.withheld),
        (_("Left to pay"), max(now.left, now.left * 0)),
    )
    return (
        (_("Receipt"), receipt),
        (_("Project"), receipt.project),
        (_("Status"), receipt.get_status_display()),
        *((name, money(amount, receipt.currency)) for name, amount in amounts if amount),
    )


class ReceiptSteps(ReadOnlyAdmin):
    """Steps of receipts that are about money; their buttons are on the receipt's page."""

    def get_urls(self) -> list[Any]:
        pages = {
            "transfer": self.transfer,
            "withholding": self.withholding,
            "write-off": self.write_off,
            "use-balance": self.use_balance,
        }
        return [
            *(
                path(
                    f"{name}/<int:receipt_id>/",
                    self.admin_site.admin_view(page),
                    name=f"payments_payment_{name.replace('-', '_')}",
                )
                for name, page in pages.items()
            ),
            *super().get_urls(),
        ]

    def _receipt(self, request: HttpRequest, receipt_id: int, permission: str) -> Receipt:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        receipt = Receipt.objects.select_related("project").filter(pk=receipt_id).first()
        if receipt is None:
            raise Http404
        return receipt

    def transfer(self, request: HttpRequest, receipt_id: int) -> HttpResponse:
        """Record a bank transfer for a receipt, and the tax withheld of it."""
        receipt = self._receipt(request, receipt_id, "payments.record_transfer")

        def run(actor: Actor, values: dict[str, Any]) -> str:
            transfer = Transfer(
                values["reference"], values["day"], values["amount"], values["currency"]
            )
            handled = record_transfer(
                receipt_id=receipt.pk,
                transfer=transfer,
                withheld=withheld_of(values),
                actor=actor,
            )
            if handled == "applied":
                return _recorded(receipt)
            return _t(
                "The transfer is recorded. It does not match the receipt, "
                "so it waits in the queue of mismatched payments."
            )

        step = Step(
            title=_("Record a bank transfer"),
            submit=_("Record"),
            run=run,
            form=TransferForm,
            initial={"day": timezone.localdate(), "currency": receipt.currency},
            back=admin_url(receipt, "change", receipt.pk),
            facts=(*standing_facts(receipt), *_expected(receipt)),
            intro=_(
                "Copy reference, day and amount from the account's statement. Less than what is "
                "left pays a part; more waits in a queue. Where the payer withheld tax, enter it "
                "from the certificate together with the transfer."
            ),
        )
        return self.step(request, step)

    def withholding(self, request: HttpRequest, receipt_id: int) -> HttpResponse:
        """Record tax withheld whose certificate came later than the money."""
        receipt = self._receipt(request, receipt_id, "payments.record_transfer")

        def run(actor: Actor, values: dict[str, Any]) -> str:
            withheld = withheld_of(values)
            if withheld is not None:
                record_withholding(
                    receipt_id=receipt.pk, withheld=withheld, actor=actor, seen=values["seen"]
                )
            return _recorded(receipt)

        expected = suggested_withholding(receipt)
        step = Step(
            title=_("Record tax withheld"),
            submit=_("Record"),
            run=run,
            form=WithholdingForm,
            initial={
                "withheld": plain_number(expected.amount) if expected else None,
                "percent": plain_number(expected.percent) if expected else None,
                "seen": standing(receipt).left,
            },
            back=admin_url(receipt, "change", receipt.pk),
            facts=(*standing_facts(receipt), *_expected(receipt)),
            intro=_(
                "The certificate that the payer gave settles a part of the receipt, as money does."
            ),
        )
        return self.step(request, step)

    def write_off(self, request: HttpRequest, receipt_id: int) -> HttpResponse:
        """Ask for the rest of a receipt to be given up."""
        receipt = self._receipt(request, receipt_id, "receipts.request_writeoff")

        def run(actor: Actor, values: dict[str, Any]) -> str:
            request_write_off(receipt_id=receipt.pk, actor=actor, **values)
            return _t("A colleague has to approve it now, in the list of write-offs.")

        left, credited = left_to_give_up(receipt)
        facts = standing_facts(receipt)
        if credited:
            first = money(credited, receipt.currency)
            facts += ((_("Credited first"), _t("%(amount)s before tax") % {"amount": first}),)
        step = Step(
            title=_("Ask for a write-off"),
            submit=_("Ask"),
            run=run,
            form=WriteOffForm,
            back=admin_url(receipt, "change", receipt.pk),
            facts=facts,
            seen=mark_of(left, credited),
            intro=_("What is left to pay is given up when a second person approves it."),
        )
        return self.step(request, step)

    def use_balance(self, request: HttpRequest, receipt_id: int) -> HttpResponse:
        """Pay a receipt from its project's balance."""
        receipt = self._receipt(request, receipt_id, "payments.record_transfer")

        left, balance = left_and_balance(receipt)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            used = use_balance_for(receipt_id=receipt.pk, actor=actor, **values)
            return _t("%(amount)s of the balance was used.") % {
                "amount": money(used, receipt.currency)
            }

        step = Step(
            title=_("Use the project's balance"),
            submit=_("Use the balance"),
            run=run,
            back=admin_url(receipt, "change", receipt.pk),
            facts=(*standing_facts(receipt), *_to_use(receipt)),
            seen=mark_of(left, balance),
            intro=_("What the project paid and settles nothing yet pays this receipt."),
        )
        return self.step(request, step)


def _to_use(receipt: Receipt) -> tuple[tuple[Any, Any], ...]:
    """What the project has to pay with, and how it stands afterwards."""
    balance = balance_of(receipt.project, receipt.currency)
    used = min(balance, max(standing(receipt).left, balance * 0))
    return (
        (_("Balance of the project"), formatting.money(balance, receipt.currency)),
        (_("Of that for this receipt"), formatting.money(used, receipt.currency)),
    )


def _expected(receipt: Receipt) -> tuple[tuple[Any, Any], ...]:
    """What a project that withholds tax is expected to transfer and to withhold."""
    expected = suggested_withholding(receipt)
    if expected is None:
        return ()
    money_left = standing(receipt).left - expected.amount
    return (
        (
            _("Expected"),
            _t("%(money)s transferred and %(tax)s withheld (%(percent)s %% of the net)")
            % {
                "money": money(money_left, receipt.currency),
                "tax": money(expected.amount, receipt.currency),
                "percent": formatting.number(expected.percent),
            },
        ),
    )


def _recorded(receipt: Receipt) -> str:
    receipt.refresh_from_db()
    if receipt.status == Receipt.Status.PAID:
        return _t("It is recorded and the receipt is paid.")
    left = money(standing(receipt).left, receipt.currency)
    return _t("It is recorded. %(left)s is left to pay.") % {"left": left}
