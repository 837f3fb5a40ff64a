"""The review of a run in the console: totals beside those before, marks, approval of many."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, User
from accounts.periods import earlier_open
from accounts.services import close
from core.actor import Actor
from core.intervals import month
from core.site import site_zone
from pricing.models import AdjustmentKind
from pricing.services.adjustments import Wanted, draft_adjustment
from receipts.models import BillingProfile, BillingRun, Receipt, RunEntry
from receipts.reviewing import entries_of, progress_of, runs_in_review, shown
from receipts.services import create_receipt, runs
from receipts.services.adjustments import submit_adjustment
from tests import console
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.django_db
MONTH = date(2026, 10, 1)
S = Receipt.Status


def used(projects: dict[str, dict[int, int]]) -> None:
    """Hours of jobs by project and month of 2026; all but October is billed."""
    cluster = make_cluster()
    rows, number = [], 0
    for code, hours in projects.items():
        make_project(code)
        for which, count in hours.items():
            number += 1
            end = datetime(2026, which, 10, tzinfo=UTC)
            rows.append(Row(number, account=code, end=end, seconds=3600 * count))
    import_rows(cluster, *rows)
    for code, hours in projects.items():
        project = Project.objects.get(code=code)
        for which in hours:
            if which != MONTH.month:
                window = month(date(2026, which, 1), site_zone())
                create_receipt(project_id=project.pk, window=window, actor=SYSTEM)


def made() -> BillingRun:
    for day in [*(row.month for row in earlier_open(MONTH)), MONTH]:
        close(month=day, seal=lambda _period: {}, actor=SYSTEM)
    run = runs.start_run(month=MONTH, actor=SYSTEM)
    runs.advance(run_id=run.pk, actor=SYSTEM)
    return run


def test_documents_stand_beside_the_months_before() -> None:
    used(
        {
            "steady": {7: 100, 8: 90, 9: 110, 10: 100},
            "jump": {7: 100, 8: 90, 9: 110, 10: 200},
            "drop": {8: 100, 9: 120, 10: 50},
            "new": {10: 100},
            "second": {9: 100, 10: 149},
            "gap": {6: 100, 9: 100, 10: 100},
        }
    )
    rows: dict[str, Any] = {row.project.code: row for row in entries_of(made())}
    totals = {code: row.total for code, row in rows.items()}
    hour = totals["new"] / 100
    medians = {code: row.median and round(row.median / hour) for code, row in rows.items()}
    assert medians == {
        "steady": 100, "jump": 100, "drop": 110, "new": None, "second": 100, "gap": 0,
    }  # fmt: skip
    assert round(rows["jump"].last_total / hour) == 110
    marked = {code for code, row in rows.items() if row.is_marked}
    assert marked == {"jump", "drop", "new", "gap"}
    assert {code for code, row in rows.items() if row.is_first} == {"new"}
    assert {row.project.code for row in shown(entries_of(BillingRun.objects.get()), "marked")} == (
        marked
    )


def test_a_page_of_documents_asks_as_much_as_one() -> None:
    used({f"p{number}": {9: 1, 10: 1} for number in range(3)})
    run = made()
    visitor = console.visitor("finance")
    page = console.url(BillingRun, "change", run.pk)
    visitor.get(page)
    with CaptureQueriesContext(
        connection,
    ) as three:
        assert visitor.get(page).status_code == 200
    runs.approve(
        seen=runs.seen_in(run.entries.exclude(project__code="p0")),
        actor=Actor.of(User.objects.get(username="finance-person")),
    )
    runs.issue_approved(run_id=run.pk)
    with CaptureQueriesContext(connection) as one:
        assert visitor.get(page).status_code == 200
    assert len(three) == len(one)


def test_a_clerk_approves_what_was_shown() -> None:
    used({"first": {10: 5}, "second": {10: 6}})
    run = made()
    visitor = console.visitor("finance")
    page = console.url(run, "change", run.pk)
    shown_page = visitor.get(page).content.decode()
    assert "First bill" in shown_page
    assert "To be approved (2)" in shown_page
    confirm = visitor.get(console.url(run, "approve", run.pk), {"all": "approve"})
    form = confirm.context["form"]
    done = visitor.post(
        console.url(run, "approve", run.pk), {"entries": form.initial["entries"]}, follow=True
    )
    assert console.messages_of(done) == ["2 documents are approved and on their way."]
    again = visitor.post(
        console.url(run, "approve", run.pk), {"entries": form.initial["entries"]}, follow=True
    )
    assert "approved already" in console.messages_of(again)[0]
    assert (progress_of(run).on_their_way, progress_of(run).to_approve) == (2, 0)
    part = visitor.get(console.url(run, "progress", run.pk))
    assert "Issuing what was approved" in part.content.decode()
    runs.issue_approved(run_id=run.pk)
    assert visitor.get(console.url(run, "progress", run.pk))["HX-Refresh"] == "true"
    assert {receipt.status for receipt in Receipt.objects.all()} == {S.ISSUED}
    assert progress_of(run).is_done
    assert not runs_in_review().exists()


def test_a_review_tells_what_one_person_alone_decided_and_the_author_does_not_issue_it() -> None:
    used({"first": {10: 50_000}, "second": {10: 6}, "third": {10: 7}})
    author = make_user("author", groups=("finance",))
    payer = Project.objects.get(code="first")
    for code in ("first", "second"):
        project = Project.objects.get(code=code)
        at = datetime(2026, 10, 3, tzinfo=UTC)
        wanted = Wanted(project, AdjustmentKind.CREDIT, at, "Slow", "ticket", Decimal(600))
        drafted = draft_adjustment(wanted=wanted, actor=Actor.of(author))
        submit_adjustment(adjustment_id=drafted.pk, actor=Actor.of(author))
    BillingProfile.objects.create(
        project=Project.objects.get(code="second"), grouping="payer", payer=payer
    )
    run = made()
    visitor = console.visitor("finance")
    page = visitor.get(console.url(run, "change", run.pk)).content.decode()
    assert page.count("Decided by one person alone: above the limit") == 1
    confirm = visitor.get(console.url(run, "approve", run.pk), {"all": "approve"})
    assert "charged by hand: first. By approving you approve that" in confirm.content.decode()
    entry = run.entries.get(project=payer)
    chosen = run.entries.filter(pk=entry.pk)
    assert runs.approve(seen=runs.seen_in(chosen), actor=Actor.of(author)) == 0
    own = Client()
    own.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    page = own.get(console.url(run, "change", run.pk)).content.decode()
    assert page.count("A colleague approves it: you handed it in, or wrote a part of it") == 1
    assert page.count('name="entry"') == 1
    confirm = own.get(console.url(run, "approve", run.pk), {"all": "approve"})
    assert "somebody else has to approve them: first." in confirm.content.decode()
    assert len(confirm.context["form"].initial["entries"].split()) == 1
    runs.approve(seen=runs.seen_in(run.entries.all()), actor=Actor.of(author))
    runs.issue_approved(run_id=run.pk)
    assert set(Receipt.objects.filter(period=MONTH).values_list("project__code", "status")) == {
        ("first", S.PENDING),
        ("third", S.ISSUED),
    }
    runs.approve(
        seen=runs.seen_in(chosen), actor=Actor.of(User.objects.get(username="finance-person"))
    )
    runs.issue_approved(run_id=run.pk)
    receipt = Receipt.objects.get(project=payer, period=MONTH)
    assert receipt.status == S.ISSUED
    assert receipt.issued_by == User.objects.get(username="finance-person")


def test_a_clerk_sends_back_discards_and_tries_again() -> None:
    used({"first": {10: 5}, "second": {10: 6}})
    run = made()
    visitor = console.visitor("finance")
    entry, other = run.entries.order_by("project__code")
    back = f"/admin/receipts/billingrun/entry/{entry.pk}/return/"
    console.confirm(visitor, back, reason="the wrong address")
    change = console.url(run, "change", run.pk)
    assert "the wrong address" not in visitor.get(change, {"show": "approve"}).text
    page = visitor.get(change, {"show": "problems"}).text
    assert "the wrong address" in page
    assert "Hand in again" in page
    assert (progress_of(run).to_approve, progress_of(run).problems) == (1, 1)
    console.confirm(visitor, f"/admin/receipts/billingrun/entry/{entry.pk}/hand-in/")
    entry.refresh_from_db()
    assert entry.receipt is not None
    assert entry.receipt.status == S.PENDING
    discard = f"/admin/receipts/billingrun/entry/{other.pk}/discard/"
    console.confirm(visitor, discard, reason="billed otherwise")
    other.refresh_from_db()
    assert other.state == RunEntry.State.DISCARDED
    retry = console.url(run, "retry", run.pk)
    keys = visitor.get(retry, {"all": "problems"}).context["form"].initial["entries"]
    assert keys == str(other.pk)
    visitor.post(retry, {"entries": keys})
    other.refresh_from_db()
    assert other.state == RunEntry.State.WAITING


@pytest.mark.parametrize(
    ("role", "status"), [("auditor", 403), ("operator", 403), ("finance", 200)]
)
def test_only_who_issues_approves(role: str, status: int) -> None:
    used({"first": {10: 5}})
    run = made()
    visitor = console.visitor(role)
    approve = visitor.get(console.url(run, "approve", run.pk), {"all": "approve"})
    assert approve.status_code == status
    retry = visitor.get(console.url(run, "retry", run.pk))
    assert retry.status_code == (302 if status == 200 else status), "there is nothing to try again"
    expected = 200 if role in ("auditor", "finance") else 403
    page = visitor.get(console.url(run, "change", run.pk))
    assert page.status_code == expected
    assert ("Approve the chosen ones" in page.content.decode()) == (role == "finance")


def test_home_says_what_is_to_be_reviewed() -> None:
    used({"first": {10: 5}})
    visitor = console.visitor("finance")
    run = made()
    page = visitor.get("/admin/").content.decode()
    assert "October 2026: 0 of 1 documents are issued" in page
    assert console.url(run, "change", run.pk) in page
