"""Whatever happens to jobs in whatever order, what counters charged is the price of the whole."""

import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import Project
from core.errors import Conflict
from hpcbilling.workflows import rate_pending
from receipts.models import Receipt
from receipts.services import create_receipt, void_receipt
from tests.examples import few
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.pricing.lists import counters_add_up, flat, publish, slabs, split
from usage.models import Cluster

pytestmark = pytest.mark.django_db

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
CPU = slabs("cpu", ("7", "5", "3"), ("20", "4"), (None, "3"), allowance=Decimal(2))
VOLUME = slabs("cpu", ("5", "5"), (None, "2"), model="volume", fee_at_zero=True)

events = st.one_of(
    st.tuples(st.just("job"), st.integers(1, 4), st.integers(1, 12)),
    st.tuples(st.just("bill"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("void"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("list"), st.integers(0, 1), st.just(0)),
)

# The job changed since, and its other share stays on a document.
VOID_OF_ONE_SHARE = [("job", 1, 1), ("bill", 0, 0), ("bill", 1, 0), ("job", 1, 2), ("void", 0, 0)]


class Site:
    """One project whose jobs come, change and are billed; another one bears a third of them."""

    def __init__(self) -> None:
        self.cluster: Cluster = make_cluster()
        self.projects: list[Project] = [make_project("genomics"), make_project("grant")]
        self.imports = 0
        publish(CPU, flat("mem", "0"), minimum_per_job=Decimal(4))
        split(self.projects[0], (self.projects[0], "66.6667"), (self.projects[1], "33.3333"))

    def job(self, number: int, cpus: int) -> None:
        """A job comes, or says something else now; another one makes the input the newest."""
        self.imports += 1
        later = START + timedelta(days=10, minutes=self.imports)
        import_rows(
            self.cluster,
            Row(number, end=START + timedelta(days=number), tres=f"cpu={cpus},mem=1G,node=1"),
            Row(100 + self.imports, end=later, tres="cpu=1,mem=1G,node=1"),
        )

    def bill(self, place: int, _: int) -> None:
        project = self.projects[place]
        with contextlib.suppress(Conflict):  # nothing to bill
            create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)

    def void(self, place: int, _: int) -> None:
        issued = list(Receipt.objects.filter(kind="receipt", status="issued").order_by("pk"))
        if place < len(issued):
            void_receipt(receipt_id=issued[place].pk, actor=SYSTEM, reason="wrong")

    def list(self, place: int, _: int) -> None:
        """Prices of the past change, of one project or of all."""
        rates = (VOLUME if place else CPU, flat("mem", "0"))
        publish(*rates, at=START + timedelta(days=2), project=self.projects[1] if place else None)


@settings(max_examples=few(3), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(events, min_size=3, max_size=9))
@example(VOID_OF_ONE_SHARE)
def test_charges_by_counters_add_up(history: list[tuple[str, int, int]]) -> None:
    with transaction.atomic():
        site = Site()
        for kind, *values in history:
            getattr(site, kind)(*values)
            rate_pending(actor=SYSTEM)
            counters_add_up()
        transaction.set_rollback(True)
