"""Whatever becomes of jobs while documents over them are drafted, issued, credited and void: at the
end documents and what is unbilled say what the jobs cost, each cent once."""

import contextlib
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet, Sum
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.errors import Conflict
from hpcbilling.workflows import rate_pending
from pricing.closing import true_up
from pricing.models import JobRating
from pricing.selectors import live_charges
from receipts.models import Line, Receipt
from receipts.selectors import uncredited_reversals
from receipts.services import (
    credit_reversals,
    discard_draft,
    draft_receipt,
    issue_receipt,
)
from receipts.services.corrections import correct_jobs
from tests.examples import few
from tests.factories import OCTOBER, SYSTEM
from tests.pricing.lists import counters_add_up, flat, publish
from tests.pricing.test_histories import CPU, Site

pytestmark = pytest.mark.django_db

events = st.one_of(
    st.tuples(st.just("job"), st.integers(1, 3), st.integers(1, 12)),
    st.tuples(st.just("draft"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("issue"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("void"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("credit"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("list"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("correct"), st.just(0), st.just(0)),
    st.tuples(st.just("close"), st.integers(0, 1), st.just(0)),
)
Event = tuple[str, int, int]

CHANGED_AFTER_ISSUE: list[Event] = [
    ("job", 1, 5), ("draft", 0, 0), ("job", 1, 9), ("issue", 0, 0), ("job", 1, 2),
    ("credit", 0, 0), ("job", 1, 5), ("void", 0, 0),
]  # fmt: skip
CAPPED: list[Event] = [
    ("job", 1, 12), ("close", 0, 0), ("draft", 0, 0), ("issue", 0, 0), ("job", 1, 1),
    ("close", 0, 0), ("list", 0, 0), ("correct", 0, 0),
]  # fmt: skip


class Billed(Site):
    """Documents in every state over the jobs; a month comes to 40 at most."""

    def __init__(self) -> None:
        super().__init__()
        publish(CPU, flat("mem", "0"), minimum_per_job=Decimal(4), cap=Decimal(40))

    def draft(self, place: int, _: int) -> None:
        project = self.projects[place]
        with contextlib.suppress(Conflict):  # nothing to bill
            draft_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)

    def issue(self, place: int, _: int) -> None:
        for key in self._drafts()[place : place + 1]:
            try:
                with transaction.atomic():
                    issue_receipt(receipt_id=key, actor=SYSTEM)
            except Conflict:  # it comes to less than nothing: its charges wait for more
                discard_draft(receipt_id=key, actor=SYSTEM)

    def credit(self, place: int, _: int) -> None:
        receipts = Receipt.objects.filter(kind="receipt", status__in=("issued", "paid"))
        for key in list(receipts.order_by("pk").values_list("pk", flat=True))[place : place + 1]:
            credit_reversals(receipt_id=key, actor=SYSTEM, reason="jobs changed")

    def correct(self, _: int, __: int) -> None:
        due = JobRating.objects.filter(due=True).values_list("pk", flat=True)
        correct_jobs(job_ids=list(due), actor=SYSTEM)

    def close(self, place: int, _: int) -> None:
        true_up(project_id=self.projects[place].pk, month=date(2026, 10, 1), actor=SYSTEM)

    def finish(self) -> None:
        """All that waits is done: drafts are issued, jobs corrected, reversals credited."""
        for _ in self._drafts():
            self.issue(0, 0)
        rate_pending(actor=SYSTEM)
        self.correct(0, 0)
        for place in range(Receipt.objects.count()):
            self.credit(place, 0)

    @staticmethod
    def _drafts() -> list[int]:
        drafts = Receipt.objects.filter(status="draft").order_by("pk")
        return list(drafts.values_list("pk", flat=True))


def _sum(rows: QuerySet[Any], field: str) -> Decimal:
    return rows.aggregate(sum=Sum(field))["sum"] or Decimal(0)


def everything_is_said_once(site: Billed) -> None:
    """Receipts less credit notes, and what is unbilled, are the charges in force."""
    connection.check_constraints()
    assert not uncredited_reversals().exists()
    assert not JobRating.objects.filter(due=True).exists()
    for project in site.projects:
        live = live_charges().filter(project=project)
        billed = _sum(Line.objects.filter(project=project), "charged")
        assert billed + _sum(live.filter(document_line=None), "amount") == _sum(live, "amount")


@settings(max_examples=few(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(events, min_size=4, max_size=10))
@example(CHANGED_AFTER_ISSUE)
@example(CAPPED)
def test_documents_and_what_is_unbilled_say_what_jobs_cost(history: list[Event]) -> None:
    with transaction.atomic():
        site = Billed()
        for kind, *values in history:
            getattr(site, kind)(*values)
            rate_pending(actor=SYSTEM)
            counters_add_up()
        site.finish()
        counters_add_up()
        everything_is_said_once(site)
        transaction.set_rollback(True)
