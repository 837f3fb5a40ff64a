"""Studies in the console: what a list would have made of the past, for its author and approver."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.exports import csv_response, record_export
from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleAdmin,
    ConsoleForm,
    Done,
    ReadOnlyAdmin,
    Step,
    admin_url,
    button,
    column,
    money,
)
from core.forms import DayInput
from core.intervals import days, last_month
from core.site import EARLIEST, LATEST, site_zone
from pricing.labels import resource_name
from pricing.models import PriceList, PriceStudy
from pricing.study import Figures, Line
from pricing.study.content import content_digest
from pricing.study.figures import figures_from
from pricing.study.files import COLUMNS, pdf_of, rows_of
from pricing.study.services import ask_for_study, progress_of

S = PriceStudy.Status
STATUS = {S.WAITING: "info", S.RUNNING: "info", S.DONE: "success", S.FAILED: "danger"}
SHOWN = 20
DRAWN = 12
LISTED = 5
"""So many projects are listed a side, and drawn: those whose bills change most."""


class StudyForm(ConsoleForm):
    """Asks for the days and, if that is known, what the centre cost in them."""

    since = forms.DateField(label=_("From"), widget=DayInput())
    until = forms.DateField(label=_("To (included)"), widget=DayInput())
    cost = forms.DecimalField(
        label=_("Cost of running the centre in this time"),
        required=False,
        min_value=Decimal("0.01"),
        max_digits=17,
        decimal_places=2,
        help_text=_("In the list's currency. Without it nothing is said about recovery."),
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        since, until = found.get("since"), found.get("until")
        if since and until and not EARLIEST <= since <= until <= LATEST:
            self.add_error("until", _t("It must end after it begins."))
        return found


def last_quarter() -> dict[str, date]:
    """Return the first and last day of the three calendar months before this one."""
    _first, last = last_month(timezone.localdate(timezone=site_zone()))
    first = last
    for _month in range(2):
        first = first.replace(day=1) - timedelta(days=1)
    return {"since": first.replace(day=1), "until": last}


class StudiedLists(ConsoleAdmin):
    """The button on a price list's page that asks for a study of it."""

    @button(_("What would it do?"), path="study", icon="query_stats", permission="study")
    def study(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have the past re-priced under the list, which charges nothing."""
        row: PriceList = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> Done:
            asked = ask_for_study(
                price_list_id=row.pk,
                window=days(values["since"], values["until"], site_zone()),
                cost=values["cost"],
                actor=actor,
            )
            said = _t("The study is being computed. Nothing is charged by it.")
            return Done(said, admin_url(asked, "change", asked.pk))

        intro = _(
            "The jobs that ended in this time are priced again under this list, instead of what "
            "held then, and compared with what is charged. Nothing is charged by it."
        )
        step = Step(
            title=_("What would this list do?"),
            submit=_("Compute"),
            run=run,
            back=admin_url(row, "change", row.pk),
            target=row,
            form=StudyForm,
            initial=last_quarter(),
            intro=intro,
        )
        return self.step(request, step)

    def has_study_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may have lists studied: whoever drafts or approves them."""
        rights = ("pricing.add_pricelist", "pricing.publish_pricelist")
        return any(request.user.has_perm(right) for right in rights)


@admin.register(PriceStudy)
class PriceStudyAdmin(ReadOnlyAdmin):
    """Studies: how far they are, what they found, and files of that."""

    list_display = ("name", "window", "state", "total_before", "total_after", "created_at", "by")
    list_filter = ("status",)
    list_select_related = (
        "price_list__tier",
        "price_list__project",
        "price_list__user",
        "created_by",
    )
    fieldsets: Any = ((None, {"fields": ()}),)
    change_form_outer_before_template = "admin/pricing/pricestudy/page.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path(f"<int:study_id>/{name}/", view(page), name=f"pricing_pricestudy_{name}")
            for name, page in (
                ("progress", self.progress),
                ("csv", self.as_csv),
                ("pdf", self.as_pdf),
            )
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        more = _shown(row) if row is not None else {}
        shown: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return shown

    def progress(self, request: HttpRequest, study_id: int) -> HttpResponse:
        """Show how far a study is; its page asks for this part every other second."""
        row: PriceStudy = self.pick(request, study_id)
        context = {"study": row, "found": progress_of(row.pk)}
        response = render(request, "admin/pricing/pricestudy/_progress.html", context)
        if row.is_over:
            response["HX-Redirect"] = admin_url(row, "change", row.pk)
        return response

    def as_csv(self, request: HttpRequest, study_id: int) -> StreamingHttpResponse:
        """Return all lines of a study, exactly."""
        row: PriceStudy = self.pick(request, study_id)
        return csv_response(
            request, name=f"price-study-{row.pk}", header=COLUMNS, rows=rows_of(_done(row))
        )

    def as_pdf(self, request: HttpRequest, study_id: int) -> HttpResponse:
        """Return a study as a document, the same bytes each time."""
        row: PriceStudy = self.pick(request, study_id)
        figures = _done(row)
        record_export(request, name=f"price-study-{row.pk}.pdf")
        made_at = row.finished_at or row.created_at
        content = pdf_of(figures, title=str(row.price_list), made_at=made_at)
        response = HttpResponse(content, content_type="application/pdf")
        response["Content-Disposition"] = f'attachment; filename="price-study-{row.pk}.pdf"'
        return response

    @column(_("Price list"), ordering="price_list")
    def name(self, row: PriceStudy) -> str:
        return str(row.price_list)

    @column(_("Jobs that ended"), ordering="since")
    def window(self, row: PriceStudy) -> str:
        return days_text(row)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, row: PriceStudy) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @column(_("In force"))
    def total_before(self, row: PriceStudy) -> str:
        return _total(row, lambda line: line.before)

    @column(_("Under the list"))
    def total_after(self, row: PriceStudy) -> str:
        return _total(row, lambda line: line.after)

    @column(_("by"), ordering="created_by")
    def by(self, row: PriceStudy) -> str:
        return str(row.created_by or NOTHING)


