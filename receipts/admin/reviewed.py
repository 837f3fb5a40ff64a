"""What one person writes and submits and another one decides about: adjustments and outages.

They stand with receipts, as what is given back or charged goes on documents.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.actor import Actor
from core.admin import Done, ReadOnlyAdmin, ReasonForm, Step, admin_url, button, column
from core.errors import Text
from pricing.models import ReviewStatus

S = ReviewStatus
STATUS = {
    S.DRAFT: "info",
    S.SUBMITTED: "warning",
    S.APPROVED: "success",
    S.REJECTED: "danger",
    S.WITHDRAWN: "default",
}


class ReviewedAdmin(CsvExport, ReadOnlyAdmin):
    """The steps of something that is reviewed. Subclasses say what it is and what a step does."""

    may_write: ClassVar[str]
    may_decide: ClassVar[str]
    titles: ClassVar[Mapping[str, Text]]
    actions_list: tuple[str, ...] = ("write",)
    actions_detail: tuple[str, ...] = ("submit", "approve", "reject", "withdraw")
    steps_by_status = {
        S.DRAFT: {"submit", "withdraw"},
        S.SUBMITTED: {"approve", "reject", "withdraw"},
        S.APPROVED: {"take_back"},
        S.REJECTED: set(),
        S.WITHDRAWN: set(),
    }
    steps_fieldset = (
        _("Steps"),
        {
            "fields": (
                "status", "reason", "author", "created_at", "submitted_at", "decided_by",
                "decided_at", "answer",
            )
        },
    )  # fmt: skip

    def has_write_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may write one down."""
        return request.user.has_perm(self.may_write)

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may approve another's."""
        return request.user.has_perm(self.may_decide)

    def facts_of(self, row: Any) -> tuple[tuple[Any, Any], ...]:
        """Return what a person should see before pressing."""
        raise NotImplementedError

    def shown(self, row: Any, name: str) -> dict[str, Any]:
        """Return what else the page of a step shows, as values of ``Step``."""
        return {}

    def act(self, name: str, row: Any, actor: Actor, values: dict[str, Any]) -> Text | Done:
        """Take a step by its service, and return what to say then."""
        raise NotImplementedError

    @button(_("Submit"), path="submit", icon="send", permission="write", primary=True)
    def submit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let a draft count, or wait for somebody else."""
        return self.take(request, object_id, "submit", _("Submit"))

    @button(_("Approve"), path="approve", icon="check", permission="decide", primary=True)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Approve what somebody else submitted."""
        return self.take(request, object_id, "approve", _("Approve"))

    @button(_("Reject"), path="reject", icon="close", permission="decide")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say no, for good; the author sees why."""
        return self.take(request, object_id, "reject", _("Reject"), because=True)

    @button(_("Withdraw"), path="withdraw", icon="undo", permission="write")
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take away what was not decided about yet."""
        return self.take(request, object_id, "withdraw", _("Withdraw"))

    def take(
        self,
        request: HttpRequest,
        object_id: str,
        name: str,
        submit: Text,
        *,
        because: bool = False,
    ) -> HttpResponse:
        """Show a step, and take it; with ``because`` a reason is asked for."""
        row = self.pick(request, object_id)
        step = Step(
            title=self.titles[name],
            submit=submit,
            run=partial(self.act, name, row),
            form=ReasonForm if because else forms.Form,
            danger=because,
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=self.facts_of(row),
            **self.shown(row, name),
        )
        return self.step(request, step)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, row: Any) -> tuple[str, str]:
        return row.status, row.get_status_display()
