"""Charges in the console."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core import formatting
from core.actor import Actor
from core.admin import (
    LinkedFilter,
    ReadOnlyAdmin,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
    hours,
    link,
    money,
)
from core.list_filters import DayFilter, LatestValues
from pricing import wording
from pricing.explain import explain_job
from pricing.models import Charge, ChargeKind
from pricing.selectors import live_charges
from pricing.services.items import reverse_item
from usage.models import Job


class EndFilter(DayFilter):
    """Charges by the end of what they are for."""

    field = "job_end"


class ProjectFilter(LinkedFilter):
    """Charges of one project."""

    title = _("project")
    parameter_name = "project"
    lookup = "project"
    model = "accounts.Project"


class JobFilter(LinkedFilter):
    """Charges of one job."""

    title = _("job")
    parameter_name = "job"
    lookup = "job"
    model = "usage.Job"


class ReceiptFilter(LinkedFilter):
    """Charges behind the lines of one receipt."""

    title = _("receipt")
    parameter_name = "receipt"
    lookup = "document_line__line__receipt"
    model = "receipts.Receipt"


class BilledFilter(admin.SimpleListFilter):
    """Whether a charge in force is on a document."""

    title = _("billed")
    parameter_name = "billed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("Not on a document")), ("yes", _("On a document")), ("off", _("Reversed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Charge]) -> QuerySet[Charge]:
        if self.value() == "off":
            return queryset.exclude(reverses=None, reversal=None)
        if self.value() in ("no", "yes"):
            return live_charges(queryset).filter(document_line__isnull=self.value() == "no")
        return queryset


@admin.register(Charge)
class ChargeAdmin(CsvExport, ReadOnlyAdmin):
    """Priced usage. Never edited: corrected by reversals and replacements."""

    list_display = (
        "job_link",
        "project",
        "resource",
        "units",
        "unit_price",
        "shown_amount",
        "job_end",
        "generation",
    )
    list_display_links = ("resource",)
    list_filter = (
        "kind",
        ("resource", LatestValues),
        ("currency", LatestValues),
        BilledFilter,
        "estimated",
        EndFilter,
        ProjectFilter,
        JobFilter,
        ReceiptFilter,
    )
    list_select_related = ("job", "job__cluster", "project")
    search_fields = ("=project__code", "^job__display_id", "=job__user_name")
    actions_detail = ("explain", "take_back")
    csv_columns = {
        "charge": "pk",
        "project": "project__code",
        "cluster": "job__cluster__name",
        "job_id": "job__display_id",
        "user": "job__user_name",
        "resource": "resource",
        "ended": "job_end",
        "quantity": "quantity",
        "unit_size": "unit_size",
        "unit_price": "unit_price",
        "amount": "amount",
        "currency": "currency",
        "generation": "generation",
        "reverses": "reverses",
        "estimated": "estimated",
        "kind": "kind",
        "basis": "basis",
        "counter_before": "counter_before",
        "counter_after": "counter_after",
        "receipt": "document_line__line__receipt__number",
    }

    def get_urls(self) -> list[URLPattern]:
        """Add the page that explains a job, charged or not."""
        page = self.admin_site.admin_view(self.why)
        return [path("job/<int:job_id>/why/", page, name="pricing_charge_why"), *super().get_urls()]

    def why(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """Why a job costs what it costs, or nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            explanation = explain_job(job_id)
        except Job.DoesNotExist as error:
            raise Http404 from error
        title = _("Why job %(job)s costs what it costs") % {"job": explanation.job}
        return self.page(
            request,
            "admin/pricing/charge/why.html",
            title=title,
            parts=wording.told(explanation),
            back=admin_url(Job, "change", job_id)
            if request.user.has_perm("usage.view_job")
            else admin_url(Charge, "changelist"),
        )

    def has_explain_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever sees charges may know why."""
        return bool(self.has_view_permission(request))

    @button(_("Why this price?"), path="why", icon="help", permission="explain")
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the explanation of the charge's job, at the charge."""
        charge: Charge = self.pick(request, object_id)
        return HttpResponseRedirect(reverse("admin:pricing_charge_why", args=[charge.job_id]))

    def has_take_back_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who charges items takes them back."""
        return request.user.has_perm("pricing.charge_sku")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """What has a job can be explained by it; an item that is in force be taken back."""
        buttons = super().get_actions_detail(request, object_id)
        charge = self.get_object(request, str(object_id))
        fitting = set()
        if charge is not None and charge.job_id is not None:
            fitting.add("explain")
        items = Charge.objects.filter(pk=object_id, kind=ChargeKind.ITEM)
        if live_charges(items).exists():
            fitting.add("take_back")
        return [item for item in buttons if item.method.original_function_name in fitting]

    @button(_("Take back"), path="take-back", icon="undo", permission="take_back")
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take an item's charge back, which is made by a second one that negates it."""
        charge: Charge = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            reverse_item(charge_id=charge.pk, reason=values["reason"], actor=actor)
            return _t("The charge is taken back.")

        return self.step(
            request,
            Step(
                title=_("Take the item's charge back"),
                submit=_("Take back"),
                run=run,
                form=ReasonForm,
                danger=True,
                back=admin_url(Charge, "change", charge.pk),
                target=charge,
                facts=facts_of(charge),
                intro=_(
                    "A second charge negates it. If the first is on an issued receipt, a credit"
                    " note gives it back; else neither comes on a receipt. Both stay to be seen,"
                    " with the reason in the log."
                ),
            ),
        )

    @column(_("Job"), ordering="job")
    def job_link(self, charge: Charge) -> str:
        if charge.job_id is None:
            return charge.get_kind_display()
        return link(admin_url(Job, "change", charge.job_id), charge.job)

    @column(_("Quantity"), ordering="quantity")
    def units(self, charge: Charge) -> str:
        return hours(charge.quantity, charge.unit_size)

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, charge: Charge) -> str:
        return money(charge.amount, charge.currency)


def facts_of(charge: Charge) -> tuple[tuple[Any, Any], ...]:
    """Return what a person should see of a charge before pressing."""
    quantity = hours(charge.quantity, charge.unit_size)
    return (
        (_("Project"), charge.project),
        (_("Item"), charge.resource_name),
        (_("Quantity"), quantity),
        (_("Delivered"), formatting.moment(charge.job_end)),
        (_("Amount"), money(charge.amount, charge.currency)),
    )
