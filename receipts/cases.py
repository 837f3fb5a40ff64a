"""Corrections of issued receipts as cases: a job on a receipt, before and after, and documents.

A case is what rating took back of a job on a receipt, and what it charged in its place (the next
generation of the same job and project). Receipts that are void as a whole are no cases.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Max, Q, QuerySet, Sum

from accounts.models import Project
from accounts.selectors import Viewer
from core.bulk import any_of
from pricing.models import Charge
from pricing.selectors import charges_visible_to
from receipts.models import CorrectionProblem, Receipt
from receipts.selectors import ISSUED
from usage.models import Job

OF = "reverses__document_line__line__receipt"
KEYS = ("job", "project", "generation", "currency", OF)


@dataclass(frozen=True, slots=True)
class Case:
    """A corrected job on a receipt; amounts at six decimals, ``before`` as the receipt said.

    ``notes`` and ``receipts`` are the documents that correct it; while ``waits`` there is no note
    yet, and ``problem`` says what keeps it waiting, if it is not the threshold.
    """

    job: Job
    project: Project
    receipt: Receipt
    currency: str
    before: Decimal
    after: Decimal
    waits: bool
    notes: tuple[Receipt, ...]
    receipts: tuple[Receipt, ...]
    problem: str

    @property
    def difference(self) -> Decimal:
        """What the documents of before lacked, or less than zero where they said too much."""
        return self.after - self.before


def case_rows(
    *, state: str = "", project: str = "", receipt: str = ""
) -> QuerySet[Charge, dict[str, Any]]:
    """Return the keys of cases with their sums, the latest first: in one state (``waiting`` or
    ``documented``) or both, of a project's code, of a receipt's number."""
    reversals = Charge.objects.filter(
        **{f"{OF}__status__in": ISSUED, f"{OF}__kind": Receipt.Kind.RECEIPT}, job__isnull=False
    ).exclude(**{f"{OF}__status": Receipt.Status.VOID})
    if project:
        reversals = reversals.filter(project__code=project)
    if receipt:
        reversals = reversals.filter(**{f"{OF}__number": receipt})
    rows: QuerySet[Charge, dict[str, Any]] = (
        reversals.order_by()
        .values(*KEYS)
        .annotate(
            taken=Sum("amount"),
            last=Max("pk"),
            waiting=Count("pk", filter=Q(document_line=None)),
            notes=ArrayAgg("document_line__line__receipt", distinct=True),
        )
    )
    by_state: dict[str, dict[str, Any]] = {
        "waiting": {"waiting__gt": 0},
        "documented": {"waiting": 0},
    }
    rows = rows.filter(**by_state.get(state, {}))
    latest: QuerySet[Charge, dict[str, Any]] = rows.order_by(F("last").desc())
    return latest


def cases(rows: Iterable[dict[str, Any]]) -> Iterator[Case]:
    """Yield the cases of a page of ``case_rows``."""
    found: list[dict[str, Any]] = list(rows)
    jobs = Job.objects.select_related("cluster").in_bulk({row["job"] for row in found})
    projects = Project.objects.in_bulk({row["project"] for row in found})
    after = _after(found)
    receipts = {row[OF] for row in found}
    wanted = receipts | {key for row in found for key in _list(row["notes"]) if key}
    wanted |= {key for _, keys in after.values() for key in keys}
    documents = Receipt.objects.select_related("project").in_bulk(wanted)
    kept = CorrectionProblem.objects.filter(pk__in=receipts)
    problems = {row.receipt_id: row.problem_text for row in kept}
    for row in found:
        amount, again = after[_key(row)]
        # A draft may be discarded between one look and the next.
        own = [key for key in _list(row["notes"]) if key in documents]
        yield Case(
            job=jobs[row["job"]],
            project=projects[row["project"]],
            receipt=documents[row[OF]],
            currency=str(row["currency"]),
            before=-Decimal(str(row["taken"])),
            after=amount,
            waits=bool(row["waiting"]),
            notes=tuple(documents[key] for key in own),
            receipts=tuple(documents[key] for key in sorted(again) if key in documents),
            problem=problems.get(row[OF], "") if row["waiting"] else "",
        )


def _list(value: object) -> list[int]:
    return list(value) if isinstance(value, list) else []


Key = tuple[object, ...]


def _key(row: dict[str, Any]) -> Key:
    return row["job"], row["project"], row["generation"]


def _after(rows: list[dict[str, Any]]) -> dict[Key, tuple[Decimal, set[int]]]:
    """What was charged in place of what was taken back, and on which documents that is."""
    charges = Charge.objects.filter(
        any_of("job_id", sorted({int(str(row["job"])) for row in rows})), reverses=None
    )
    sums: dict[Key, Decimal] = defaultdict(Decimal)
    on: dict[Key, set[int]] = defaultdict(set)
    fields = ("job_id", "project_id", "generation", "amount", "document_line__line__receipt")
    for job, project, generation, amount, receipt in charges.values_list(*fields):
        key = (job, project, generation - 1)
        sums[key] += amount
        if receipt is not None:
            on[key].add(receipt)
    return {_key(row): (sums[_key(row)], on[_key(row)]) for row in rows}


def corrected_by(receipt: Receipt) -> tuple[list[Receipt], list[Receipt]]:
    """Return the notes over a receipt, and the issued receipts on which what they took back was
    charged again."""
    notes = list(Receipt.objects.filter(corrects=receipt, status__in=ISSUED).order_by("pk"))
    if not notes:
        return [], []
    taken = Charge.objects.filter(
        **{OF: receipt}, document_line__isnull=False, job__isnull=False
    ).order_by()
    again = Charge.objects.filter(
        job__in=taken.values("job"),
        reverses=None,
        document_line__line__receipt__status__in=ISSUED,
        document_line__line__receipt__pk__gt=receipt.pk,
    )
    keys = again.order_by().values_list("document_line__line__receipt", flat=True).distinct()
    return notes, list(Receipt.objects.filter(pk__in=keys).order_by("pk"))


def history_of(job: Job, viewer: Viewer) -> list[Case]:
    """Return the corrections of a job that a person may see, the latest first."""
    seen = charges_visible_to(viewer).filter(job=job).order_by().values("project")
    return list(cases(case_rows().filter(job=job, project__in=seen)))
