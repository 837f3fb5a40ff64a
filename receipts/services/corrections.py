"""Corrections of issued receipts by documents: a credit note, and a new receipt where usage is
charged again.

Rating reverses what was charged for a job that changed and charges it anew. What that makes of an
issued receipt is settled here: by documents at once where it comes to ``CORRECTION_THRESHOLD``,
else with the next run.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from core.actor import Actor
from core.site import site_days
from pricing.batches import Outcome
from pricing.models import Charge
from pricing.rating import rate_jobs
from receipts.alone import above_limit, beyond_limit
from receipts.differences import receipts_to_correct, receipts_waiting, replacements, waiting_in
from receipts.models import BillingProfile, CorrectionProblem, DocumentLanguage, Receipt
from receipts.selectors import (
    lines_over,
    on_documents,
    unbilled_charges,
    uncredited_reversals,
)
from receipts.services import credit_reversals, issue_receipt, write_draft
from receipts.services.numbering import fiscal_year, hold_series
from receipts.services.steps import locked
from receipts.services.telling import Problem, refusal_of

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a correction is begun anew because other projects were charged meanwhile."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Receipts that were corrected, those that wait for the next run, and those that could not
    be."""

    corrected: int = 0
    waiting: int = 0
    failed: int = 0


def settle_corrections(*, actor: Actor) -> Settled:
    """Make the documents of corrections that come to at least the threshold.

    Which do is one query, as thousands may wait for the run. Each of them has a transaction of its
    own, all or nothing: the credit note over the reversals that wait, and a receipt over what was
    charged in their place, issued at once. The lock of the project makes two workers at once make
    one. Where it can't be done (no purchase order covers the new receipt, its tax is not known),
    the problem is kept for the page of corrections, and it is tried again the next time.
    """
    tried = Counter(_tried(receipt_id, actor) for receipt_id in receipts_to_correct())
    failed = tried["failed"]
    return Settled(tried["corrected"], receipts_waiting().count() - failed, failed)


def correct_jobs(*, job_ids: Iterable[int], actor: Actor) -> Outcome:
    """Rate jobs as prices say now, also where charges are on issued documents: a person's decision.
    What that corrects gets its documents as ever; what is on drafts waits."""
    outcome = rate_jobs(job_ids=job_ids, actor=actor, billed=on_documents, anyway=True, forced=True)
    settle_corrections(actor=actor)
    return outcome


def receipts_to_credit(*, project_id: int, currency: str, until: date) -> QuerySet[Receipt]:
    """Return the receipts of an addressee with reversals that wait and were booked by a month,
    however little they come to."""
    booked = uncredited_reversals().filter(currency=currency, period__lte=until)
    return waiting_in(booked).filter(project=project_id)


def credit_now(*, receipt: Receipt, actor: Actor) -> None:
    """Issue a credit note over the reversals of a receipt that wait, which it has. In the caller's
    transaction; raises what ``credit_reversals`` does."""
    credit_reversals(receipt_id=receipt.pk, actor=actor, reason=reason_on(receipt))
    CorrectionProblem.objects.filter(receipt=receipt).delete()


def _tried(receipt_id: int, actor: Actor) -> str:
    done = "waiting"

    def act() -> None:
        nonlocal done
        for _attempt in range(ATTEMPTS):
            with transaction.atomic():
                if settled := _settle(receipt_id, actor):
                    done = settled
                    return

    try:
        refused = refusal_of(act)
    except IntegrityError:
        # Rating or a person was faster; what is left then is seen the next time.
        log.warning("receipt %s changed while it was corrected", receipt_id, exc_info=True)
        return "waiting"
    return _kept(receipt_id, refused) if refused else done


def _settle(receipt_id: int, actor: Actor) -> str:
    """Return what became of a receipt; nothing, and do nothing, where it is to be tried anew."""
    # Another project of the same payer may be charged instead, and yet another one until the lock:
    # whoever drafts its own document would take the same charges.
    instead = _charged_instead(receipt_id)
    receipt = locked(receipt_id, instead)
    if not receipts_to_correct([receipt_id]):
        return "waiting"
    if not _charged_instead(receipt_id) <= instead:
        return ""
    ids = list(replacements(receipt_id).values_list("pk", flat=True))
    # The note may take a number of an official receipt before the new receipt takes its own.
    hold_series(settings.SERIES_RECEIPT, fiscal_year(timezone.localdate()))
    credit_now(receipt=receipt, actor=actor)
    moved = _off(receipt)
    again = unbilled_charges().filter(pk__in=[*ids, *moved])
    if again.exists():
        _bill(receipt, again, actor)
    return "corrected"


def _charged_instead(receipt_id: int) -> set[int]:
    projects = replacements(receipt_id).order_by().values_list("project", flat=True)
    return set(projects.distinct())


def reason_on(receipt: Receipt) -> str:
    """Return what is printed on the note, in the languages of the project's documents."""
    found = BillingProfile.objects.filter(project=receipt.project_id).first()
    language = (found or BillingProfile()).document_language
    texts = []
    for code in ("th", "en") if language == DocumentLanguage.BOTH else (language,):
        with override(code):
            texts.append(_t("Usage of this receipt was corrected."))
    return " / ".join(texts)


def _kept(receipt_id: int, problem: Problem) -> str:
    """Keep why a receipt could not be corrected."""
    CorrectionProblem.objects.update_or_create(receipt_id=receipt_id, defaults={"problem": problem})
    return "failed"


def _bill(receipt: Receipt, charges: QuerySet[Charge], actor: Actor) -> Receipt:
    ends = charges.order_by().aggregate(first=Min("job_end"), last=Max("job_end"))
    window = site_days(timezone.localdate(ends["first"]), timezone.localdate(ends["last"]))
    lines = lines_over(charges)
    draft = write_draft(project=receipt.project, lines=lines, window=window, actor=actor)
    _check_alone(draft)
    return issue_receipt(receipt_id=draft.pk, actor=actor)


def _check_alone(draft: Receipt) -> None:
    """Raise Conflict, saying how to go on, where nobody but a second person may issue it."""
    if found := beyond_limit([draft]).get(draft.pk):
        said = _(
            "Its new receipt would carry %(amount)s credited and charged by hand that one person"
            " alone decided, more than %(limit)s, so it is not issued by itself. The next monthly"
            " run corrects it, and a second person approves the receipt there. If the project is"
            " not in the run, void this receipt and draft a new one for a second person to issue."
        )
        raise above_limit(said, found.amount, draft.currency)


def _off(receipt: Receipt) -> list[int]:
    """What the receipt took off and had to be charged anew, to go on the new one."""
    line = "document_line__line__receipt"
    taken = Charge.objects.filter(
        Q(**{line: receipt}) | Q(**{f"{line}__corrects": receipt}),
        job=None,
        amount__lt=0,
        reversal__isnull=False,
    )
    keys = set(taken.values_list("resource", "project"))
    anew = unbilled_charges().filter(job=None, amount__lt=0, currency=receipt.currency)
    rows = anew.values_list("pk", "resource", "project") if keys else ()
    return [pk for pk, resource, project in rows if (resource, project) in keys]
