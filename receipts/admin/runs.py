"""The monthly run in the console: how far it is, and the review of its documents."""

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal, InvalidOperation
from itertools import starmap
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from core import formatting
from core.actor import Actor
from core.admin import (
    ConsoleForm,
    Done,
    ReadOnlyAdmin,
    ReasonForm,
    Step,
    admin_url,
    column,
    money,
)
from core.errors import CHANGED, Conflict, Text
from core.seen import mark_of
from receipts.alone import beyond_limit
from receipts.models import BillingRun, RunEntry
from receipts.reviewing import (
    FILTERS,
    entries_of,
    progress_in,
    progress_of,
    shown,
    with_progress,
)
from receipts.services import runs
from receipts.services.runs import Seen
from receipts.services.runs.steps import RETRIED

PER_PAGE = 50
NONE_WAITED = _(
    "None of these documents waits for your approval any more: they are approved already, were sent"
    " back, or somebody else has to approve them."
)
NONE_TRIED = _("None of these is to be tried again any more: somebody has done it already.")
APPROVE_INTRO = _(
    "Each document gets the next number and can't be changed any more. "
    "The projects are told by e-mail."
)
SHOWN = 100
"""Documents that are listed at the most before many are approved."""
NAMES: dict[str, Text] = {
    "approve": _("To be approved"),
    "marked": _("Look closely"),
    "problems": _("Problems"),
    "carried": _("Carried forward"),
    "issued": _("Issued"),
    "all": _("All"),
}


class SeenForm(ConsoleForm):
    """Keeps which documents a person was shown before confirming, and what each came to."""

    entries = forms.CharField(widget=forms.HiddenInput)

    def clean_entries(self) -> dict[int, Seen]:
        """Return what was seen, by entry."""
        found = {}
        for text in str(self.cleaned_data["entries"]).split():
            try:
                entry, receipt, total = text.split(":")
                found[int(entry)] = Seen(int(receipt), Decimal(total))
            except (ValueError, InvalidOperation) as error:
                raise forms.ValidationError(CHANGED) from error
        return found


class ChosenForm(ConsoleForm):
    """Keeps which entries a person was shown before confirming."""

    entries = forms.CharField(widget=forms.HiddenInput)

    def clean_entries(self) -> list[int]:
        """Return the keys."""
        texts = str(self.cleaned_data["entries"]).split(",")
        return [int(text) for text in texts if text.isdecimal()]


