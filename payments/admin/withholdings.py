"""Tax that buyers withheld, in the console."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core import formatting
from core.actor import Actor
from core.admin import (
    ReadOnlyAdmin,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
    link,
    money,
)
from payments import services
from payments.models import Withholding
from receipts.models import Receipt


@admin.register(Withholding)
class WithholdingAdmin(CsvExport, ReadOnlyAdmin):
    """Tax withheld, by certificate."""

    list_display = ("day", "certificate", "receipt_link", "shown_amount", "rate", "state")
    list_select_related = ("receipt", "reversal", "reverses")
    search_fields = ("=certificate", "^receipt__number", "=receipt__project__code")
    date_hierarchy = "day"
    fields = (
        "receipt_link", "shown_amount", "rate", "certificate", "day", "state", "because",
        "recorded_by", "recorded_at",
    )  # fmt: skip
    filled_only = ("because",)
    readonly_fields = ("receipt_link", "shown_amount", "rate", "state", "because")
    actions_detail = ("take_back",)
    csv_columns = {
        "certificate": "certificate",
        "day": "day",
        "receipt": "receipt__number",
        "project": "receipt__project__code",
        "amount": "amount",
        "percent": "percent",
        "currency": "receipt__currency",
        "credit_note": "credit_note__number",
        "reason": "reason",
        "recorded": "recorded_at",
    }

    def has_take_back_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may take back what was recorded by mistake."""
        return request.user.has_perm("payments.take_back_withholding")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        stands = Withholding.objects.filter(pk=object_id, reverses=None, reversal=None)
        return list(super().get_actions_detail(request, object_id)) if stands.exists() else []

    @button(_("Take back"), path="take-back", icon="undo", permission="take_back")
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take back what was recorded by mistake."""
        row: Withholding = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.take_back_withholding(withholding_id=row.pk, actor=actor, **values)
            return _t("It is taken back. The receipt asks for the amount again.")

        step = Step(
            title=_("Take back tax withheld"),
            submit=_("Take back"),
            run=run,
            form=ReasonForm,
            danger=True,
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=(
                (_("Receipt"), row.receipt),
                (_("Certificate number"), row.certificate),
                (_("Amount"), self.shown_amount(row)),
            ),
            intro=_("The official receipt that names it is cancelled, and given anew without it."),
        )
        return self.step(request, step)

    @column(_("Receipt"), ordering="receipt")
    def receipt_link(self, row: Withholding) -> str:
        return link(admin_url(Receipt, "change", row.receipt_id), row.receipt)

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, row: Withholding) -> str:
        return money(row.amount, row.receipt.currency)

    @column(_("Rate of it, %"), ordering="percent")
    def rate(self, row: Withholding) -> str:
        return formatting.number(row.percent)

    @column(_("Reason"))
    def because(self, row: Withholding) -> str:
        return row.because

    @column(_("Status"))
    def state(self, row: Withholding) -> str:
        if row.reverses_id is not None:
            return _t("Takes back")
        return _t("Taken back") if hasattr(row, "reversal") else _t("In force")
