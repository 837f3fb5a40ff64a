"""The console's steps of a receipt: from what waits to be billed to issued, void or paid."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from audit.console import CsvExport
from core import formatting
from core.actor import Actor
from core.admin import (
    Done,
    ReadOnlyAdmin,
    ReasonForm,
    Step,
    admin_url,
    button,
    money,
    refusals_told,
)
from core.errors import Changed, DomainError, Text
from pricing.limits import limit_in
from receipts import services
from receipts.admin.credit_pages import CreditPages
from receipts.alone import alone_on_drafts
from receipts.downloads import TYPES, file_response
from receipts.forms import window_form
from receipts.models import Receipt
from receipts.selectors import preview, unbilled_sums
from receipts.services.issuing import takes_second_person
from receipts.views import document

S = Receipt.Status
ISSUE_INTRO = _(
    "The receipt gets the next number and can't be changed any more. The project is told by e-mail."
)
SETTLING = ("transfer", "withholding", "use_balance", "write_off")
CORRECTING = ("credit", "give_credit", "refuse_credit", "withdraw_credit", "void")


class ReceiptPages(CreditPages, CsvExport, ReadOnlyAdmin):
    """What clerks do with receipts; ``receipts.services`` does it."""

    actions_list: tuple[str, ...] = ("unbilled", "corrections", "export_csv")
    actions_detail: tuple[str, ...] = (
        "issue", "discard", "transfer", "withholding", "use_balance", *CORRECTING[:-1], "write_off",
        "void", "document",
    )  # fmt: skip
    steps_by_status = {
        S.DRAFT: {"issue", "discard", "document"},
        S.PENDING: {"issue", "document"},
        S.ISSUED: {*SETTLING, *CORRECTING, "document"},
        S.PART_PAID: {*SETTLING, *CORRECTING, "document"},
        S.PAID: {*CORRECTING, "document"},
        S.VOID: {"document", "withdraw_credit"},
        S.WRITTEN_OFF: {"transfer", "document"},
    }

    def has_issue_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may draft and issue."""
        return request.user.has_perm("receipts.issue_receipt")

    def has_void_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may void."""
        return request.user.has_perm("receipts.void_receipt")

    def has_transfer_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may record transfers."""
        return request.user.has_perm("payments.record_transfer")

    def has_write_off_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may ask for write-offs."""
        return request.user.has_perm("receipts.request_writeoff")

    def get_urls(self) -> list[Any]:
        make = self.admin_site.admin_view(self.make)
        correct = self.admin_site.admin_view(self.correct)
        return [
            path("corrections/correct/", correct, name="receipts_receipt_correct"),
            path("make/<int:project_id>/", make, name="receipts_receipt_make"),
            path(
                "<int:object_id>/document.<str:form>",
                self.admin_site.admin_view(self.document_file),
                name="receipts_receipt_file",
            ),
            *super().get_urls(),
        ]

    def document_file(self, request: HttpRequest, object_id: int, form: str) -> HttpResponse:
        """Give out a document as a file to whoever may see it."""
        receipt = get_object_or_404(Receipt.objects.select_related("project"), pk=object_id)
        if not self.has_view_permission(request, receipt):
            raise PermissionDenied
        if form not in TYPES:
            raise Http404
        try:
            return file_response(request, receipt, form)
        except DomainError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(admin_url(Receipt, "change", receipt.pk))

    @button(_("Waiting to be billed"), path="unbilled", icon="pending_actions", permission="view")
    def unbilled(self, request: HttpRequest) -> HttpResponse:
        """Show by project what is on no document."""
        rows = unbilled_sums()
        return self.page(
            request,
            "admin/receipts/receipt/unbilled.html",
            title=_("Waiting to be billed"),
            rows=rows,
            may_draft=self.has_issue_permission(request),
        )

    def make(self, request: HttpRequest, project_id: int) -> HttpResponse:
        """Show what a receipt over a window would say, and draft it."""
        if not self.has_issue_permission(request):
            raise PermissionDenied
        project = get_object_or_404(Project, pk=project_id)
        form = window_form(request.POST or request.GET)
        currency = (request.POST or request.GET).get("currency") or settings.SITE_CURRENCY
        if request.method == "POST" and form.is_valid():
            with refusals_told(request):
                receipt = services.draft_receipt(
                    project_id=project.pk,
                    window=form.interval,
                    currency=currency,
                    actor=Actor.of(request.user),
                )
                messages.success(request, _t("The draft is made. Look at it and issue it."))
                return HttpResponseRedirect(admin_url(receipt, "change", receipt.pk))
        return self.page(
            request,
            "admin/receipts/receipt/make.html",
            title=_t("New receipt: %(project)s") % {"project": project},
            project=project,
            form=form,
            currency=currency,
            seen=preview(project, form.interval, currency) if form.is_valid() else None,
        )

    @button(_("Document"), path="document", icon="print", permission="view")
    def document(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the document as its project sees and prints it."""
        receipt: Receipt = self.pick(request, object_id)
        context = {**document(receipt), "back": admin_url(receipt, "change", receipt.pk)}
        return render(request, "receipts/print.html", context)

    @button(_("Issue"), path="issue", icon="verified", permission="issue", primary=True)
    def issue(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give a draft its number."""
        receipt = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            issued = services.issue_receipt(
                receipt_id=receipt.pk, actor=actor, expected_total=_amount(values["seen"])
            )
            return _t("Receipt %(number)s is issued.") % {"number": issued.number}

        return self.step(
            request,
            Step(
                title=_("Issue the receipt"),
                submit=_("Issue"),
                run=run,
                back=admin_url(receipt, "change", receipt.pk),
                target=receipt,
                facts=facts_of(receipt),
                seen=str(receipt.total),
                intro=_issue_intro(receipt, Actor.of(request.user)),
            ),
        )

    @button(_("Discard the draft"), path="discard", icon="delete", permission="issue")
    def discard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Delete a draft and free its charges."""
        receipt = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> Done:
            services.discard_draft(receipt_id=receipt.pk, actor=actor)
            said = _t("The draft is gone. Its charges wait to be billed again.")
            return Done(said, admin_url(Receipt, "changelist"))

        return self.step(
            request,
            Step(
                title=_("Discard the draft"),
                submit=_("Discard"),
                run=run,
                danger=True,
                back=admin_url(receipt, "change", receipt.pk),
                target=receipt,
                facts=facts_of(receipt),
                intro=_("The charges on it can then be billed otherwise."),
            ),
        )

    @button(_("Void"), path="void", icon="block", permission="void")
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Void a receipt, with a reason."""
        receipt = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            done = services.void_receipt(
                receipt_id=receipt.pk, actor=actor, reason=values["reason"]
            )
            return _t("Receipt %(number)s is void.") % {"number": done.number}

        return self.step(
            request,
            Step(
                title=_("Void the receipt"),
                submit=_("Void"),
                run=run,
                form=ReasonForm,
                danger=True,
                back=admin_url(receipt, "change", receipt.pk),
                target=receipt,
                facts=facts_of(receipt),
                intro=_(
                    "A credit note takes back the whole, and the usage can be billed again. "
                    "What was paid is the project's balance. This can't be undone."
                ),
            ),
        )

    @button(_("Record a transfer"), path="transfer", icon="account_balance", permission="transfer")
    def transfer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page of payments that records a bank transfer."""
        return HttpResponseRedirect(reverse("admin:payments_payment_transfer", args=[object_id]))

    @button(_("Tax withheld"), path="withholding", icon="percent", permission="transfer")
    def withholding(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page of payments that records a certificate."""
        page = reverse("admin:payments_payment_withholding", args=[object_id])
        return HttpResponseRedirect(page)

    @button(_("Use the balance"), path="use-balance", icon="savings", permission="transfer")
    def use_balance(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page of payments that uses the project's balance."""
        page = reverse("admin:payments_payment_use_balance", args=[object_id])
        return HttpResponseRedirect(page)

    @button(_("Write off"), path="write-off", icon="money_off", permission="write_off")
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page of payments that asks for a write-off."""
        return HttpResponseRedirect(reverse("admin:payments_payment_write_off", args=[object_id]))


def _amount(text: str) -> Decimal:
    """Read the total that a form carries. Raises Changed for what is none."""
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise Changed from error


def period_of(receipt: Receipt) -> str:
    """Return a receipt's days, both included."""
    return f"{formatting.day(receipt.first_day)} – {formatting.day(receipt.last_day)}"


def facts_of(receipt: Receipt) -> tuple[tuple[Any, Any], ...]:
    """Return what a person should see of a receipt before pressing."""
    return (
        (_("Receipt"), receipt),
        (_("Project"), receipt.project),
        (_("Period"), period_of(receipt)),
        (_("Total"), money(receipt.total, receipt.currency)),
    )


def _issue_intro(receipt: Receipt, actor: Actor) -> Text:
    """Say what issuing does, and before it whether it takes a second person, who approves."""
    found = alone_on_drafts([receipt.pk]).get(receipt.pk)
    limit = limit_in(receipt.currency)
    if found is None or not found.is_beyond(limit):
        return ISSUE_INTRO
    if not found.is_second(actor.user_id, receipt):
        return str(takes_second_person(found, receipt.currency))
    said = _t(
        "One person alone decided %(amount)s of what is credited and charged by hand on this"
        " document, more than %(limit)s. By issuing it you approve that."
    )
    amounts = {"amount": found.amount, "limit": limit}
    shown = {name: money(value, receipt.currency) for name, value in amounts.items()}
    return f"{said % shown} {ISSUE_INTRO}"
