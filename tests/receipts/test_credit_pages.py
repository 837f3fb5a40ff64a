"""Pages of credits and corrections: for clerks, and what researchers see of them."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User
from core.actor import Actor
from hpcbilling.workflows import rate_pending
from receipts.cases import corrected_by
from receipts.models import Receipt
from receipts.services import Part, ask_credit, create_receipt
from tests import console
from tests.campus import Campus
from tests.factories import OCTOBER, SYSTEM, Row, import_bytes, make_user, publish_prices, sacct

pytestmark = pytest.mark.django_db
EARLY = datetime(2026, 10, 1, tzinfo=UTC)
PAGE = "admin:receipts_receipt_corrections"


@pytest.fixture
def receipt(people: Campus) -> Receipt:
    return create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


def grown(people: Campus) -> None:
    """A later input says that job 1 had more CPUs."""
    row = Row(1, user="alice", end=datetime(2026, 10, 5, 5, tzinfo=UTC), tres="cpu=8,node=1")
    import_bytes(people.cluster, sacct(row), as_of=datetime(2026, 11, 1, tzinfo=UTC))


def first(receipt: Receipt) -> Part:
    return Part(receipt.lines.order_by("position")[0].pk, Decimal("0.50"))


def credit(receipt: Receipt) -> Receipt | None:
    clerk = Actor.of(make_user("author"))
    return ask_credit(receipt_id=receipt.pk, parts=[first(receipt)], reason="slow", actor=clerk)


def test_a_clerk_gives_a_part_back(clerk: Client, receipt: Receipt) -> None:
    address = console.url(receipt, "credit", receipt.pk)
    assert address in clerk.get(console.url(receipt, "change", receipt.pk)).content.decode()
    name = f"line_{first(receipt).line_id}"
    empty = clerk.post(address, {"reason": "slow disks"})
    assert "at least one line" in empty.content.decode()
    page = clerk.post(address, {name: "0.50", "reason": "slow disks"}, follow=True)
    note = Receipt.objects.get(kind="credit_note")
    assert console.messages_of(page) == [f"Credit note {note} is issued."]
    shown = page.content.decode()
    assert "slow disks" in shown
    assert str(receipt) in shown
    assert console.url(note, "void", note.pk) not in shown, "a note is not void"
    again = clerk.get(console.url(receipt, "change", receipt.pk)).content.decode()
    assert "Corrected by" in again


def test_a_second_person_decides_above_the_limit(
    clerk: Client, receipt: Receipt, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": Decimal(0)}
    assert credit(receipt) is None
    shown = clerk.get(console.url(receipt, "change", receipt.pk)).content.decode()
    assert "Waits for approval" in shown
    approve = console.url(receipt, "give_credit", receipt.pk)
    assert console.url(receipt, "credit", receipt.pk) + '"' not in shown
    assert "slow" in clerk.get(approve).content.decode()
    console.confirm(clerk, approve)
    assert Receipt.objects.filter(kind="credit_note", corrects=receipt).count() == 1


def test_what_waits_is_refused_or_withdrawn(
    clerk: Client, receipt: Receipt, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": Decimal(0)}
    credit(receipt)
    refuse = console.url(receipt, "refuse_credit", receipt.pk)
    assert clerk.post(refuse, {"reason": ""}).context["form"].errors
    page = console.confirm(clerk, refuse, reason="no")
    assert "refused" in console.messages_of(page)[0]
    page = clerk.post(console.url(receipt, "withdraw_credit", receipt.pk), follow=True)
    assert "No credit of this receipt waits" in console.messages_of(page)[0]


def test_jobs_that_prices_change_are_corrected_when_a_person_confirms(
    clerk: Client, receipt: Receipt, settings: Settings
) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": Decimal(0)}
    publish_prices("mu", EARLY, cpu="1", mem="0.05", gpu="10")
    rate_pending(actor=SYSTEM)
    page = clerk.get(reverse(PAGE))
    jobs = [str(row.job.pk) for row in page.context["rows"]]
    assert len(jobs) == 2
    correct = reverse("admin:receipts_receipt_correct")
    assert "Choose the jobs" in console.messages_of(clerk.post(correct, follow=True))[0]
    shown = clerk.post(correct, {"job": jobs}).context
    assert shown["rows"]
    assert Receipt.objects.count() == 1, "not before it is confirmed"
    page = clerk.post(correct, {"job": jobs, "confirmed": "1", "seen": "what was otherwise"})
    assert "Look at the new figures" in console.messages_of(page)[0]
    assert Receipt.objects.count() == 1
    confirmed = {"job": jobs, "confirmed": "1", "seen": shown["seen"]}
    page = clerk.post(correct, confirmed, follow=True)
    assert console.messages_of(page) == ["2 jobs were corrected."]
    note = Receipt.objects.get(kind="credit_note")
    new = Receipt.objects.latest("pk")
    assert (note.corrects, new.kind) == (receipt, "receipt")
    assert corrected_by(receipt) == ([note], [new])
    rows = page.context["rows"]
    assert {(row.receipt, row.notes, row.receipts, row.waits) for row in rows} == {
        (receipt, (note,), (new,), False)
    }
    assert sum(row.before for row in rows) == sum(line.charged for line in receipt.lines.all())
    assert sum(row.after for row in rows) == sum(line.charged for line in new.lines.all())
    nobody = clerk.get(reverse(PAGE), {"state": "documented", "project": "climate"})
    assert nobody.context["rows"] == []
    sent = console.streamed(clerk.get(reverse(PAGE) + "?state=documented&csv=1"))
    table = list(csv.DictReader(io.StringIO(sent.lstrip("\ufeff"))))
    assert {(row["credit_notes"], row["new_receipts"]) for row in table} == {(str(note), str(new))}


def test_who_may_not_correct_is_refused(receipt: Receipt) -> None:
    auditor = console.visitor("auditor")
    assert auditor.get(reverse(PAGE)).status_code == 200
    assert auditor.post(reverse("admin:receipts_receipt_correct")).status_code == 403


def test_what_is_below_the_threshold_waits_and_says_so(
    clerk: Client, people: Campus, receipt: Receipt
) -> None:
    grown(people)
    page = clerk.get(reverse(PAGE), {"state": "waiting"})
    (row,) = page.context["rows"]
    assert (row.waits, row.receipt, row.job.job_id) == (True, receipt, 1)
    assert row.before != row.after


def test_jobs_of_one_receipt_that_different_notes_corrected_are_listed(
    clerk: Client, people: Campus, receipt: Receipt, settings: Settings
) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": Decimal(0)}
    grown(people)
    end = datetime(2026, 10, 6, 5, tzinfo=UTC)
    row = Row(2, user="bob", end=end, seconds=7200, tres="cpu=8,node=1")
    import_bytes(people.cluster, sacct(row), as_of=datetime(2026, 11, 2, tzinfo=UTC))
    page = clerk.get(reverse(PAGE), {"state": "documented"})
    notes = {row.job.job_id: row.notes for row in page.context["rows"]}
    assert {number: len(found) for number, found in notes.items()} == {1: 1, 2: 1}
    assert notes[1] != notes[2]


def test_two_clicks_credit_once(clerk: Client, receipt: Receipt) -> None:
    address = console.url(receipt, "credit", receipt.pk)
    form = clerk.get(address).context["form"]
    values = {
        f"line_{first(receipt).line_id}": "0.50",
        "reason": "slow disks",
        "seen": str(form["seen"].initial),
    }
    clerk.post(address, values)
    again = clerk.post(address, values, follow=True)
    assert "credited since you looked" in console.messages_of(again)[-1]
    assert Receipt.objects.filter(kind="credit_note").count() == 1


def test_researchers_see_what_corrects_a_receipt(
    client: Client, people: Campus, receipt: Receipt, settings: Settings
) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": Decimal(0)}
    note = credit(receipt)
    assert note is not None
    client.force_login(people.alice)
    shown = client.get(reverse("receipts:detail", args=[receipt.public_id])).content.decode()
    assert f"{note}</a>" in shown
    assert "With that this receipt comes to" in shown
    for page in ("detail", "print", "why"):
        body = client.get(reverse(f"receipts:{page}", args=[note.public_id])).content.decode()
        assert "slow" in body or page == "why"
        assert str(receipt) in body
    listed = client.get(reverse("receipts:list")).content.decode()
    assert "Credit note" in listed
    answer = client.get(f"/api/v1/receipts/{note.public_id}").json()
    assert (answer["kind"], answer["corrects"], answer["payable"]) == (
        "credit_note",
        receipt.number,
        "0.00",
    )
    assert answer["lines"][0]["corrects"] == 1
    of = client.get("/api/v1/receipts", {"corrects": str(receipt)}).json()["results"]
    assert [item["number"] for item in of] == [note.number]
    whole = client.get(f"/api/v1/receipts/{receipt.public_id}").json()
    assert Decimal(whole["credited"]) == -note.total
    assert Decimal(whole["payable"]) == receipt.total + note.total


def test_a_job_tells_its_corrections(
    client: Client, people: Campus, receipt: Receipt, settings: Settings
) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": Decimal(0)}
    grown(people)
    note = Receipt.objects.get(kind="credit_note")
    client.force_login(User.objects.get(username="alice"))
    page = client.get(reverse("insights:job", args=[people.job(1).pk])).content.decode()
    assert "Corrections of receipts" in page
    assert str(note) in page


def test_a_note_is_explained_to_its_original(
    receipt: Receipt, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    note = credit(receipt)
    assert note is not None
    call_command("explain", "receipt", str(note))
    told = capsys.readouterr().out
    assert f"line 1 of {receipt}" in told
    assert "The document says just that." in told
