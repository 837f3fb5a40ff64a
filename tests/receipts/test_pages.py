"""Receipt pages: for who acts for the project alone; made once; every line can be recomputed."""

import csv
import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Project, User
from audit.models import AuditEvent
from core.actor import Actor
from core.money import charge_amount
from receipts.models import Receipt
from receipts.services import create_receipt, draft_receipt, void_receipt
from tests import campus, databases
from tests.campus import FORMULA, Campus, october
from tests.factories import OCTOBER, Row, import_rows, make_project

CHOSEN = {
    "project": "genomics", "period": "days", "first": "2026-10-01", "last": "2026-10-31",
}  # fmt: skip
CREATE = "/receipts/create/"


@pytest.fixture
def receipt(people: Campus) -> Receipt:
    return create_receipt(
        project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.alice)
    )


def pages(receipt: Receipt) -> list[str]:
    base = f"/receipts/{receipt.public_id}/"
    return [base, f"{base}print/", f"{base}lines.csv", f"{base}lines/1/"]


def plain(text: str) -> str:
    """A page's words without markup."""
    text = re.sub(r"<[^>]+>", " ", text.replace("&nbsp;", " ").replace("\N{NO-BREAK SPACE}", " "))
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(
    ("name", "status"),
    [("alice", 200), ("bob", 404), ("charlie", 404), ("clerk", 404), ("auditor", 404)],
)
def test_only_who_acts_for_the_project_opens_its_receipts(
    client: Client, people: Campus, receipt: Receipt, name: str, status: int
) -> None:
    client.force_login(User.objects.get(username=name))
    assert {client.get(page).status_code for page in pages(receipt)} == {status}
    listed = str(receipt.number) in client.get("/receipts/").text
    assert listed == (status == 200)


def test_strangers_are_sent_to_the_login(client: Client, receipt: Receipt) -> None:
    for page in (*pages(receipt), "/receipts/", CREATE):
        assert client.get(page).headers["Location"].startswith("/login/?next=/receipts/")
    assert client.post(CREATE, CHOSEN).headers["Location"].startswith("/login/")


def test_the_owner_of_a_personal_project_acts_for_it(client: Client, people: Campus) -> None:
    project = make_project("bobs")
    Project.objects.filter(pk=project.pk).update(owner=people.bob)
    import_rows(people.cluster, Row(20, user="bob", account="", end=october(12)))
    client.force_login(people.bob)
    form = {**CHOSEN, "project": "bobs"}
    preview = client.get(CREATE, form).context["preview"]
    answer = client.post(CREATE, {**form, "expected_total": str(preview.totals.total)})
    made = Receipt.objects.get()
    assert answer.headers["Location"] == f"/receipts/{made.public_id}/"
    assert made.project == project


def test_a_preview_changes_nothing_and_confirming_makes_what_was_seen(
    client: Client, people: Campus
) -> None:
    client.force_login(people.alice)
    page = client.get(CREATE, CHOSEN)
    seen = page.context["preview"].totals.total
    assert not Receipt.objects.exists()
    assert "Create receipt over" in page.text
    answer = client.post(CREATE, {**CHOSEN, "expected_total": str(seen)}, follow=True)
    made = Receipt.objects.get()
    assert made.total == seen > 0
    assert (made.first_day.isoformat(), made.last_day.isoformat()) == ("2026-10-01", "2026-10-31")
    assert answer.redirect_chain == [(f"/receipts/{made.public_id}/", 302)]
    assert f"Receipt {made.number} was created." in answer.text
    assert made.created_by == people.alice


