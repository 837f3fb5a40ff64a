"""The overview, usage as table and figures, and one job with its arithmetic."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.selectors import projects_managed_by
from audit.exports import csv_response
from core import intervals
from core.site import site_zone
from insights import figures, selectors
from insights.filters import DEFAULT_SORT, PERIOD_LABELS, UsageFilter, UsageForm, read_filter
from insights.periods import DEFAULT, PRESETS
from insights.projection import Projection, project_month
from insights.selectors import JobRow, projects_overseen_by
from pricing import wording
from pricing.estimates import accrued
from pricing.explain import explain_job
from pricing.labels import resource_name, unit_name
from pricing.selectors import charges_visible_to, jobs_visible_to
from receipts.mailing.recipients import recipients_of
from receipts.models import MailKind
from usage.models import JobRevision
from usage.raw import origins, raw_row, step_rows
from usage.tres import amounts_of

PAGE_ROWS = 50
VIEW_PARAMETERS = ("measure", "stack", "sort")
"""How things are shown; kept when the filters change."""


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What a person's projects used and owe."""
    today = timezone.localdate()
    month = intervals.month(today, site_zone())
    lately = UsageFilter(PRESETS[DEFAULT](today))
    jobs = selectors.find_jobs(request.user, lately)
    by_day, *_others = figures.plots(
        jobs, lately.days, figures.Wanted("cost", "project"), viewer=request.user
    )
    return render(
        request,
        "insights/home.html",
        {
            "overview": selectors.overview_of(request.user, month),
            "is_pi": projects_managed_by(request.user).exists(),
            "newest": selectors.newest_data(),
            "running": accrued(jobs_visible_to(request.user)),
            "plots": []
            if by_day.figure.is_empty
            else [replace(by_day, title=_("Cost of the last 30 days"))],
        },
    )


@login_required
@require_safe
def project(request: HttpRequest, code: str) -> HttpResponse:
    """A project's month so far, and what it comes to at today's pace and with more usage."""
    found = get_object_or_404(projects_overseen_by(request.user), code=code)
    projections = project_month(found)
    context = {
        "project": found,
        "projections": [(one, _projected(one)) for one in projections],
        "month": timezone.localdate(),
        "documents_to": recipients_of(found, MailKind.ISSUED),
        "reminders_to": recipients_of(found, MailKind.OVERDUE),
    }
    return render(request, "insights/project.html", context)


def _projected(projection: Projection) -> list[dict[str, Any]]:
    return [
        {"line": line, "name": resource_name(line.resource), "unit": unit_name(line.resource)}
        for line in projection.lines
    ]


@login_required
@require_safe
def usage(request: HttpRequest) -> HttpResponse:
    """Usage by the filters in the address: sums, figures and a page of jobs."""
    form = UsageForm(request.GET, viewer=request.user)
    asked = read_filter(form, request.GET.get("sort", DEFAULT_SORT))
    wanted = figures.Wanted.read(request.GET.dict(), with_people=form.is_pi)
    jobs = selectors.find_jobs(request.user, asked)
    totals = selectors.totals_of(jobs, request.user)
    paginator = Paginator(jobs, PAGE_ROWS)
    paginator.__dict__["count"] = totals.jobs  # counted already
    page = paginator.get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "form": form,
        "asked": asked,
        "wanted": wanted,
        "periods": PERIOD_LABELS.items(),
        "measures": figures.MEASURES.items(),
        "stacks": _stacks(wanted, with_people=form.is_pi),
        "people": selectors.people_of(request.user) if form.is_pi else [],
        "totals": totals,
        "plots": figures.plots(jobs, asked.days, wanted, viewer=request.user)
        if totals.jobs
        else [],
        "page": page,
        "rows": selectors.rows_of(list(page.object_list), request.user),
        "columns": _columns(asked.sort, with_people=form.is_pi),
        "kept": [(name, request.GET[name]) for name in VIEW_PARAMETERS if name in request.GET],
    }
    return render(request, "insights/usage.html", context)


def _stacks(wanted: figures.Wanted, *, with_people: bool) -> list[tuple[str, Any]]:
    return [
        (key, label)
        for key, label in figures.STACKS.items()
        if (key != "user" or with_people) and (key != "resource" or wanted.measure == "cost")
    ]


