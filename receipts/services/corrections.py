"""Corrections of issued receipts by documents: a credit note, and a new receipt where usage is
charged again.

Rating reverses what was charged for a job that changed and charges it anew. What that makes of an
issued receipt is settled here: by documents at once where it comes to ``CORRECTION_THRESHOLD``,
else with the next run.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import override

from core.actor import Actor
from core.errors import DomainError
from core.site import site_days
from pricing.batches import Outcome
from pricing.models import Charge, ChargeKind
from pricing.rating import rate_jobs
from receipts.models import BillingProfile, CorrectionProblem, DocumentLanguage, Receipt
from receipts.selectors import (
    CREDITABLE,
    lines_over,
    on_documents,
    unbilled_charges,
    uncredited_reversals,
)
from receipts.services import credit_reversals, issue_receipt, write_draft
from receipts.services.numbering import fiscal_year, hold_series
from receipts.services.steps import locked

log = logging.getLogger(__name__)
OF = "reverses__document_line__line__receipt"


@dataclass(frozen=True, slots=True)
class Settled:
    """Receipts that were corrected, those that wait for the next run, and those that could not
    be."""

    corrected: int = 0
    waiting: int = 0
    failed: int = 0


def settle_corrections(*, actor: Actor) -> Settled:
    """Make the documents of corrections that come to at least the threshold.

    Each receipt in a transaction of its own, all or nothing: the credit note over the reversals
    that wait, and a receipt over what was charged in their place, issued at once. The lock of the
    project makes two workers at once make one. Where it can't be done (no purchase order covers the
    new receipt, its tax is not known), the problem is kept for the page of corrections, and it is
    tried again the next time.
    """
    counts = {"corrected": 0, "waiting": 0, "failed": 0}
    for receipt_id in receipts_waiting():
        counts[_tried(receipt_id, actor)] += 1
    return Settled(**counts)


def correct_jobs(*, job_ids: Iterable[int], actor: Actor) -> Outcome:
    """Rate jobs as prices say now, also where charges are on issued documents: a person's decision.
    What that corrects gets its documents as ever; what is on drafts waits."""
    outcome = rate_jobs(job_ids=job_ids, actor=actor, billed=on_documents, anyway=True, forced=True)
    settle_corrections(actor=actor)
    return outcome


def credit_waiting(*, project_id: int, currency: str, until: date, actor: Actor) -> None:
    """Issue credit notes over the reversals of an addressee that wait and were booked by a month,
    however little they come to; in the caller's transaction, which has locked the project and bills
    what was charged in their place. Raises what ``credit_reversals`` does."""
    booked = uncredited_reversals().filter(currency=currency, period__lte=until)
    for receipt in _waiting_in(booked).filter(project=project_id):
        credit_now(receipt=receipt, actor=actor)


def credit_now(*, receipt: Receipt, actor: Actor) -> None:
    """Issue a credit note over the reversals of a receipt that wait, which it has. In the caller's
    transaction; raises what ``credit_reversals`` does."""
    credit_reversals(receipt_id=receipt.pk, actor=actor, reason=reason_on(receipt))
    CorrectionProblem.objects.filter(receipt=receipt).delete()


def waits(receipt: Receipt) -> bool:
    """Tell whether a receipt that may be credited has reversals that no note has."""
    return _waiting_in(uncredited_reversals()).filter(pk=receipt.pk).exists()


def receipts_waiting() -> list[int]:
    """Return the receipts with reversals that no note has, the oldest first."""
    return list(_waiting_in(uncredited_reversals()).values_list("pk", flat=True))


def _waiting_in(reversals: QuerySet[Charge]) -> QuerySet[Receipt]:
    """The receipts that may be credited and that reversals are of, directly or by a credit note
    over them, in the order in which they are locked."""
    rows = reversals.order_by().annotate(of=Coalesce(f"{OF}__corrects", OF))
    found = rows.values_list("of", flat=True).distinct()
    return Receipt.objects.filter(pk__in=found, status__in=CREDITABLE).order_by("pk")


def _tried(receipt_id: int, actor: Actor) -> str:
    if not _is_enough(receipt_id):
        return "waiting"
    try:
        with transaction.atomic():
            return _settle(receipt_id, actor)
    except DomainError as error:
        return _kept(receipt_id, str(error))
    except IntegrityError:
        # Rating or a person was faster; what is left then is seen the next time.
        log.warning("receipt %s changed while it was corrected", receipt_id, exc_info=True)
        return "waiting"


def _settle(receipt_id: int, actor: Actor) -> str:
    receipt = locked(receipt_id)
    if not _is_enough(receipt_id):
        return "waiting"
    charges = replacements(receipt)
    ids = list(charges.values_list("pk", flat=True))
    # The note may take a number of an official receipt before the new receipt takes its own.
    hold_series(settings.SERIES_RECEIPT, fiscal_year(timezone.localdate()))
    credit_now(receipt=receipt, actor=actor)
    moved = _off(receipt)
    again = unbilled_charges().filter(pk__in=[*ids, *moved])
    if again.exists():
        _bill(receipt, again, actor)
    return "corrected"


def reason_on(receipt: Receipt) -> str:
    """Return what is printed on the note, in the languages of the project's documents."""
    found = BillingProfile.objects.filter(project=receipt.project_id).first()
    language = (found or BillingProfile()).document_language
    texts = []
    for code in ("th", "en") if language == DocumentLanguage.BOTH else (language,):
        with override(code):
            texts.append(_t("Usage of this receipt was corrected."))
    return " / ".join(texts)