def test_pressing_twice_leads_to_the_same_receipt(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    seen = client.get(CREATE, CHOSEN).context["preview"].totals.total
    form = {**CHOSEN, "expected_total": str(seen)}
    first = client.post(CREATE, form)
    second = client.post(CREATE, form, follow=True)
    made = Receipt.objects.get()
    assert (
        first.headers["Location"] == second.redirect_chain[0][0] == f"/receipts/{made.public_id}/"
    )
    assert "no second one was made" in second.text


@pytest.fixture
def campus_committed(committed_db: databases.Database) -> Iterator[Campus]:
    yield campus.build()
    connections.close_all()


def test_two_people_pressing_at_once_land_on_one_receipt(campus_committed: Campus) -> None:
    people = campus_committed
    people.genomics.memberships.filter(user=people.bob).update(role="pi")

    def press(user: User) -> str:
        client = Client()
        client.force_login(user)
        seen = client.get(CREATE, CHOSEN).context["preview"].totals.total
        answer = client.post(CREATE, {**CHOSEN, "expected_total": str(seen)})
        connections.close_all()
        return answer.headers["Location"]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(press, (people.alice, people.bob)))
    made = Receipt.objects.get()
    assert set(found) <= {f"/receipts/{made.public_id}/", f"{CREATE}?{'&'.join(_query())}"}
    assert f"/receipts/{made.public_id}/" in found


def _query() -> list[str]:
    return [f"{name}={value}" for name, value in CHOSEN.items()]


def test_new_usage_in_between_shows_the_new_total(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    seen = client.get(CREATE, CHOSEN).context["preview"].totals.total
    import_rows(people.cluster, Row(21, end=october(13)))
    answer = client.post(CREATE, {**CHOSEN, "expected_total": str(seen)}, follow=True)
    assert "New usage arrived since you looked" in answer.text
    assert answer.context["preview"].totals.total > seen
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"expected_total": "NaN"},
        {"expected_total": ""},
        {"project": "climate"},
        {"project": "nothing"},
        {"first": "2026-10-31", "last": "2026-10-01"},
        {"first": "0001-01-01", "last": "9999-12-31"},
        {"period": "aeon"},
    ],
)
def test_what_makes_no_sense_makes_no_receipt(
    client: Client, people: Campus, changes: dict[str, str]
) -> None:
    client.force_login(people.alice)
    form = {**CHOSEN, "expected_total": "1", **changes}
    answer = client.post(CREATE, form, follow=True)
    assert answer.status_code == 200
    assert "Choose a project and a period." in answer.text
    assert client.get(CREATE, form).status_code == 200
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("name", ["bob", "clerk"])
def test_members_and_staff_make_no_receipts_here(client: Client, people: Campus, name: str) -> None:
    client.force_login(User.objects.get(username=name))
    assert "Only the leader of a project can make its receipts" in client.get(CREATE).text
    client.post(CREATE, {**CHOSEN, "expected_total": "1"})
    assert not Receipt.objects.exists()


def test_periods_have_names(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    today = timezone.localdate()

    def days(period: str) -> tuple[str, str]:
        context = client.get(CREATE, {"project": "genomics", "period": period}).context
        return str(context["first"]), str(context["last"])

    assert days("unbilled") == ("2026-10-05", str(today))
    assert days("month") == (str(today.replace(day=1)), str(today))
    first, last = days("last-month")
    assert first.endswith("-01")
    assert last < days("month")[0]


def test_a_billed_period_says_where_it_is(client: Client, people: Campus, receipt: Receipt) -> None:
    client.force_login(people.alice)
    text = client.get(CREATE, CHOSEN).text
    assert "There is nothing to bill" in text
    assert f"/receipts/{receipt.public_id}/" in text


def test_the_page_shows_sums_that_can_be_redone(
    client: Client, people: Campus, receipt: Receipt, settings: Settings
) -> None:
    client.force_login(people.alice)
    text = plain(client.get(pages(receipt)[0]).text)
    for line in receipt.lines.all():
        seconds = {"cpu": "CPU", "gpu": "GPU", "mem": "MiB"}[line.resource]
        assert (
            f"{line.quantity:,} {seconds} seconds ÷ {line.unit_size:,} × {line.unit_price:.2f}"
            in text
        )
        assert f"add up to {line.charged:,.6f}" in text
    assert receipt.sha256 in text
    assert "due on" in text
    settings.SITE_BANK_DETAILS = "Bank of Nowhere\n123"
    assert "Bank of Nowhere" in client.get(pages(receipt)[0]).text


def test_tax_is_shown_as_its_own_line(client: Client, people: Campus, settings: Settings) -> None:
    settings.SITE_TAX_RATE = Decimal(7)
    made = create_receipt(
        project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.alice)
    )
    client.force_login(people.alice)
    for page in pages(made)[:2]:
        text = plain(client.get(page).text)
        assert "Tax 7 %" in text
        assert f"THB {made.tax_amount:,.2f}" in text
        assert f"THB {made.total:,.2f}" in text


