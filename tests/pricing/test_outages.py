"""Outages give back a part of what jobs cost that ran within them: once, never more than all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Project
from core.actor import Actor
from core.errors import Conflict, Invalid
from pricing.models import Adjustment, Charge, OutageCredit, OutageItem
from pricing.outages import credits_of
from pricing.selectors import live_charges
from pricing.services.adjustments import take_back_adjustment
from pricing.services.outages import (
    DocumentLine,
    approve_outage,
    draft_outage,
    preview,
    reject_outage,
    submit_outage,
    withdraw_outage,
)
from tests import console, scenes
from tests.examples import few
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.pricing.lists import flat, publish
from usage.models import Cluster

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clerk() -> Actor:
    return Actor.of(make_user("clerk"))


@pytest.fixture
def second() -> Actor:
    return Actor.of(make_user("second"))


def build() -> Cluster:
    """Two projects have a job each that ends at noon; both cost 8 for 2 hours on 4 CPUs."""
    publish(flat("cpu", "1"), flat("mem", "0"))
    made = make_cluster()
    for code in ("genomics", "climate"):
        make_project(code)
    rows = (Row(1, seconds=7200, end=NOON), Row(2, seconds=7200, end=NOON, account="climate"))
    import_rows(made, *rows)
    return made


cluster = scenes.standing(build)


def draft(cluster: Cluster, actor: Actor, percent: str = "100", **values: Any) -> OutageCredit:
    said = {
        "starts_at": NOON - HOUR, "ends_at": NOON + HOUR, "text": "Cooling failed",
        "reason": "ticket 7", **values,
    }  # fmt: skip
    return draft_outage(cluster=cluster, percent=Decimal(percent), actor=actor, **said)


def nowhere(_charges: object) -> dict[int, DocumentLine]:
    return {}


def approved(row: OutageCredit, author: Actor, second: Actor) -> list[Adjustment]:
    submit_outage(outage_id=row.pk, actor=author)
    made = approve_outage(outage_id=row.pk, lines_of=nowhere, actor=second)
    connection.check_constraints()
    return made


def test_a_part_is_given_back_for_the_time_within(
    cluster: Cluster, clerk: Actor, second: Actor
) -> None:
    row = draft(cluster, clerk, "50")
    seen = preview(row)
    told = [(one.project, one.currency, one.jobs, one.amount) for one in seen.sums]
    assert told == [("climate", "THB", 1, Decimal(-2)), ("genomics", "THB", 1, Decimal(-2))]
    assert not Adjustment.objects.exists()
    made = approved(row, clerk, second)
    assert {(one.project.code, one.amount, one.kind) for one in made} == {
        ("climate", Decimal(-2), "outage"), ("genomics", Decimal(-2), "outage"),
    }  # fmt: skip
    assert {(one.author_id, one.decided_by_id) for one in made} == {(clerk.user_id, second.user_id)}
    charges = Charge.objects.filter(kind="manual")
    assert set(charges.values_list("amount", "job_end")) == {(Decimal(-2), NOON - HOUR)}
    assert set(OutageItem.objects.values_list("seconds", "amount")) == {(3600, Decimal(-2))}
    names = ["drafted", "submitted", "approved"]
    acts = [name for name in console.actions() if name.startswith("outage")]
    assert acts == [f"outage.{name}" for name in names]
    assert console.last_event("outage.approved")["figures"]["jobs"] == 2


def test_its_author_does_not_approve_it(cluster: Cluster, clerk: Actor, second: Actor) -> None:
    row = submit_outage(outage_id=draft(cluster, clerk).pk, actor=clerk)
    for actor in (clerk, SYSTEM):
        with pytest.raises(Conflict):
            approve_outage(outage_id=row.pk, lines_of=nowhere, actor=actor)
    approve_outage(outage_id=row.pk, lines_of=nowhere, actor=second)
    with pytest.raises(Conflict, match="in the meantime"):
        approve_outage(outage_id=row.pk, lines_of=nowhere, actor=second)
    assert Adjustment.objects.count() == 2


def test_what_is_rejected_or_withdrawn_gives_nothing(
    cluster: Cluster, clerk: Actor, second: Actor
) -> None:
    row = submit_outage(outage_id=draft(cluster, clerk).pk, actor=clerk)
    reject_outage(outage_id=row.pk, reason="it was a test", actor=second)
    other = submit_outage(outage_id=draft(cluster, clerk).pk, actor=clerk)
    withdraw_outage(outage_id=other.pk, actor=clerk)
    assert set(OutageCredit.objects.values_list("status", flat=True)) == {"rejected", "withdrawn"}
    late = draft(cluster, clerk, starts_at=NOON, ends_at=NOON + HOUR)
    with pytest.raises(Conflict, match="No job"):
        submit_outage(outage_id=late.pk, actor=clerk)
    assert not Adjustment.objects.exists()


def test_only_what_was_submitted_is_approved(cluster: Cluster, clerk: Actor, second: Actor) -> None:
    row = submit_outage(outage_id=draft(cluster, clerk).pk, actor=clerk)
    import_rows(cluster, Row(3, seconds=7200, end=NOON))
    with pytest.raises(Conflict, match="enter it anew"):
        approve_outage(outage_id=row.pk, lines_of=nowhere, actor=second)
    assert not Adjustment.objects.exists()
    row.refresh_from_db()
    assert row.status == "submitted"


def test_overlapping_outages_give_back_no_more_than_all(
    cluster: Cluster, clerk: Actor, second: Actor
) -> None:
    approved(draft(cluster, clerk, "60", starts_at=NOON - 2 * HOUR), clerk, second)
    approved(draft(cluster, clerk, "60", starts_at=NOON - 2 * HOUR), clerk, second)
    with pytest.raises(Conflict, match="No job"):
        submit_outage(outage_id=draft(cluster, clerk).pk, actor=clerk)
    by_project = live_charges().order_by().values_list("project__code").annotate(sum=Sum("amount"))
    assert dict(by_project) == {"genomics": 0, "climate": 0}


def test_what_was_taken_back_may_be_given_again(
    cluster: Cluster, clerk: Actor, second: Actor
) -> None:
    for one in approved(draft(cluster, clerk, "100"), clerk, second):
        take_back_adjustment(adjustment_id=one.pk, reason="wrong hours", actor=second)
    again = draft(cluster, clerk, "100", starts_at=NOON - 2 * HOUR)
    assert {one.amount for one in approved(again, clerk, second)} == {Decimal(-8)}


def test_a_job_that_changed_since_counts_what_it_was_given(
    cluster: Cluster, clerk: Actor, second: Actor
) -> None:
    approved(draft(cluster, clerk, "100", starts_at=NOON - 2 * HOUR), clerk, second)
    import_rows(cluster, Row(1, seconds=7200, end=NOON, tres="cpu=5,mem=1G,node=1"))
    found = credits_of(draft(cluster, clerk, "100", starts_at=NOON - 2 * HOUR))
    assert [(one.project, one.amount) for one in found] == [("genomics", Decimal(-2))]


def test_each_line_of_an_issued_document_has_a_credit_of_its_own(
    cluster: Cluster, clerk: Actor, second: Actor
) -> None:
    row = submit_outage(outage_id=draft(cluster, clerk).pk, actor=clerk)
    billed = live_charges().get(resource="cpu", project__code="genomics")
    made = approve_outage(
        outage_id=row.pk, lines_of=lambda _: {billed.pk: DocumentLine(7, 70)}, actor=second
    )
    assert {(one.project.code, one.credits_receipt_id, one.credits_line_id) for one in made} == {
        ("genomics", 7, 70), ("climate", None, None),
    }  # fmt: skip


def test_what_can_t_be_meant_is_refused(cluster: Cluster, clerk: Actor) -> None:
    for values in (
        {"ends_at": NOON - HOUR}, {"ends_at": NOON.replace(year=2099)}, {"percent": "0"},
        {"percent": "100.01"}, {"percent": "NaN"}, {"percent": "1.005"}, {"text": ""},
        {"reason": " "},
    ):  # fmt: skip
        with pytest.raises(Invalid):
            draft(cluster, clerk, **values)
    assert not OutageCredit.objects.exists()


@settings(max_examples=few(5), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-150, 60), st.integers(1, 200), st.integers(1, 10_000)),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_outages_there_are_nobody_gets_back_more_than_was_charged(
    windows: list[tuple[int, int, int]],
) -> None:
    with transaction.atomic():
        project = make_project("genomics")
        publish(flat("cpu", "0.0137"), flat("mem", "0.0003"))
        cluster = make_cluster()
        import_rows(cluster, Row(1, seconds=7201, end=NOON), Row(2, seconds=61, end=NOON - HOUR))
        author, second = (Actor.of(make_user(name)) for name in ("clerk", "second"))
        for minutes, length, percent in windows:
            start = NOON + timedelta(minutes=minutes)
            row = draft(
                cluster, author, f"{Decimal(percent) / 100}", starts_at=start,
                ends_at=start + timedelta(minutes=length),
            )  # fmt: skip
            if credits_of(row):
                approved(row, author, second)
        for charge in live_charges().exclude(kind="manual"):
            given_back = charge.outage_items.aggregate(sum=Sum("amount"))["sum"] or 0
            assert charge.amount + given_back >= 0
        _no_more(project)
        transaction.set_rollback(True)


def _no_more(project: Project) -> None:
    by_hand = Adjustment.objects.filter(project=project).aggregate(sum=Sum("amount"))["sum"] or 0
    items = OutageItem.objects.aggregate(sum=Sum("amount"))["sum"] or 0
    assert abs(by_hand - items) <= Decimal("0.005") * OutageCredit.objects.count()


def test_the_database_refuses_more_than_a_charge_is(
    cluster: Cluster, clerk: Actor, second: Actor
) -> None:
    row = draft(cluster, clerk, "100")
    (one, *_) = approved(row, clerk, second)
    item = one.items.get()
    other = draft(cluster, clerk, "1")
    OutageCredit.objects.filter(pk=other.pk).update(
        status="submitted", submitted_at=NOON, figures={}
    )
    OutageCredit.objects.filter(pk=other.pk).update(
        status="approved", decided_at=NOON, decided_by_id=second.user_id
    )
    more = Adjustment.objects.create(
        project=one.project, kind="outage", at=one.at, amount=-5, currency="THB", outage=other,
        text="x", reason="x", author=row.author,
    )  # fmt: skip
    values = {
        "outage": other, "adjustment": more, "job": item.job, "charge": item.charge, "seconds": 1,
    }  # fmt: skip
    with pytest.raises(IntegrityError, match="a part of what its jobs cost"), transaction.atomic():
        OutageItem.objects.create(**values, amount=Decimal("-4.000001"))
    assert OutageItem.objects.create(**values, amount=Decimal(-4)).pk
