"""The console's pages of corrections: cases, what waits for a decision, and credits by hand."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from audit.exports import csv_response
from core import formatting
from core.actor import Actor
from core.admin import (
    ConsoleForm,
    Done,
    ReadOnlyAdmin,
    ReasonForm,
    Step,
    admin_url,
    button,
    money,
)
from core.bulk import in_batches
from core.errors import CHANGED, Text
from pricing.services.line_credits import line_credits_waiting
from receipts import services
from receipts.cases import Case, case_rows, cases
from receipts.corrections import (
    Correction,
    corrections,
    jobs_to_correct,
    mark_of_corrections,
)
from receipts.models import Receipt
from receipts.selectors import CREDITABLE
from receipts.services.corrections import correct_jobs
from receipts.services.crediting import left_after
from receipts.services.part_credits import Part, left_of, mark_of_credit
from receipts.settling import has_balance

PAGE_CASES = 50
CSV_JOBS = 1000
SHOWN_CORRECTIONS = 100
CORRECTION_COLUMNS = (
    "cluster", "job_id", "ended", "project", "receipts", "status", "old_amount", "old_currency",
    "new_amount", "new_currency", "difference", "reason",
)  # fmt: skip
CASE_COLUMNS = (
    "cluster", "job_id", "ended", "project", "receipt", "old_amount", "new_amount", "difference",
    "currency", "state", "credit_notes", "new_receipts", "problem",
)  # fmt: skip
STATES = (
    ("decision", _("Wait for a decision")),
    ("waiting", _("Wait for documents")),
    ("documented", _("Corrected")),
)
_PARTS = _(
    "Amounts are as on the lines: before tax where tax is added to prices. "
    "Leave the other lines empty. To give back all of it, void the receipt."
)
_OPENING = _(
    "This was issued elsewhere: the amount is with whatever tax it had, and the credit note states"
    " none. Correct the tax where it was declared."
)
DECIDING = {"give_credit", "refuse_credit", "withdraw_credit"}
"""Steps of a credit that waits."""
OF_RECEIPTS = {*DECIDING, "void", "credit", "transfer", "withholding", "use_balance", "write_off"}
"""Steps that credit notes don't have."""


def _correction_row(row: Correction) -> tuple[Any, ...]:
    return (
        row.job.cluster.name,
        row.job.display_id,
        row.job.end,
        row.project,
        " ".join(str(receipt.number or receipt.public_id) for receipt in row.receipts),
        " ".join(str(receipt.status) for receipt in row.receipts),
        row.old,
        row.currency,
        row.new,
        row.new_currency,
        row.difference,
        row.reason,
    )


def _counted_states() -> list[tuple[str, Text, int]]:
    """Return the states of corrections, each with how many are in it."""
    found: list[tuple[str, Text, int]] = []
    for code, label in STATES:
        rows = jobs_to_correct() if code == "decision" else case_rows(state=code)
        found.append((code, label, rows.count()))
    return found


def _case_row(case: Case) -> tuple[Any, ...]:
    return (
        case.job.cluster.name,
        case.job.display_id,
        case.job.end,
        case.project.code,
        case.receipt.number,
        case.before,
        case.after,
        case.difference,
        case.currency,
        "waiting" if case.waits else "documented",
        " ".join(str(note) for note in case.notes),
        " ".join(str(receipt) for receipt in case.receipts),
        case.problem,
    )


