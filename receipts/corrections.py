"""Jobs whose charges are on a document and would be others now: what documents are to correct.

A list that begins in the past, a tier or payer that was changed, or a row that said something else
later: charges that are on no document are replaced by themselves, those on one wait here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Exists, OuterRef, QuerySet

from core.bulk import any_of, in_batches
from core.money import total
from core.seen import mark_of
from pricing.counting import what_it_comes_to
from pricing.judging import Books, facts_of
from pricing.models import Charge, JobRating
from pricing.selectors import due_ratings, live_charges
from receipts.models import LineCharge, Receipt
from usage.models import Job

BATCH_JOBS = 500


@dataclass(frozen=True, slots=True)
class Correction:
    """A billed job: what its documents say and what it comes to now, at six decimals.

    ``new`` is None where the job has no price any more, and ``reason`` says why then.
    """

    job: Job
    project: str
    receipts: tuple[Receipt, ...]
    old: Decimal
    new: Decimal | None
    currency: str
    new_currency: str
    reason: str

    @property
    def difference(self) -> Decimal | None:
        """What the documents lack, or less than zero where they say too much."""
        if self.new is None or self.new_currency != self.currency:
            return None
        return self.new - self.old

    @property
    def reason_text(self) -> str:
        """Why there is no price now, in the current language."""
        return str(JobRating.Reason(self.reason).label) if self.reason else ""


def jobs_to_correct() -> QuerySet[JobRating]:
    """Return the ratings that wait for a document, drafts included, the latest job first."""
    on_document = LineCharge.objects.filter(
        charge__job=OuterRef("pk"), charge__reverses=None, charge__reversal=None
    )
    return due_ratings().filter(Exists(on_document)).order_by("-job__end", "-pk")


def corrections(job_ids: Iterable[int]) -> Iterator[Correction]:
    """Yield the corrections of some jobs in their order; jobs are judged as rating would now."""
    for ids in in_batches(job_ids, BATCH_JOBS):
        found = {item.job.pk: item for item in _batch(ids)}
        yield from (found[pk] for pk in ids if pk in found)


def mark_of_corrections(rows: Iterable[Correction]) -> str:
    """Return a mark of what corrections come to, as a person sees it before confirming."""
    return mark_of(
        *((row.job.pk, row.old, row.new, row.currency, row.new_currency) for row in rows)
    )


def _batch(job_ids: list[int]) -> Iterator[Correction]:
    facts = {job.pk: job for job in facts_of(Job.objects.filter(any_of("pk", job_ids)))}
    books = Books(list(facts.values()))
    charges: dict[int, list[Charge]] = {}
    rows = live_charges().filter(any_of("job_id", job_ids)).order_by("pk")
    for charge in rows.select_related("project", "document_line__line__receipt"):
        if charge.job_id is not None:
            charges.setdefault(charge.job_id, []).append(charge)
    jobs = Job.objects.select_related("cluster").in_bulk(list(charges))
    for pk, charged in charges.items():
        verdict = books.judge(facts[pk])
        amounts = verdict.amounts or what_it_comes_to([(facts[pk].end, verdict)])[0]
        links = [getattr(charge, "document_line", None) for charge in charged]
        receipts = {link.line.receipt_id: link.line.receipt for link in links if link}
        yield Correction(
            job=jobs[pk],
            project=charged[0].project.code,
            receipts=tuple(receipts.values()),
            old=total(charge.amount for charge in charged),
            new=total(item.amount for item in amounts) if amounts else None,
            currency=charged[0].currency,
            new_currency=amounts[0].currency if amounts else "",
            reason=verdict.reason,
        )
