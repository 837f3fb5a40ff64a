"""A clerk's receipts in the console: from what waits to be billed to issued, discarded or void."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project
from core import formatting
from pricing.models import Charge
from receipts.models import Receipt
from receipts.services import create_receipt, draft_receipt
from tests import console, scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project

pytestmark = pytest.mark.django_db
DAYS = {"first": "2026-10-01", "last": "2026-10-31"}


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


def build() -> Project:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1), Row(2, tres="cpu=1,mem=1G,gres/gpu=2,node=1"))
    return project


genomics = scenes.standing(build)


def make(client: Client, project: Project) -> str:
    return reverse("admin:receipts_receipt_make", args=[project.pk])


def test_what_waits_to_be_billed_leads_to_a_draft_and_an_issued_receipt(
    clerk: Client, genomics: Project
) -> None:
    waiting = clerk.get(reverse("admin:receipts_receipt_unbilled"))
    (row,) = waiting.context["rows"]
    assert (row.project, row.currency, row.jobs) == (genomics, "THB", 2)
    assert row.amount == sum(Charge.objects.values_list("amount", flat=True))
    assert make(clerk, genomics) in waiting.content.decode()

    preview = clerk.get(make(clerk, genomics), DAYS).context["seen"]
    assert preview.jobs == 2
    assert not Receipt.objects.exists()
    page = clerk.post(make(clerk, genomics), DAYS, follow=True)
    draft = Receipt.objects.get()
    assert page.redirect_chain[-1][0] == console.url(draft, "change", draft.pk)
    assert draft.total == preview.totals.total > 0

    page = console.confirm(clerk, console.url(draft, "issue", draft.pk))
    draft.refresh_from_db()
    assert draft.status == "issued"
    assert console.messages_of(page)[-1] == f"Receipt {draft.number} is issued."
    assert console.actions()[-2:] == ["receipt.drafted", "receipt.issued"]
    waiting = clerk.get(reverse("admin:receipts_receipt_unbilled"))
    assert "Nothing waits" in waiting.content.decode()


def test_the_window_is_the_last_full_month_unless_chosen(clerk: Client, genomics: Project) -> None:
    form = clerk.get(make(clerk, genomics)).context["form"]
    assert form.is_valid()
    first, last = form.cleaned_data["first"], form.cleaned_data["last"]
    assert first.day == 1
    assert (last - first).days in (27, 28, 29, 30)
    wrong = clerk.get(make(clerk, genomics), {"first": "2026-10-02", "last": "2026-10-01"})
    assert wrong.context["seen"] is None
    assert "on or after its first day" in wrong.content.decode()


def test_a_second_click_makes_no_second_document(clerk: Client, genomics: Project) -> None:
    clerk.post(make(clerk, genomics), DAYS)
    again = clerk.post(make(clerk, genomics), DAYS)
    assert "nothing to bill" in console.messages_of(again)[-1]
    draft = Receipt.objects.get()
    address = console.url(draft, "issue", draft.pk)
    sent = {"seen": clerk.get(address).context["step"].seen}
    clerk.post(address, sent)
    twice = clerk.post(address, sent, follow=True)
    assert "not possible any more" in console.messages_of(twice)[-1]
    assert console.actions().count("receipt.issued") == 1


def test_lists_and_pages_say_the_period_and_how_each_mail_stands(
    clerk: Client, genomics: Project
) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    listed = clerk.get(console.url(receipt)).content.decode()
    assert "1\N{NO-BREAK SPACE}Oct\N{NO-BREAK SPACE}2026" in listed
    page = clerk.get(console.url(receipt, "change", receipt.pk)).content.decode()
    assert page.count(receipt.number or "?") > 1
    assert "Queued" in page
    assert "&#x27;queued&#x27;" not in page


def test_a_draft_is_discarded_and_its_charges_wait_again(clerk: Client, genomics: Project) -> None:
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    clerk.post(console.url(draft, "discard", draft.pk))
    assert not Receipt.objects.exists()
    assert console.actions()[-1] == "receipt.discarded"
    assert len(clerk.get(reverse("admin:receipts_receipt_unbilled")).context["rows"]) == 1


def test_voiding_asks_for_a_reason_and_is_logged(clerk: Client, genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    address = console.url(receipt, "void", receipt.pk)
    assert clerk.post(address, {"reason": " "}).context["form"].errors
    receipt.refresh_from_db()
    assert receipt.status == "issued"
    clerk.post(address, {"reason": "wrong project"})
    receipt.refresh_from_db()
    assert (receipt.status, receipt.void_reason) == ("void", "wrong project")
    assert console.last_event("receipt.voided")["reason"] == "wrong project"
    assert len(clerk.get(reverse("admin:receipts_receipt_unbilled")).context["rows"]) == 1


@pytest.mark.parametrize(
    ("status", "shown", "hidden"),
    [
        ("draft", {"issue", "discard", "document"}, {"void", "transfer"}),
        ("issued", {"void", "transfer", "document"}, {"issue", "discard"}),
        ("void", {"document"}, {"issue", "discard", "void", "transfer"}),
    ],
)
def test_buttons_follow_the_status(
    clerk: Client, genomics: Project, status: str, shown: set[str], hidden: set[str]
) -> None:
    receipt = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    if status != "draft":
        console.confirm(clerk, console.url(receipt, "issue", receipt.pk))
    if status == "void":
        clerk.post(console.url(receipt, "void", receipt.pk), {"reason": "test"})
    page = clerk.get(console.url(receipt, "change", receipt.pk)).content.decode()
    for step in shown:
        assert console.url(receipt, step, receipt.pk) in page
    for step in hidden:
        assert console.url(receipt, step, receipt.pk) not in page


def test_the_page_shows_lines_and_leads_to_their_charges(clerk: Client, genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    page = clerk.get(console.url(receipt, "change", receipt.pk)).content.decode()
    for line in receipt.lines.all():
        query = f"?receipt={receipt.pk}&resource__exact={line.resource}"
        assert query.replace("&", "&amp;") in page
        listed = clerk.get(console.url(Charge) + query).context["cl"].queryset
        assert sum(charge.amount for charge in listed) == line.charged
        assert listed.count() == line.jobs
        assert formatting.exact(line.charged) in page


def test_the_clerk_sees_the_document_of_any_project(clerk: Client, genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    page = clerk.get(console.url(receipt, "document", receipt.pk))
    assert (receipt.number or "") in page.content.decode()
    assert [line.pk for line in page.context["lines"]] == list(
        receipt.lines.values_list("pk", flat=True)
    )


def test_overdue_and_status_filters(clerk: Client, genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    listed = clerk.get(console.url(Receipt) + "?overdue=1").context["cl"]
    assert listed.result_count == 0
    assert receipt.due_on is not None
    by_project = clerk.get(console.url(Receipt) + f"?project={genomics.pk}").context["cl"]
    assert by_project.result_count == 1


def test_the_export_has_exact_numbers(clerk: Client, genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    text = console.streamed(clerk.get(console.url(Receipt, "export_csv")))
    header, row = text.lstrip("\ufeff").splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert cells["number"] == receipt.number
    assert Decimal(cells["total"]) == receipt.total


def test_other_currencies_are_not_forgotten(clerk: Client, genomics: Project) -> None:
    page = clerk.get(make(clerk, genomics), DAYS | {"currency": "USD"})
    assert page.context["seen"].lines == []
    assert "Nothing waits to be billed in these days" in page.content.decode()


@pytest.mark.parametrize(
    ("first", "last"), [("0001-01-01", "2026-10-31"), ("2026-10-01", "9999-12-31")]
)
def test_days_that_no_calendar_can_convert_are_no_period(
    clerk: Client, genomics: Project, first: str, last: str
) -> None:
    page = clerk.get(make(clerk, genomics), {"first": first, "last": last})
    assert page.status_code == 200
    assert page.context["seen"] is None
    assert page.context["form"].errors