def test_the_jobs_behind_a_line_add_up(client: Client, people: Campus, receipt: Receipt) -> None:
    client.force_login(people.alice)
    line = receipt.lines.get(resource="gpu")
    page = client.get(f"/receipts/{receipt.public_id}/lines/{line.position}/")
    charges = list(page.context["page"])
    assert [charge.job.job_id for charge in charges] == [2]
    assert sum(charge.amount for charge in charges) == line.charged
    assert "14,400 GPU seconds ÷ 3,600 × 12.00" in plain(page.text)
    assert client.get(f"/receipts/{receipt.public_id}/lines/9/").status_code == 404


def test_an_address_with_a_nul_finds_nothing(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    for address in ("/receipts/?project=%00", "/receipts/?project=genomics%00x"):
        assert client.get(address).context["page"].paginator.count == 0
    assert client.get("/receipts/%00/").status_code == 404


def test_the_csv_recomputes_every_amount(client: Client, people: Campus, receipt: Receipt) -> None:
    client.force_login(people.alice)
    answer = client.get(f"/receipts/{receipt.public_id}/lines.csv")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined] # it streams
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert f"{receipt.number}-lines.csv" in answer.headers["Content-Disposition"]
    for row in rows:
        price, size = Decimal(row["unit_price"]), int(row["unit_size"])
        assert charge_amount(int(row["quantity"]), price, size) == Decimal(row["amount"])
    for line in receipt.lines.all():
        own = [row for row in rows if row["line"] == str(line.position)]
        assert sum(Decimal(row["amount"]) for row in own) == line.charged
    assert {row["job_name"] for row in rows} == {"job", f"'{FORMULA}"}
    assert AuditEvent.objects.filter(action="export.made", actor_name="alice").count() == 1


def test_drafts_are_in_review_and_void_ones_say_why(client: Client, people: Campus) -> None:
    actor = Actor.of(people.alice)
    draft = draft_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=actor)
    client.force_login(people.alice)
    text = client.get(f"/receipts/{draft.public_id}/").text
    assert "This receipt is being reviewed" in text
    assert 'id="pay"' not in text
    made = create_receipt(
        project_id=people.climate.pk, window=OCTOBER, actor=Actor.of(people.charlie)
    )
    void_receipt(receipt_id=made.pk, actor=actor, reason="wrong month")
    client.force_login(people.charlie)
    text = client.get(f"/receipts/{made.public_id}/").text
    assert "wrong month" in text
    assert 'id="pay"' not in text


def test_the_list_filters_by_project_and_status(
    client: Client, people: Campus, receipt: Receipt
) -> None:
    client.force_login(people.alice)

    def found(**filters: str) -> list[str]:
        return [str(item.number) for item in client.get("/receipts/", filters).context["page"]]

    assert found() == found(project="genomics") == found(status="issued") == [receipt.number]
    assert found(status="paid") == found(status="overdue") == found(project="climate") == []
    assert found(status="nothing", page="x") == [receipt.number]


def test_an_overdue_receipt_says_so(client: Client, people: Campus, settings: Settings) -> None:
    settings.SITE_PAYMENT_DAYS = -1
    create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.alice))
    client.force_login(people.alice)
    page = client.get("/receipts/", {"status": "overdue"})
    assert [item.is_overdue for item in page.context["page"]] == [True]
    assert 'class="badge overdue"' in page.text


def test_both_languages_write_numbers_and_months_their_way(
    client: Client, people: Campus, receipt: Receipt
) -> None:
    client.force_login(people.alice)
    for page in pages(receipt)[:2]:
        english = plain(client.get(page, headers={"Accept-Language": "en"}).text)
        thai = plain(client.get(page, headers={"Accept-Language": "th"}).text)
        assert "1 Oct 2026" in english
        assert f"THB {receipt.total:,.2f}" in english
        assert "1 ต.ค. 2026" in thai
        assert f"฿{receipt.total:,.2f}" in thai
