"""Price lists and charges in the console."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.timezone import localtime
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from audit.exchange import ExchangeAdmin
from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleAdmin,
    Done,
    LinkedFilter,
    ReadOnlyAdmin,
    Step,
    admin_url,
    button,
    column,
    hours,
    link,
    money,
)
from pricing import services
from pricing.exchange import PriceListResource
from pricing.forms import HEAD, PriceListForm, price_name
from pricing.labels import UNITS
from pricing.models import Charge, PriceList
from pricing.resources import RESOURCES
from pricing.selectors import live_charges
from usage.models import Job

S = PriceList.Status
STATUS = {S.DRAFT: "info", S.PUBLISHED: "success"}


@admin.register(PriceList)
class PriceListAdmin(ExchangeAdmin, ConsoleAdmin):
    """Price lists on one page each: drafts are edited, published ones are only seen.

    Everything goes through the services, which write to the log; so the admin's own writing is off.
    """

    form = PriceListForm
    resource_classes = (PriceListResource,)
    list_display = ("name", "tier", "effective_at", "revision", "currency", "state", "note")
    list_filter = ("status", "tier")
    list_select_related = ("tier",)
    actions = None
    actions_detail = ("publish", "copy")
    steps_by_status = {S.DRAFT: {"publish", "copy"}, S.PUBLISHED: {"copy"}}
    readonly_fields = ("revision", "status", "prices", "created_at", "created_by")

    def get_fieldsets(self, request: HttpRequest, obj: PriceList | None = None) -> Any:
        """Return fields for the prices of a draft, and a table for those of a published list."""
        if obj is None or self.has_change_permission(request, obj):
            prices = tuple(price_name(code) for code in RESOURCES)
            hint = _("Leave a price empty if the list has none: jobs that use it stay unpriced.")
            return (
                (None, {"fields": HEAD}),
                (_("Unit prices"), {"fields": prices, "description": hint}),
            )
        steps = ("revision", "status", "created_by", "created_at", "published_by", "published_at")
        return ((None, {"fields": (*HEAD, "prices")}), (_("Steps"), {"fields": steps}))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and bool(super().has_delete_permission(request, obj))

    def has_publish_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may publish."""
        return request.user.has_perm("pricing.publish_pricelist")

    def has_draft_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may make drafts."""
        return bool(self.has_add_permission(request))

    def save_model(
        self, request: HttpRequest, obj: PriceList, form: PriceListForm, change: bool
    ) -> None:
        values = {name: form.cleaned_data[name] for name in HEAD}
        values |= {"rates": form.rates, "actor": Actor.of(request.user)}
        if change:
            services.edit_price_list(price_list_id=obj.pk, **values)
        else:
            obj.pk = services.draft_price_list(**values).pk
            obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        services.discard_price_list(price_list_id=obj.pk, actor=Actor.of(request.user))

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, dict[str, list[str]]]]:
        """The services wrote the log already."""
        return []

    @button(_("Publish"), path="publish", icon="publish", permission="publish", primary=True)
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Publish a draft, after a last look."""
        row: PriceList = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            services.publish_price_list(price_list_id=row.pk, actor=actor)
            return _t("The price list is published. Jobs that waited for it are being rated.")

        step = Step(
            title=_("Publish the price list"),
            submit=_("Publish"),
            run=run,
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=(
                (_("Tier"), row.tier),
                (_("Effective from"), date_format(localtime(row.effective_at), "DATETIME_FORMAT")),
                (_("Prices"), self.prices(row)),
            ),
            intro=_(
                "Jobs that end from that moment on take these prices. "
                "A published list can't be changed or deleted by anyone."
            ),
        )
        return self.step(request, step)

    @button(_("Copy as new draft"), path="copy", icon="content_copy", permission="draft")
    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a draft with the same prices."""
        row: PriceList = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> Done:
            copied = services.copy_price_list(price_list_id=row.pk, actor=actor)
            said = _t("This is the copy. Change what differs, then publish it.")
            return Done(said, admin_url(copied, "change", copied.pk))

        step = Step(
            title=_("Copy the price list"),
            submit=_("Make the copy"),
            run=run,
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=((_("Price list"), row), (_("Prices"), self.prices(row))),
            intro=_("The copy is a draft. It has no effect before someone publishes it."),
        )
        return self.step(request, step)

    @column(_("Price list"), ordering="pk")
    def name(self, row: PriceList) -> str:
        return str(row)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, row: PriceList) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @column(_("Prices"))
    def prices(self, row: PriceList) -> str:
        lines = [
            (formatting.price(rate.unit_price), row.currency, UNITS[rate.resource])
            for rate in row.rates.all()
        ]
        return format_html_join(mark_safe("<br>"), "{} {} / {}", lines) or NOTHING


def _is_draft(obj: Any) -> bool:
    return not isinstance(obj, PriceList) or obj.status == S.DRAFT


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
    list_filter = (
        "resource",
        "currency",
        BilledFilter,
        "estimated",
        ProjectFilter,
        JobFilter,
        ReceiptFilter,
    )
    list_select_related = ("job", "job__cluster", "project")
    search_fields = ("=project__code", "^job__display_id", "=job__user_name")
    date_hierarchy = "job_end"
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
        "receipt": "document_line__line__receipt__number",
    }

    @column(_("Job"), ordering="job")
    def job_link(self, charge: Charge) -> str:
        return link(admin_url(Job, "change", charge.job_id), charge.job)

    @column(_("Quantity"), ordering="quantity")
    def units(self, charge: Charge) -> str:
        return hours(charge.quantity, charge.unit_size)

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, charge: Charge) -> str:
        return money(charge.amount, charge.currency)
