"""Receipts of the projects that a person acts for: make, see, print, and look behind each line."""

import uuid
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.selectors import projects_managed_by
from audit.exports import csv_response
from core.actor import Actor
from core.errors import Conflict, DomainError
from receipts import explain_wording
from receipts.arithmetic import Totals
from receipts.downloads import TYPES, file_response, has_files
from receipts.explain import explain_receipt
from receipts.models import Line, Receipt
from receipts.page_forms import WindowForm, expected_total
from receipts.selectors import (
    charges_of,
    overdue,
    preview,
    receipt_over,
    receipts_visible_to,
    unbilled_amounts,
)
from receipts.services import create_receipt

PAGE_RECEIPTS = 25
PAGE_CHARGES = 50


@login_required
@require_safe
def receipt_list(request: HttpRequest) -> HttpResponse:
    """The receipts of a person's projects, newest first; by project and status in the address."""
    receipts = receipts_visible_to(request.user).order_by("-pk")
    projects = projects_managed_by(request.user).order_by("code")
    project, status = request.GET.get("project", ""), request.GET.get("status", "")
    if project:
        # No text in the database has a NUL.
        receipts = receipts.filter(project__code=project.replace("\0", ""))
    if status == "overdue":
        receipts = receipts.filter(pk__in=overdue().values("pk"))
    elif status in Receipt.Status.values:
        receipts = receipts.filter(status=status)
    context = {
        "page": Paginator(receipts, PAGE_RECEIPTS).get_page(request.GET.get("page")),
        "projects": projects,
        "project": project,
        "status": status,
        "statuses": (
            ("issued", _("To be paid")),
            ("overdue", _("Overdue")),
            ("paid", _("Paid")),
            ("draft", _("In review")),
            ("void", _("Void")),
        ),
    }
    return render(request, "receipts/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Choose project and period, see what it comes to, confirm.

    What is confirmed is the total that was seen. Who presses twice, or a moment after a colleague,
    is taken to the receipt that was made.
    """
    if request.method == "POST":
        return _confirm(request)
    form = WindowForm(request.GET or None, viewer=request.user)
    context: dict[str, Any] = {
        "form": form,
        "waiting": unbilled_amounts(request.user),
        "site_currency": settings.SITE_CURRENCY,
    }
    if form.is_bound and form.is_valid():
        project, window = form.cleaned_data["project"], form.window
        context |= {
            "project": project,
            "first": form.cleaned_data["first"],
            "last": form.cleaned_data["last"],
            "preview": preview(project, window),
            "instead": receipt_over(project, window),
        }
    return render(request, "receipts/create.html", context)


def _confirm(request: HttpRequest) -> HttpResponse:
    form = WindowForm(request.POST, viewer=request.user)
    seen = expected_total(request.POST.get("expected_total", ""))
    if not form.is_valid() or seen is None:
        messages.error(request, _("Choose a project and a period."))
        return redirect("receipts:create")
    project = form.cleaned_data["project"]
    try:
        receipt = create_receipt(
            project_id=project.pk,
            window=form.window,
            actor=Actor.of(request.user),
            expected_total=seen,
        )
    except Conflict as error:
        return _made_already(request, form, error)
    except DomainError as error:
        messages.error(request, str(error))
        return redirect(_preview_address(form))
    messages.success(request, _("Receipt %(number)s was created.") % {"number": receipt.number})
    return redirect("receipts:detail", receipt.public_id)


def _made_already(request: HttpRequest, form: WindowForm, error: Conflict) -> HttpResponse:
    """Take the person to the receipt that has the usage, or back to the new total."""
    project = form.cleaned_data["project"]
    made = receipt_over(project, form.window) if error.code == "nothing_to_bill" else None
    if made is None:
        messages.warning(request, str(error))
        return redirect(_preview_address(form))
    messages.info(request, _("This usage is on this receipt already; no second one was made."))
    return redirect("receipts:detail", made.public_id)


def _preview_address(form: WindowForm) -> str:
    chosen = form.cleaned_data
    query = urlencode(
        {
            "project": chosen["project"].code,
            "period": "days",
            "first": chosen["first"],
            "last": chosen["last"],
        }
    )
    return f"{reverse('receipts:create')}?{query}"


def _receipt(request: HttpRequest, public_id: uuid.UUID) -> Receipt:
    """Return a receipt that the person may see; to anyone else it does not exist."""
    return get_object_or_404(receipts_visible_to(request.user), public_id=public_id)


@login_required
@require_safe
def detail(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """A receipt with the arithmetic of each line, and the ways to pay it."""
    receipt = _receipt(request, public_id)
    return render(request, "receipts/detail.html", document(receipt))


@login_required
@require_safe
def document_file(request: HttpRequest, public_id: uuid.UUID, form: str) -> HttpResponse:
    """The document as a file: PDF, e-invoice, or the data that is hashed."""
    receipt = _receipt(request, public_id)
    if form not in TYPES:
        raise Http404
    try:
        return file_response(request, receipt, form)
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("receipts:detail", receipt.public_id)


@login_required
@require_safe
def print_page(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The receipt as a page of A4 in the language of the site's pages."""
    receipt = _receipt(request, public_id)
    return render(request, "receipts/print.html", document(receipt))


def document(receipt: Receipt) -> dict[str, Any]:
    """Return what the templates of a receipt's document need."""
    return {
        "receipt": receipt,
        "lines": receipt.lines.order_by("position"),
        "totals": Totals(receipt.net_amount, receipt.tax_amount, receipt.total),
        "bank_details": settings.SITE_BANK_DETAILS,
        "has_files": has_files(receipt),
    }


@login_required
@require_safe
def line(request: HttpRequest, public_id: uuid.UUID, position: int) -> HttpResponse:
    """The jobs behind a line, each with its own arithmetic."""
    receipt = _receipt(request, public_id)
    found = get_object_or_404(Line, receipt=receipt, position=position)
    charges = charges_of(receipt).filter(document_line__line=found)
    paginator = Paginator(charges, PAGE_CHARGES)
    context = {
        "receipt": receipt,
        "line": found,
        "page": paginator.get_page(request.GET.get("page")),
    }
    return render(request, "receipts/line.html", context)


LINES_HEADER = (
    "receipt", "line", "resource", "cluster", "job_id", "user", "job_name", "ended", "quantity",
    "unit_size", "unit_price", "amount", "currency", "price_list", "kind", "counter_before",
    "counter_after", "basis",
)  # fmt: skip


@login_required
@require_safe
def lines_csv(request: HttpRequest, public_id: uuid.UUID) -> StreamingHttpResponse:
    """Every charge behind a receipt, so that its total can be computed again."""
    receipt = _receipt(request, public_id)
    return csv_response(
        request,
        name=f"{receipt.number or 'draft'}-lines",
        header=LINES_HEADER,
        rows=_line_rows(receipt),
        filters={"receipt": receipt.public_id},
    )


def _line_rows(receipt: Receipt) -> Iterator[tuple[Any, ...]]:
    charges: QuerySet[Any] = charges_of(receipt).select_related(
        "job__cluster", "document_line__line"
    )
    for charge in charges.iterator(chunk_size=2000):
        job = charge.job
        of_job = (job.cluster.name, job.display_id, job.user_name, job.name) if job else ("",) * 4
        yield (
            receipt.number or "", charge.document_line.line.position, charge.resource, *of_job,
            timezone.localtime(charge.job_end).isoformat(), charge.quantity, charge.unit_size,
            charge.unit_price, charge.amount, charge.currency, charge.list_name, charge.kind,
            charge.counter_before, charge.counter_after, charge.basis,
        )  # fmt: skip


@login_required
@require_safe
def why(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Why a receipt is what it is, from its charges to the total."""
    receipt = _receipt(request, public_id)
    parts = explain_wording.told(explain_receipt(receipt))
    return render(request, "receipts/why.html", {"receipt": receipt, "parts": parts})