class CreditPages(ReadOnlyAdmin):
    """Corrections of issued receipts; ``receipts.services`` and settling do them."""

    def has_credit_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may give back parts of receipts, and have jobs corrected."""
        return request.user.has_perm("receipts.void_receipt")

    def has_give_credit_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may approve what others ask to give back."""
        return request.user.has_perm("pricing.approve_adjustment")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the buttons that fit the kind of document, whether a credit of it waits, and
        whether its project has a balance."""
        buttons = super().get_actions_detail(request, object_id)
        found = self.get_object(request, str(object_id))
        if found is None:
            return buttons
        if found.kind == Receipt.Kind.CREDIT_NOTE:
            hidden = OF_RECEIPTS
        else:
            hidden = {"credit"} if line_credits_waiting(found.pk).exists() else DECIDING
            if found.kind == Receipt.Kind.OPENING:
                hidden = hidden | {"void"}
            if found.status in Receipt.OPEN and not has_balance(found):
                hidden = hidden | {"use_balance"}
        return [item for item in buttons if item.method.original_function_name not in hidden]

    @button(_("Corrections"), path="corrections", icon="difference", permission="view")
    def corrections(self, request: HttpRequest) -> HttpResponseBase:
        """Show corrections in one state: what waits for a decision, for documents, or is done."""
        state = request.GET.get("state", "decision")
        if state == "decision" or state not in dict(STATES):
            return self._decisions(request)
        asked = {name: request.GET.get(name, "").strip() for name in ("project", "receipt")}
        rows = case_rows(state=state, **asked)
        if request.GET.get("csv"):
            lines = map(_case_row, _all_cases(rows.iterator(chunk_size=CSV_JOBS)))
            return csv_response(
                request, name=f"corrections-{state}", header=CASE_COLUMNS, rows=lines, filters=asked
            )
        page = Paginator(rows, PAGE_CASES).get_page(request.GET.get("page"))
        return self.page(
            request,
            "admin/receipts/receipt/cases.html",
            title=_("Corrections"),
            states=_counted_states(),
            state=state,
            asked=asked,
            page=page,
            rows=list(cases(page.object_list)),
        )

    def _decisions(self, request: HttpRequest) -> HttpResponseBase:
        """Show the jobs whose documents say another amount than they cost now, or export them."""
        waiting = jobs_to_correct().values_list("pk", flat=True)
        if request.GET.get("csv"):
            rows = map(_correction_row, corrections(waiting.iterator(chunk_size=CSV_JOBS)))
            return csv_response(request, name="corrections", header=CORRECTION_COLUMNS, rows=rows)
        count = waiting.count()
        return self.page(
            request,
            "admin/receipts/receipt/corrections.html",
            title=_("Corrections"),
            states=_counted_states(),
            state="decision",
            rows=list(corrections(list(waiting[:SHOWN_CORRECTIONS]))),
            more=max(0, count - SHOWN_CORRECTIONS),
            may_correct=self.has_credit_permission(request),
        )

    def correct(self, request: HttpRequest) -> HttpResponse:
        """Have chosen jobs rated as prices say now, once a person confirmed it."""
        if not self.has_credit_permission(request):
            raise PermissionDenied
        back = admin_url(Receipt, "corrections")
        texts = request.POST.getlist("job") if request.method == "POST" else []
        asked = [int(text) for text in texts if text.isdecimal() and len(text) < 19]
        chosen = list(jobs_to_correct().filter(pk__in=asked).values_list("pk", flat=True))
        if not chosen:
            messages.warning(request, _t("Choose the jobs that are to be corrected."))
            return HttpResponseRedirect(back)
        rows = list(corrections(chosen))
        seen = mark_of_corrections(rows)
        changed = "confirmed" in request.POST and request.POST.get("seen") != seen
        if changed:
            messages.warning(request, str(CHANGED))
        elif "confirmed" in request.POST:
            outcome = correct_jobs(job_ids=chosen, actor=Actor.of(request.user))
            said = ngettext("%(n)s job was corrected.", "%(n)s jobs were corrected.", outcome.rated)
            messages.success(request, said % {"n": outcome.rated})
            if outcome.waiting:
                still = ngettext(
                    "%(n)s job is on a draft and waits.",
                    "%(n)s jobs are on drafts and wait.",
                    outcome.waiting,
                )
                messages.warning(request, still % {"n": outcome.waiting})
            return HttpResponseRedirect(f"{back}?state=documented")
        return self.page(
            request,
            "admin/receipts/receipt/correct.html",
            title=_("Correct issued receipts"),
            rows=rows,
            seen=seen,
            back=back,
        )

    @button(_("Give back a part"), path="credit", icon="undo", permission="credit")
    def credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give back amounts on lines of a receipt."""
        receipt = self.pick(request, object_id)
        left = left_of(receipt) if receipt.status in CREDITABLE else []

        def run(actor: Actor, values: dict[str, Any]) -> Done:
            parts = [
                Part(item.line.pk, values[f"line_{item.line.pk}"])
                for item in left
                if values.get(f"line_{item.line.pk}")
            ]
            note = services.ask_credit(
                receipt_id=receipt.pk,
                parts=parts,
                reason=values["reason"],
                seen=values["seen"],
                actor=actor,
            )
            if note is None:
                said = _t("A second person has to approve this. It waits on the receipt's page.")
                return Done(said, admin_url(receipt, "change", receipt.pk))
            said = _t("Credit note %(number)s is issued.") % {"number": note.number}
            return Done(said, admin_url(note, "change", note.pk))

        fields = {f"line_{item.line.pk}": _amount(item.line, item.amount, receipt) for item in left}
        form = type("PartsForm", (_Reason,), fields)
        return self.step(
            request,
            Step(
                title=_("Give back a part of the receipt"),
                submit=_("Issue the credit note"),
                run=run,
                form=form,
                initial={"seen": left_after(receipt, ())},
                back=admin_url(receipt, "change", receipt.pk),
                target=receipt,
                facts=_facts(receipt),
                intro=_OPENING if receipt.kind == Receipt.Kind.OPENING else _PARTS,
            ),
        )

    @button(_("Approve the credit"), path="give-credit", icon="task_alt", permission="give_credit")
    def give_credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Approve what another person asked to give back."""

        def run(actor: Actor, values: dict[str, Any]) -> Done:
            note = services.approve_credit(receipt_id=int(object_id), actor=actor, **values)
            said = _t("Credit note %(number)s is issued.") % {"number": note.number}
            return Done(said, admin_url(note, "change", note.pk))

        return self._decide(
            request, object_id, run, title=_("Approve the credit"), submit=_("Approve")
        )

    @button(_("Refuse the credit"), path="refuse-credit", icon="block", permission="give_credit")
    def refuse_credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say no to what another person asked to give back."""

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.refuse_credit(receipt_id=int(object_id), actor=actor, **values)
            return _t("The credit was refused; nothing is given back.")

        return self._decide(
            request,
            object_id,
            run,
            title=_("Refuse the credit"),
            submit=_("Refuse"),
            form=ReasonForm,
        )

    @button(_("Withdraw the credit"), path="withdraw-credit", icon="undo", permission="credit")
    def withdraw_credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take back what waits to be given back."""

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.withdraw_credit(receipt_id=int(object_id), actor=actor, **values)
            return _t("The credit was withdrawn; nothing is given back.")

        return self._decide(
            request, object_id, run, title=_("Withdraw the credit"), submit=_("Withdraw")
        )

    def _decide(
        self,
        request: HttpRequest,
        object_id: str,
        run: Any,
        *,
        title: Any,
        submit: Any,
        **more: Any,
    ) -> HttpResponse:
        receipt = self.pick(request, object_id)
        waiting = line_credits_waiting(receipt.pk).select_related("author", "project")
        lines = dict(receipt.lines.values_list("pk", "position"))
        asked = tuple(
            (
                _("Line %(number)s") % {"number": lines.get(row.credits_line_id, "?")},
                f"{money(row.amount, row.currency)} – {row.text} ({row.author})",
            )
            for row in waiting
        )
        step = Step(
            title=title,
            submit=submit,
            run=run,
            back=admin_url(receipt, "change", receipt.pk),
            target=receipt,
            facts=(*_facts(receipt), *asked),
            seen=mark_of_credit(waiting),
            **more,
        )
        return self.step(request, step)


class _Reason(ConsoleForm):
    """The reason stands below the amounts."""

    reason = forms.CharField(
        label=_("Reason"), max_length=200, help_text=_("It is printed on the credit note.")
    )
    seen = forms.DecimalField(required=False, widget=forms.HiddenInput)
    field_order: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([name for name in self.fields if name != "reason"])


def _amount(line: Any, left: Decimal, receipt: Receipt) -> forms.DecimalField:
    said = _("%(left)s can be given back.")
    return forms.DecimalField(
        label=f"{line.position}. {line.title}",
        required=False,
        min_value=Decimal(0),
        max_digits=18,
        decimal_places=receipt.decimals,
        disabled=left <= 0,
        help_text=said % {"left": formatting.money(max(left, Decimal(0)), receipt.currency)},
    )


def _facts(receipt: Receipt) -> tuple[tuple[Any, Any], ...]:
    return (
        (_("Receipt"), receipt),
        (_("Project"), receipt.project),
        (_("Total"), money(receipt.total, receipt.currency)),
    )


def _all_cases(rows: Any) -> Iterator[Case]:
    for batch in in_batches(rows, CSV_JOBS):
        yield from cases(batch)
