"""The page that says what jobs would cost before they are submitted."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.selectors import Viewer
from core.errors import DomainError
from core.rest.limits import is_over_limit
from pricing import quote_wording
from pricing.estimate_form import EstimateForm, ScriptForm
from pricing.quote_requests import cluster_called, may_estimate, payer_of
from pricing.quotes import Quote, QuoteLine, quote
from usage.sbatch import Found

SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of the result as people read it."""

    line: QuoteLine
    name: str
    quantity: str
    price: str


@require_http_methods(["GET", "HEAD", "POST"])
def estimate(request: HttpRequest) -> HttpResponseBase:
    """The form, and what its jobs would cost. Figures stand in the address, so that they can be
    passed on; a script is sent, and not kept."""
    if not may_estimate(request.user):
        return redirect_to_login(request.get_full_path())
    if is_over_limit(request):
        return HttpResponse(status=429, headers={"Retry-After": "60"})
    by_script = request.method == "POST" or request.GET.get("by") == SCRIPT
    form = _form(request, by_script=by_script)
    context: dict[str, Any] = {"form": form, "by_script": by_script}
    if form.is_bound and form.is_valid():
        context |= _result(form, request.user)
    return render(request, "pricing/estimate.html", context)


def _form(request: HttpRequest, *, by_script: bool) -> EstimateForm:
    if by_script:
        data = request.POST if request.method == "POST" else None
        return ScriptForm(data, viewer=request.user)
    return EstimateForm(request.GET if "cpus" in request.GET else None, viewer=request.user)


def _result(form: EstimateForm, viewer: Viewer) -> dict[str, Any]:
    tier, project = form.chosen
    try:
        source = form.source()
        found = quote(
            source.jobs,
            payer=payer_of(viewer, tier=tier, project=project),
            moment=form.moment(),
            cluster=form.cleaned_data["cluster"] or cluster_called(source.cluster),
        )
    except DomainError as error:
        return {"refusal": str(error)}
    return _shown(found, source.remarks)


def _shown(found: Quote, remarks: tuple[Found, ...]) -> dict[str, Any]:
    return {
        "quote": found,
        "lists": quote_wording.lists_text(found),
        "parts": [
            (part, quote_wording.wanted_text(part.wanted), [_line(line) for line in part.lines])
            for part in found.parts
        ],
        "notes": [
            *(quote_wording.note_text(note, found.currency) for note in found.notes),
            *(quote_wording.found_text(remark) for remark in remarks),
        ],
    }


def _line(line: QuoteLine) -> ShownLine:
    return ShownLine(
        line,
        quote_wording.line_name(line),
        quote_wording.quantity_text(line),
        quote_wording.price_text(line),
    )
