"""Checks of the books in the console: the last results, and having the books checked now."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from core import formatting
from core.actor import Actor
from core.admin import ReadOnlyAdmin, Step, admin_url, button, column
from core.errors import Text
from core.queue import after_commit
from hpcbilling.books.running import CHECKS, KEPT
from insights.models import BooksCheck

TASK = "hpcbilling.check_books"
STATES = {"holds": "success", "broken": "danger"}


@dataclass(frozen=True)
class Row:
    """An invariant with what the check found, as the page shows it."""

    title: Text
    name: str
    found: int
    broken: bool
    seconds: str
    first: list[dict[str, str]]
    more: int


@admin.register(BooksCheck)
class BooksCheckAdmin(ReadOnlyAdmin):
    """Results of checking every invariant over the whole database."""

    list_display = ("when", "state", "breaks", "duration", "requested_by")
    list_select_related = ("requested_by",)
    list_before_template = "admin/insights/bookscheck/intro.html"
    actions_list = ("check_now",)

    def has_check_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may have the books checked."""
        return request.user.has_perm("insights.check_books")

    @button(_("Check now"), path="check", icon="fact_check", permission="check", primary=True)
    def check_now(self, request: HttpRequest) -> HttpResponse:
        """Have the worker check the books."""

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            after_commit(TASK, actor.user_id)
            return _t("The books are being checked. The result shows here in a moment: look again.")

        step = Step(
            title=_("Check the books"),
            submit=_("Check"),
            run=run,
            back=admin_url(BooksCheck, "changelist"),
            intro=_(
                "A worker computes every charge, line, total, number, hash and settlement anew, "
                "over the whole database. This changes nothing and takes about a minute for a "
                "million charges."
            ),
        )
        return self.step(request, step)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a result, what is broken first."""
        result: BooksCheck = self.pick(request, object_id)
        if request.method == "POST":
            raise PermissionDenied
        return self.page(
            request,
            "admin/insights/bookscheck/page.html",
            title=_t("Check of the books, %(when)s")
            % {"when": formatting.moment(result.finished_at)},
            result=result,
            rows=sorted(rows_of(result), key=lambda row: (not row.broken, not row.found)),
        )

    @column(_("Checked"), ordering="finished_at")
    def when(self, result: BooksCheck) -> str:
        return formatting.moment(result.finished_at)

    @column(_("Outcome"), label=STATES)
    def state(self, result: BooksCheck) -> tuple[str, str]:
        if result.breaks:
            return "broken", _t("The books do not balance")
        return "holds", _t("The books balance")

    @column(_("Took"))
    def duration(self, result: BooksCheck) -> str:
        return _seconds((result.finished_at - result.started_at).total_seconds())


def rows_of(result: BooksCheck) -> list[Row]:
    """Return what a check found, invariant by invariant, as the page shows it."""
    titles = {check.name: check.title for check in CHECKS}
    return [
        Row(
            title=titles.get(row["name"], row["name"]),
            name=row["name"],
            found=row["found"],
            broken=bool(row["breaks"]),
            seconds=_seconds(row["seconds"]),
            first=row["first"],
            more=max(0, row["found"] - KEPT),
        )
        for row in result.results
    ]


def _seconds(seconds: float) -> str:
    return _t("%(seconds)s s") % {"seconds": f"{seconds:.1f}"}