def _columns(sort: str, *, with_people: bool) -> list[dict[str, Any]]:
    """Return the table's sortable headings: a click sorts, another one turns the order round."""
    titles = {
        "job": _("Job"),
        "user": _("Person"),
        "project": _("Project"),
        "state": _("State"),
        "end": _("Ended"),
        "elapsed": _("Time"),
        "cpu": _("CPU h"),
        "gpu": _("GPU h"),
        "mem": _("GB h"),
        "amount": _("Cost"),
    }
    current, backwards = sort.removeprefix("-"), sort.startswith("-")
    return [
        {
            "title": title,
            "sort": f"-{key}" if not (key == current and backwards) else key,
            "order": ("descending" if backwards else "ascending") if key == current else "",
            "is_number": key in {"elapsed", "cpu", "gpu", "mem", "amount"},
        }
        for key, title in titles.items()
        if key != "user" or with_people
    ]


@login_required
@require_safe
def usage_csv(request: HttpRequest) -> HttpResponseBase:
    """All jobs that the filters in the address find; filters with errors go back to their page."""
    form = UsageForm(request.GET, viewer=request.user)
    if not form.is_valid():
        return HttpResponseRedirect(f"{reverse('insights:usage')}?{request.GET.urlencode()}")
    asked = read_filter(form, request.GET.get("sort", DEFAULT_SORT))
    jobs = selectors.find_jobs(request.user, asked)
    return csv_response(
        request,
        name="usage",
        header=CSV_HEADER,
        rows=_csv_rows(selectors.stream_rows(jobs, request.user)),
        filters=asked.described(),
    )


CSV_HEADER = (
    "cluster", "job_id", "raw_job_id", "user", "account", "project", "partition", "qos", "state",
    "name", "submitted", "started", "ended", "elapsed_seconds", "cpu_seconds", "gpu_seconds",
    "mem_mib_seconds", "used_cpu_seconds", "used_mem_mib_seconds", "energy_joules", "reservation",
    "estimated", "status", "reason", "amount", "currency", "receipt",
)  # fmt: skip
"""Stable names for programs, in every language. Times carry the site's offset from UTC."""


def _csv_rows(rows: Iterable[JobRow]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        job = row.job
        yield (
            job.cluster.name, job.display_id, job.job_id, job.user_name, job.account,
            row.project.code if row.project else "", job.partition, job.qos, job.state, job.name,
            _iso(job.submit), _iso(job.start), _iso(job.end), job.elapsed_seconds,
            job.cpu_seconds, job.gpu_seconds, job.mem_mib_seconds, job.used_cpu_seconds,
            job.used_mem_mib_seconds, job.energy_joules, job.reservation, int(job.estimated),
            row.bucket.value, row.reason, row.amount, row.currency,
            row.receipt.number if row.receipt else "",
        )  # fmt: skip


def _iso(moment: Any) -> str:
    return timezone.localtime(moment).isoformat() if moment else ""


@login_required
@require_safe
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """One job: what it used, the arithmetic of its cost, and the accounting row that says so."""
    found = get_object_or_404(
        jobs_visible_to(request.user).select_related("cluster", "run__evidence", "rating__project"),
        pk=pk,
    )
    (row,) = selectors.rows_of([found], request.user)
    live = {charge.pk for charge in row.charges}
    earlier = charges_visible_to(request.user).filter(job=found).exclude(pk__in=live).order_by("pk")
    return render(
        request,
        "insights/job.html",
        {
            "row": row,
            "job": found,
            "earlier": earlier,
            "tres": amounts_of(found.tres).items(),
            "revisions": JobRevision.objects.filter(job=found).select_related("run"),
            "asked": amounts_of(found.req_tres).items(),
            "raw": raw_row(found),
            "steps": step_rows(origins(found)[0]),
        },
    )


@login_required
@require_safe
def why(request: HttpRequest, pk: int) -> HttpResponse:
    """Why a job costs what it costs, or nothing."""
    found = get_object_or_404(jobs_visible_to(request.user), pk=pk)
    seen = charges_visible_to(request.user)
    explanation = explain_job(found.pk, charges=seen, reader=request.user)
    return render(request, "insights/why.html", {"job": found, "parts": wording.told(explanation)})