def studies_of(price_list: PriceList) -> list[dict[str, Any]]:
    """Return the newest studies of a list, and whether they are of what it says now."""
    digest = content_digest(price_list)
    return [
        {
            "row": row,
            "days": days_text(row),
            "is_present": row.digest == digest,
            "total": None if row.figures is None else figures_from(row.figures).total,
        }
        for row in price_list.studies.select_related("created_by")[:LISTED]
    ]


def days_text(row: PriceStudy) -> str:
    """Write the days of a study's window, the last one included."""
    last = row.until - timedelta(microseconds=1)
    return f"{formatting.day(row.since)} – {formatting.day(last)}"


def _total(row: PriceStudy, side: Callable[[Line], Decimal]) -> str:
    if row.figures is None:
        return NOTHING
    return money(side(figures_from(row.figures).total), row.currency)


def _done(row: PriceStudy) -> Figures:
    """Return what a study found. Raises Http404 while it is not done."""
    if row.figures is None:
        raise Http404
    return figures_from(row.figures)


def _shown(row: PriceStudy) -> dict[str, Any]:
    """Return what the page of a study shows."""
    shown: dict[str, Any] = {"study": row, "days": days_text(row)}
    if row.figures is None:
        return shown
    figures = figures_from(row.figures)
    sides = (
        (_t("Projects that pay less"), figures.winners),
        (_t("Projects that pay more"), figures.losers),
    )
    return {
        **shown,
        "figures": figures,
        "is_present": row.digest == content_digest(row.price_list),
        "sides": [(title, lines[:SHOWN], max(0, len(lines) - SHOWN)) for title, lines in sides],
        "resources": [(resource_name(line.code), line) for line in figures.resources],
        "plot": _plot(figures),
    }


def _plot(figures: Figures) -> dict[str, Any] | None:
    """Return the bars of the projects whose bills change most; floats are for drawing only."""
    changed = [line for line in figures.projects if line.change]
    drawn = sorted(changed, key=lambda line: -abs(line.change))[:DRAWN]
    drawn.sort(key=lambda line: line.change)
    if not drawn:
        return None
    values = [float(line.change) for line in drawn]
    return {
        "labels": [line.code for line in drawn],
        "unit": figures.currency,
        "series": [
            {"name": _t("Pays less"), "data": [min(value, 0.0) for value in values]},
            {"name": _t("Pays more"), "data": [max(value, 0.0) for value in values]},
        ],
    }
