"""Number series in the console: which number comes next, and going on with numbers of before."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.actor import Actor
from core.admin import ConsoleForm, ReadOnlyAdmin, Step, admin_url, button, column
from core.errors import Text
from receipts.models import Series
from receipts.services import fiscal_year, open_series


def kinds() -> dict[str, Text]:
    """Return what is numbered in the series of this site, by their codes."""
    return {
        settings.SERIES_RECEIPT: _("Receipts"),
        settings.SERIES_CREDIT_NOTE: _("Credit notes"),
        settings.SERIES_OFFICIAL: _("Official receipts"),
    }


def _choices() -> list[tuple[str, str]]:
    return [(code, f"{code} – {kind}") for code, kind in kinds().items()]


class SeriesForm(ConsoleForm):
    """Where a series goes on; the next number is written out, so that a slip shows."""

    code = forms.ChoiceField(label=_("Series"), choices=_choices)
    year = forms.IntegerField(
        label=_("Fiscal year"),
        min_value=2000,
        max_value=2999,
        help_text=_("Named by the calendar year in which it ends."),
    )
    last_number = forms.IntegerField(
        label=_("Last number used elsewhere"),
        min_value=0,
        max_value=999_999_999,
        help_text=_("The first document here gets the next one."),
    )
    pattern = forms.CharField(
        label=_("Pattern of numbers"),
        max_length=64,
        help_text=_("With {number}, and {code}, {year} or {be} (Buddhist era) where wanted."),
    )
    expected = forms.CharField(
        label=_("The next document's number, written out"),
        max_length=64,
        help_text=_("To be sure that both of us mean the same, as in RC-2026-000042."),
    )


@admin.register(Series)
class SeriesAdmin(CsvExport, ReadOnlyAdmin):
    """Series that have begun; the others begin with their first document."""

    list_display = ("shown_code", "kind", "fiscal_year", "next_number", "last_number", "begun")
    list_display_links = None
    list_filter = ("code", "fiscal_year")
    ordering = ("-fiscal_year", "code")
    actions_list = ("go_on", "export_csv")
    list_before_template = "admin/receipts/series/list.html"
    csv_columns = {
        "code": "code",
        "fiscal_year": "fiscal_year",
        "pattern": "pattern",
        "opened_after": "opened_after",
        "last_number": "last_number",
    }

    def has_go_on_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may begin a series: who issues documents."""
        return request.user.has_perm("receipts.issue_receipt")

    @button(_("Go on with old numbers"), path="go-on", icon="tag", permission="go_on")
    def go_on(self, request: HttpRequest) -> HttpResponse:
        """Begin a series after the last number that was used elsewhere."""

        def run(actor: Actor, values: dict[str, Any]) -> str:
            series = open_series(actor=actor, **values)
            number = series.text_of(series.last_number + 1)
            return _t("The series begins. The next document gets %(number)s.") % {"number": number}

        step = Step(
            title=_("Go on with old numbers"),
            submit=_("Begin the series"),
            run=run,
            form=SeriesForm,
            initial={
                "year": fiscal_year(timezone.localdate()),
                "pattern": settings.SERIES_PATTERN,
            },
            danger=True,
            back=admin_url(Series, "changelist"),
            intro=_(
                "For a site that gave out numbers elsewhere before. It is done once for a series"
                " and a fiscal year, before the first document here; it can't be undone."
            ),
        )
        return self.step(request, step)

    @column(_("Series"), ordering="code")
    def shown_code(self, series: Series) -> str:
        return series.code

    @column(_("Kind"))
    def kind(self, series: Series) -> str:
        return str(kinds().get(series.code, _("Not used any more")))

    @column(_("Next number"))
    def next_number(self, series: Series) -> str:
        return series.text_of(series.last_number + 1)

    @column(_("Begun after"))
    def begun(self, series: Series) -> str:
        return series.text_of(series.opened_after) if series.opened_after else _t("its first one")