def _kept(receipt_id: int, problem: str) -> str:
    """Keep why a receipt could not be corrected."""
    CorrectionProblem.objects.update_or_create(
        receipt_id=receipt_id, defaults={"problem": problem[:400]}
    )
    return "failed"


def _bill(receipt: Receipt, charges: QuerySet[Charge], actor: Actor) -> Receipt:
    ends = charges.order_by().aggregate(first=Min("job_end"), last=Max("job_end"))
    window = site_days(timezone.localdate(ends["first"]), timezone.localdate(ends["last"]))
    lines = lines_over(charges)
    draft = write_draft(project=receipt.project, lines=lines, window=window, actor=actor)
    return issue_receipt(receipt_id=draft.pk, actor=actor)


def _is_enough(receipt_id: int) -> bool:
    receipt = Receipt.objects.get(pk=receipt_id)
    enough = abs(difference_of(receipt)) >= settings.CORRECTION_THRESHOLD
    return enough and _waiting(receipt).exists()


def difference_of(receipt: Receipt) -> Decimal:
    """Return what was charged in place of a receipt's waiting reversals, less what they take
    back."""
    taken = _sum(_waiting(receipt))
    return _sum(replacements(receipt)) + taken


def replacements(receipt: Receipt) -> QuerySet[Charge]:
    """Return what was charged in place of a receipt's reversals that wait and is on no document:
    of the same jobs, and what their counters then lacked; for the same addressee."""
    waiting = _waiting(receipt).order_by()
    jobs = waiting.filter(job__isnull=False).values("job")
    rates = waiting.filter(counter_after__isnull=False).values("rate")
    again = Q(job__in=jobs) | Q(
        kind=ChargeKind.ADJUSTMENT, rate__in=rates, project__in=waiting.values("project")
    )
    found = unbilled_charges().filter(again, currency=receipt.currency)
    projects = found.order_by().values_list("project", flat=True).distinct()
    return found.filter(project__in=billed_to(receipt.project_id, projects))


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


def _waiting(receipt: Receipt) -> QuerySet[Charge]:
    return uncredited_reversals().filter(**{OF: receipt})


def _sum(charges: QuerySet[Charge]) -> Decimal:
    return charges.order_by().aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


def billed_to(addressee_id: int, projects: Iterable[int]) -> list[int]:
    """Return which of some projects have their charges on the receipts of an addressee."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM accounts_project"
            " WHERE id = ANY(%s) AND receipts_addressee(id) = %s ORDER BY id",
            [list(projects), addressee_id],
        )
        return [row[0] for row in cursor.fetchall()]
