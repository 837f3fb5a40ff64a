"""What a person confirms is what was shown: where it changed since, nothing happens and the new
figures are shown."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Project, User
from core.actor import Actor
from core.errors import Changed
from core.seen import mark_of
from payments.services import (
    Transfer,
    record_transfer,
    request_write_off,
    use_balance_for,
)
from payments.services.decisions import left_and_balance, left_to_give_up
from pricing.models import Adjustment, OutageCredit
from pricing.services.outages import draft_outage
from receipts.models import BillingProfile, Receipt, RunEntry, TaxProfile
from receipts.services import (
    Part,
    approve_credit,
    ask_credit,
    create_receipt,
    draft_receipt,
    issue_receipt,
    runs,
    withdraw_credit,
)
from receipts.services.part_credits import mark_of_credit
from tests import console
from tests.databases import Database
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.racing import race
from tests.receipts.test_run import actor, run_all, shut, two_projects
from usage.models import Cluster

D = Decimal
S = Receipt.Status
OTHER_RATE = D(7)


def drafted_anew(entry: RunEntry) -> None:
    """A colleague discards a document, and the run drafts it anew."""
    colleague = actor("colleague")
    runs.discard(entry_id=entry.pk, actor=colleague, reason="the wrong tax")
    runs.retry(entry_ids=[entry.pk], actor=colleague)
    runs.advance(run_id=entry.run_id, actor=SYSTEM)


def taxed_otherwise(project: Project) -> None:
    """From today on, another tax."""
    profile = TaxProfile.objects.create(code="vat", name="VAT")
    profile.rates.create(percent=OTHER_RATE, starts_on=date(2026, 1, 1))
    BillingProfile.objects.update_or_create(project=project, defaults={"tax_profile": profile})


@pytest.mark.django_db
def test_a_document_drafted_anew_meanwhile_is_not_approved_and_named() -> None:
    two_projects()
    shut()
    run = run_all()
    finance = console.visitor("finance")
    address = console.url(run, "approve", run.pk) + "?all=approve"
    form = finance.get(address).context["form"]
    entry = run.entries.get(project__code="genomics")
    old = entry.total
    taxed_otherwise(entry.project)
    drafted_anew(entry)
    done = finance.post(address, {"entries": form.initial["entries"]}, follow=True)
    (said,) = console.messages_of(done)
    assert said.startswith("Changed since you looked, so nothing is approved: genomics. Look at")
    assert not RunEntry.objects.exclude(approved_by=None).exists(), "none, also not the other"
    entry.refresh_from_db()
    assert entry.receipt is not None
    assert entry.receipt.total > (old or 0)
    assert (
        f"{entry.pk}:{entry.receipt_id}:{entry.receipt.total}"
        in (done.context["form"].initial["entries"])
    ), "the page shows the new figures"
    sent = {"entries": done.context["form"].initial["entries"]}
    done = finance.post(address, sent, follow=True)
    assert console.messages_of(done) == ["2 documents are approved and on their way."]
    done = finance.get(address, follow=True)
    assert "Choose documents first." in console.messages_of(done)[0]


@pytest.mark.django_db
def test_a_document_that_was_sent_back_meanwhile_is_not_approved() -> None:
    two_projects()
    shut()
    run = run_all()
    seen = runs.seen_in(run.entries.all())
    entry = run.entries.get(project__code="climate")
    runs.send_back(entry_id=entry.pk, actor=actor("colleague"), reason="no")
    with pytest.raises(Changed, match="climate"):
        runs.approve(seen=seen, actor=actor("head"))
    garbage = console.visitor("finance").post(
        console.url(run, "approve", run.pk), {"entries": "1:2"}
    )
    assert garbage.context["form"].errors["entries"]


@pytest.mark.django_db
def test_steps_of_one_document_are_about_the_one_that_was_shown() -> None:
    two_projects()
    shut()
    run = run_all()
    entry = run.entries.get(project__code="genomics")
    finance = console.visitor("finance")
    address = f"/admin/receipts/billingrun/entry/{entry.pk}/discard/"
    seen = finance.get(address).context["step"].seen
    drafted_anew(entry)
    done = finance.post(address, {"reason": "no", "seen": seen}, follow=True)
    assert "Look at the new figures" in console.messages_of(done)[0]
    entry.refresh_from_db()
    assert entry.receipt is not None
    done = console.confirm(finance, address, reason="no")
    entry.refresh_from_db()
    assert entry.receipt is None


@pytest.mark.django_db
def test_what_another_tax_makes_of_an_approved_document_is_approved_again() -> None:
    two_projects()
    shut()
    run = run_all()
    entry = run.entries.get(project__code="genomics")
    runs.approve(seen=runs.seen_in(run.entries.filter(pk=entry.pk)), actor=actor("head"))
    old = entry.total
    taxed_otherwise(entry.project)
    assert not runs.issue_approved(run_id=run.pk)
    entry.refresh_from_db()
    assert entry.receipt is not None
    assert entry.receipt.status == S.PENDING
    assert (entry.approved_by, entry.problem["code"]) == (None, "changed")
    assert set(entry.problem["texts"]) == {"en", "th"}
    assert entry.total == entry.receipt.total > (old or 0)
    runs.approve(seen=runs.seen_in(run.entries.filter(pk=entry.pk)), actor=actor("head"))
    assert not runs.issue_approved(run_id=run.pk)
    entry.receipt.refresh_from_db()
    assert (entry.receipt.status, entry.receipt.total) == (S.ISSUED, entry.total)


@pytest.mark.django_db
def test_a_receipt_is_issued_at_the_total_that_was_shown() -> None:
    two_projects()
    project = Project.objects.get(code="genomics")
    made = draft_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    finance = console.visitor("finance")
    address = console.url(made, "issue", made.pk)
    shown = finance.get(address)
    taxed_otherwise(project)
    seen = shown.context["step"].seen
    done = finance.post(address, {"seen": seen}, follow=True)
    assert "Look at the new figures" in console.messages_of(done)[0]
    before, now = made.total, Receipt.objects.get().total
    assert now > before
    assert (Receipt.objects.get().status, console.last_event("receipt.taxed")["total"]) == (
        S.DRAFT,
        str(now),
    )
    for nonsense in ("", "much"):
        done = finance.post(address, {"seen": nonsense}, follow=True)
        assert "Look at the new figures" in console.messages_of(done)[0]
    console.confirm(finance, address)
    issued = Receipt.objects.get()
    assert (issued.status, issued.total) == (S.ISSUED, now)


@pytest.fixture
def receipt(db: None) -> Receipt:
    two_projects()
    project = Project.objects.get(code="genomics")
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


@pytest.fixture
def finance(db: None) -> Client:
    return console.visitor("finance")


def refused(client: Client, address: str, change: Callable[[], object], **data: str) -> None:
    """A change between the page and its form: nothing is done, and the page is shown anew."""
    seen = client.get(address).context["step"].seen
    assert seen
    change()
    done = client.post(address, {**data, "seen": seen}, follow=True)
    assert "Look at the new figures" in console.messages_of(done)[0]
    assert done.redirect_chain[-1][0] == address
    assert done.context["step"].seen != seen


def pay(receipt: Receipt, amount: Decimal, reference: str) -> None:
    payer = Actor.of(User.objects.get_or_create(username="cashier")[0])
    transfer = Transfer(reference, timezone.localdate(), amount, "THB")
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=payer)


def test_a_write_off_is_of_what_was_left(receipt: Receipt, finance: Client) -> None:
    address = f"/admin/payments/payment/write-off/{receipt.pk}/"
    refused(finance, address, lambda: pay(receipt, D("0.10"), "1"), reason="lost")
    assert not receipt.write_offs.exists()
    console.confirm(finance, address, reason="lost")
    assert receipt.write_offs.get().amount == receipt.total - D("0.10")


def test_a_credit_is_approved_as_it_was_shown(
    receipt: Receipt, finance: Client, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT = {}
    line, author = receipt.lines.get(resource="cpu"), Actor.of(make_user("author"))

    def ask(amount: str) -> None:
        parts = [Part(line.pk, D(amount))]
        ask_credit(receipt_id=receipt.pk, parts=parts, reason="goodwill", actor=author)

    def ask_for_more() -> None:
        withdraw_credit(receipt_id=receipt.pk, actor=author)
        ask("0.90")

    ask("0.10")
    refused(finance, console.url(receipt, "give_credit", receipt.pk), ask_for_more)
    refused(finance, console.url(receipt, "refuse_credit", receipt.pk), ask_for_more, reason="no")
    refused(finance, console.url(receipt, "withdraw_credit", receipt.pk), ask_for_more)
    assert not Receipt.objects.filter(kind="credit_note").exists()
    console.confirm(finance, console.url(receipt, "give_credit", receipt.pk))
    assert Adjustment.objects.get(status="approved").amount == D("-0.90")


def test_an_outage_gives_back_what_was_shown(receipt: Receipt, finance: Client) -> None:
    cluster, end = Cluster.objects.get(), OCTOBER.start + timedelta(days=2)
    author = Actor.of(make_user("author"))
    row = draft_outage(
        cluster=cluster, starts_at=end - timedelta(hours=1), ends_at=end, percent=D(50),
        text="Cooling failed", reason="ticket", actor=author,
    )  # fmt: skip
    address = console.url(row, "submit", row.pk)
    refused(finance, address, lambda: import_rows(cluster, Row(31, end=end)))
    assert OutageCredit.objects.get().status == "draft"
    console.confirm(finance, address)
    row.refresh_from_db()
    assert row.figures is not None
    assert (row.status, row.figures["jobs"]) == ("submitted", 2)


def test_a_balance_is_used_as_it_was_shown(receipt: Receipt, finance: Client) -> None:
    rest = draft_receipt(
        project_id=Project.objects.get(code="climate").pk, window=OCTOBER, actor=SYSTEM
    )
    issue_receipt(receipt_id=rest.pk, actor=SYSTEM)
    address = f"/admin/payments/payment/use-balance/{receipt.pk}/"
    refused(finance, address, lambda: pay(receipt, D("0.10"), "1"))
    with pytest.raises(Changed):
        use_balance_for(receipt_id=receipt.pk, actor=SYSTEM, seen="")


def race_scene() -> RunEntry:
    two_projects()
    shut()
    return run_all().entries.get(project__code="genomics")


def test_approving_waits_for_who_drafts_anew_and_refuses(committed_db: Database) -> None:
    entry, head = race_scene(), actor("head")
    actor("colleague")
    seen = runs.seen_in(RunEntry.objects.all())

    def draft_anew() -> str:
        with transaction.atomic():
            drafted_anew(entry)
            time.sleep(2)  # the other one comes meanwhile, and waits for the lock
        return "drafted"

    def approve() -> str:
        time.sleep(1)
        return str(runs.approve(seen=seen, actor=head))

    assert race(draft_anew, approve) == ["drafted", "changed"]
    assert not RunEntry.objects.exclude(approved_by=None).exists()
    seen = runs.seen_in(RunEntry.objects.all())
    assert runs.approve(seen=seen, actor=head) == 2


def test_approving_and_drafting_anew_at_once_approve_what_was_seen(committed_db: Database) -> None:
    entry, head = race_scene(), actor("head")
    actor("colleague")
    seen = runs.seen_in(RunEntry.objects.filter(pk=entry.pk))

    def draft_anew() -> str:
        drafted_anew(entry)
        return "drafted"

    drafted, told = race(draft_anew, lambda: runs.approve(seen=seen, actor=head))
    assert drafted == "drafted"
    assert told in {"1", "changed"}
    entry.refresh_from_db()
    assert entry.receipt_id != seen[entry.pk].receipt_id
    assert entry.approved_by is None, "what nobody has seen is not approved"


def test_issuing_while_the_tax_changes_issues_what_was_seen(committed_db: Database) -> None:
    two_projects()
    project = Project.objects.get(code="genomics")
    made = draft_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    seen = made.total

    def tax() -> str:
        with transaction.atomic():
            taxed_otherwise(project)
            time.sleep(0.05)
        return "taxed"

    def issue() -> str:
        done = issue_receipt(receipt_id=made.pk, actor=SYSTEM, expected_total=seen)
        return "issued as seen" if done.total == seen else "issued otherwise"

    taxed, *issued = race(tax, issue, issue)
    assert taxed == "taxed"
    assert set(issued) <= {"issued as seen", "changed", "stale_status"}
    made.refresh_from_db()
    assert made.status == S.DRAFT or made.total == seen


def test_a_credit_changed_while_it_is_approved(committed_db: Database, settings: Settings) -> None:
    settings.ADJUSTMENT_LIMIT = {}
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1, seconds=360_000))
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    line = receipt.lines.get(resource="cpu")
    author, second = (Actor.of(make_user(name)) for name in ("author", "second"))

    def ask(amount: str) -> None:
        parts = [Part(line.pk, D(amount))]
        ask_credit(receipt_id=receipt.pk, parts=parts, reason="goodwill", actor=author)

    def ask_anew() -> str:
        with transaction.atomic():
            withdraw_credit(receipt_id=receipt.pk, actor=author)
            ask("90")
            time.sleep(2)
        return "asked"

    ask("10")
    seen = mark_of_credit(Adjustment.objects.order_by("pk"))

    def approve() -> str:
        time.sleep(1)
        return str(approve_credit(receipt_id=receipt.pk, actor=second, seen=seen).total)

    assert race(ask_anew, approve) == ["asked", "changed"]
    assert not Receipt.objects.filter(kind="credit_note").exists()


def test_a_payment_that_arrives_while_a_write_off_is_asked_for(committed_db: Database) -> None:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1, seconds=360_000))
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    clerk = Actor.of(make_user("clerk"))
    make_user("cashier")
    seen = mark_of(*left_to_give_up(receipt))

    def arrive() -> str:
        with transaction.atomic():
            pay(receipt, D(1), "1")
            time.sleep(2)
        return "paid"

    def ask() -> str:
        time.sleep(1)
        made = request_write_off(receipt_id=receipt.pk, reason="lost", actor=clerk, seen=seen)
        return str(made.amount)

    assert race(arrive, ask) == ["paid", "changed"]
    assert not receipt.write_offs.exists()
    assert left_and_balance(receipt) == (receipt.total - 1, D(0))