@admin.register(BillingRun)
class BillingRunAdmin(ReadOnlyAdmin):
    """The runs of the months. Each has one page, on which its documents are reviewed."""

    list_display = ("shown_month", "state", "documents", "started_at", "started_by")
    list_select_related = ("started_by",)
    ordering = ("-period_id", "-pk")  # of the period itself it would be by its own order, turned

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingRun]:
        """Know of each run how far it is, in one query."""
        queryset: QuerySet[BillingRun] = with_progress(super().get_queryset(request))
        return queryset

    def has_issue_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may approve, send back, discard and try again."""
        return request.user.has_perm("receipts.issue_receipt")

    @column(_("Month"), ordering="period")
    def shown_month(self, run: BillingRun) -> str:
        return formatting.month(run.period_id)

    @column(_("Status"), label={"drafting": "info", "review": "warning", "done": "success"})
    def state(self, run: BillingRun) -> tuple[str, Text]:
        found = progress_in(run)
        if found.waiting:
            return "drafting", _("Making drafts")
        return ("done", _("Done")) if found.is_done else ("review", _("In review"))

    @column(_("Documents"))
    def documents(self, run: BillingRun) -> str:
        found = progress_in(run)
        said = _t("%(issued)s of %(all)s issued")
        return said % {"issued": found.issued, "all": found.entries}

    def get_urls(self) -> list[Any]:
        view, name = self.admin_site.admin_view, "receipts_billingrun"
        return [
            path("<int:run_id>/progress/", view(self.progress), name=f"{name}_progress"),
            path("<int:run_id>/approve/", view(self.approve), name=f"{name}_approve"),
            path("<int:run_id>/retry/", view(self.retry), name=f"{name}_retry"),
            path("entry/<int:entry_id>/return/", view(self.send_back), name=f"{name}_return"),
            path("entry/<int:entry_id>/discard/", view(self.discard), name=f"{name}_discard"),
            path("entry/<int:entry_id>/hand-in/", view(self.hand_in), name=f"{name}_handin"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a run: how far it is, and its documents beside what was billed before."""
        if request.method == "POST":
            raise PermissionDenied
        run: BillingRun = self.pick(request, object_id)
        found = entries_of(run)
        progress = progress_of(run)
        which = request.GET.get("show", "")
        if which not in FILTERS:
            which = "all" if progress.is_done else "approve"
        wanted = shown(found, which)
        if query := request.GET.get("q", "").strip():
            wanted = wanted.filter(project__code__icontains=query)
        page = Paginator(wanted, PER_PAGE).get_page(request.GET.get("page"))
        return self.page(
            request,
            "admin/receipts/billingrun/page.html",
            title=_t("Run of %(month)s") % {"month": formatting.month(run.period_id)},
            run=run,
            progress=progress,
            rows=page,
            beyond=beyond_limit(row.receipt for row in page if row.receipt is not None),
            not_own=self._not_own(request, page),
            q=query,
            which=which,
            tabs=[(name, NAMES[name], shown(found, name).count()) for name in FILTERS],
            may_issue=self.has_issue_permission(request),
            retried=[str(state) for state in RETRIED],
        )

    def _not_own(self, request: HttpRequest, rows: Iterable[RunEntry]) -> set[int]:
        """The entries that wait for the approval of somebody else than who looks."""
        waiting = {row.pk for row in rows if _waits(row)}
        if not waiting or not self.has_issue_permission(request):
            return set()
        mine = runs.to_approve(Actor.of(request.user)).filter(pk__in=waiting)
        return waiting - set(mine.values_list("pk", flat=True))

    def progress(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Show how far a run is; its page asks for this part every other second."""
        run = self.pick(request, run_id)
        context = {"run": run, "progress": progress_of(run)}
        response = render(request, "admin/receipts/billingrun/_progress.html", context)
        if not context["progress"].is_moving:
            response["HX-Refresh"] = "true"
        return response

    def approve(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Show what is about to be approved, and approve it."""
        run = self._of(request, run_id)
        actor = Actor.of(request.user)
        asked = RunEntry.objects.filter(run=run, pk__in=self._chosen(request, run))
        chosen = runs.to_approve(actor).filter(pk__in=asked)
        listed = chosen.select_related("project", "receipt").order_by("project__code", "pk")
        seen = runs.seen_in(listed)

        def act(actor: Actor, values: dict[str, Any]) -> Text:
            count = runs.approve(seen=values["entries"], actor=actor)
            if not count:
                raise Conflict("approved", NONE_WAITED)
            said = ngettext(
                "%(count)s document is approved and on its way.",
                "%(count)s documents are approved and on their way.",
                count,
            )
            return said % {"count": formatting.number(count)}

        return self._of_chosen(
            request,
            run,
            chosen,
            title=_("Approve documents"),
            submit=_("Approve and issue"),
            run=act,
            form=SeenForm,
            initial={"entries": " ".join(starmap(_as_text, seen.items()))},
            template="admin/receipts/billingrun/approve.html",
            context={"rows": listed[:SHOWN], "more": max(0, len(seen) - SHOWN)},
            intro=f"{APPROVE_INTRO} {_beyond(listed)} {_left_out(asked, seen)}".strip(),
        )

    def retry(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Let entries be done again."""
        run = self._of(request, run_id)
        rows = RunEntry.objects.filter(run=run, state__in=RETRIED)
        chosen = rows.filter(pk__in=self._chosen(request, run))
        keys = chosen.order_by("pk").values_list("pk", flat=True)

        def act(actor: Actor, values: dict[str, Any]) -> Text:
            count = runs.retry(entry_ids=values["entries"], actor=actor)
            if not count:
                raise Conflict("retried", NONE_TRIED)
            said = ngettext("%(count)s is tried again.", "%(count)s are tried again.", count)
            return said % {"count": formatting.number(count)}

        return self._of_chosen(
            request,
            run,
            chosen,
            title=_("Try again"),
            submit=_("Try again"),
            run=act,
            form=ChosenForm,
            initial={"entries": ",".join(map(str, keys))},
            intro=_("A draft is made over all that is not billed by now."),
        )

    def send_back(self, request: HttpRequest, entry_id: int) -> HttpResponse:
        """Make a draft again of a document, with a reason."""
        entry = self._entry(request, entry_id)

        def act(actor: Actor, values: dict[str, Any]) -> Text:
            runs.send_back(entry_id=entry.pk, actor=actor, **values)
            return _("It is a draft again.")

        return self._of_entry(
            request,
            entry,
            title=_("Send back"),
            run=act,
            form=ReasonForm,
            intro=_("It becomes a draft again, with your reason beside it, and is not issued."),
        )

    def discard(self, request: HttpRequest, entry_id: int) -> HttpResponse:
        """Delete a document of the review, with a reason."""
        entry = self._entry(request, entry_id)

        def act(actor: Actor, values: dict[str, Any]) -> Text:
            runs.discard(entry_id=entry.pk, actor=actor, **values)
            return _("The draft is gone. Its charges wait to be billed again.")

        return self._of_entry(
            request,
            entry,
            title=_("Discard the draft"),
            run=act,
            form=ReasonForm,
            danger=True,
            intro=_("Its charges can be billed otherwise, or by trying it again here."),
        )

    def hand_in(self, request: HttpRequest, entry_id: int) -> HttpResponse:
        """Hand a document in again that was sent back."""
        entry = self._entry(request, entry_id)

        def act(actor: Actor, values: dict[str, Any]) -> Text:
            runs.hand_in(entry_id=entry.pk, actor=actor, **values)
            return _("It waits for the approval of a colleague.")

        return self._of_entry(
            request,
            entry,
            title=_("Hand in again"),
            run=act,
            form=forms.Form,
            intro=_("Whoever hands it in does not approve it: a colleague does."),
        )

    def _of(self, request: HttpRequest, run_id: int) -> BillingRun:
        if not self.has_issue_permission(request):
            raise PermissionDenied
        run: BillingRun = self.pick(request, run_id)
        return run

    def _entry(self, request: HttpRequest, entry_id: int) -> RunEntry:
        if not self.has_issue_permission(request):
            raise PermissionDenied
        rows = RunEntry.objects.select_related("project", "run", "receipt")
        return get_object_or_404(rows, pk=entry_id, receipt__isnull=False)

    def _chosen(self, request: HttpRequest, run: BillingRun) -> list[int]:
        """The keys of the rows that were ticked, or of all that the filter shows."""
        which = request.GET.get("all", "")
        if which in FILTERS:
            found = shown(entries_of(run), which)
            return list(found.values_list("pk", flat=True))
        return [int(text) for text in request.GET.getlist("entry") if text.isdecimal()]

    def _of_chosen(
        self, request: HttpRequest, of: BillingRun, chosen: Any, **step: Any
    ) -> HttpResponse:
        count = chosen.count()
        if not count and request.method == "GET":
            messages.warning(request, _t("Nothing of this waits for you. Choose documents first."))
            return HttpResponseRedirect(review_page(of))
        sums = chosen.order_by("currency").values_list("currency").annotate(Sum("total"))
        facts = [(_("Documents"), formatting.number(count))]
        facts += [(_("Total"), money(total, currency)) for currency, total in sums if total]
        made = Step(back=review_page(of), target=of, facts=tuple(facts), **step)
        return self.step(request, made)

    def _of_entry(
        self, request: HttpRequest, entry: RunEntry, *, run: Callable[..., Text], **step: Any
    ) -> HttpResponse:
        facts = (
            (_("Project"), entry.project),
            (_("Total"), money(entry.total, entry.currency)),
        )
        seen = mark_of(*runs.seen_of(entry))
        end = review_page(entry.run)

        def act(actor: Actor, values: dict[str, Any]) -> Done:
            return Done(run(actor, values), end)

        title = step["title"]
        made = Step(
            submit=title, run=act, back=end, target=entry.run, facts=facts, seen=seen, **step
        )
        return self.step(request, made)


def _beyond(listed: QuerySet[RunEntry]) -> str:
    """Name the documents of which an approver approves what one person alone decided, too."""
    receipts = {row.receipt_id: row for row in listed if row.receipt is not None}
    found = beyond_limit(row.receipt for row in receipts.values() if row.receipt is not None)
    if not found:
        return ""
    codes = (receipts[key].project.code for key in found)
    said = _t(
        "Of these, one person alone decided more than the limit of what is credited and charged by"
        " hand: %(projects)s. By approving you approve that; whoever wrote it can't."
    )
    return said % {"projects": _named(codes)}


def _named(codes: Iterable[str]) -> str:
    found = sorted(set(codes))
    return ", ".join(found[:SHOWN]) + (" …" if len(found) > SHOWN else "")


def _waits(row: RunEntry) -> bool:
    receipt = row.receipt
    return receipt is not None and receipt.status == receipt.Status.PENDING and not row.approved_by


def _left_out(asked: QuerySet[RunEntry], seen: Collection[int]) -> str:
    """Name the documents that wait for the approval of somebody else than who asks."""
    others = asked.exclude(pk__in=seen).select_related("project", "receipt", "approved_by")
    names = _named(row.project.code for row in others if _waits(row))
    said = _t("Left out, because somebody else has to approve them: %(projects)s.")
    return said % {"projects": names} if names else ""


def _as_text(entry_id: int, seen: Seen) -> str:
    return f"{entry_id}:{seen.receipt_id}:{seen.total}"


def review_page(run: BillingRun) -> str:
    """Return the address of a run's review."""
    return admin_url(run, "change", run.pk)
