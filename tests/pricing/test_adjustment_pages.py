"""The console's pages of adjustments and outages: who may press what, and what is told."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project
from pricing.models import Adjustment, Charge, OutageCredit
from tests import console
from tests.factories import OCTOBER, Row, import_rows, make_cluster, make_project
from tests.pricing.lists import flat, publish

pytestmark = pytest.mark.django_db
FORM = {
    "project": "genomics", "kind": "credit", "amount": "2500", "percent": "", "day": "2026-10-15",
    "text": "Failed licence server", "reason": "ticket 12",
}  # fmt: skip


@pytest.fixture
def genomics() -> Project:
    return make_project("genomics")


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


def written(client: Client, **values: str) -> Adjustment:
    page = client.post(console.url(Adjustment, "write"), {**FORM, **values}, follow=True)
    assert "The draft is made" in console.messages_of(page)[-1]
    return Adjustment.objects.latest("pk")


def pressed(client: Client, row: Any, step: str, **values: str) -> str:
    page = console.confirm(client, console.url(row, step, row.pk), **values)
    told = console.messages_of(page)
    return told[-1] if told else page.text


def test_one_clerk_writes_and_another_one_approves(genomics: Project, clerk: Client) -> None:
    auditor, second = console.visitor("auditor"), console.visitor("admin")
    assert auditor.get(console.url(Adjustment, "write")).status_code == 403
    made = written(clerk)
    assert "waits for the approval" in pressed(clerk, made, "submit")
    assert "1 " in second.get("/admin/").text
    assert "Adjustments to approve" in second.get("/admin/").text
    assert auditor.post(console.url(made, "approve", made.pk)).status_code == 403
    assert "Someone else" in pressed(clerk, made, "approve")
    assert "2,500.00" in second.get(console.url(made, "approve", made.pk)).text
    assert "It is charged" in pressed(second, made, "approve")
    assert Charge.objects.get().amount == -2500
    page = auditor.get(console.url(made, "change", made.pk)).text
    assert "ticket 12" in page
    assert console.url(made, "take_back", made.pk) not in page
    assert pressed(clerk, made, "take_back", reason="wrong project") == "The charge is taken back."
    assert "Taken back" in clerk.get(console.url(made, "change", made.pk)).text


def test_small_ones_are_charged_at_once_and_others_can_be_rejected(
    genomics: Project, clerk: Client
) -> None:
    assert "It is charged" in pressed(clerk, written(clerk, amount="10", kind="fee"), "submit")
    made = written(clerk)
    pressed(clerk, made, "submit")
    second = console.visitor("admin")
    assert "This field is required" in pressed(second, made, "reject", reason="")
    assert pressed(second, made, "reject", reason="no proof") == "It is rejected."
    assert "no proof" in clerk.get(console.url(made, "change", made.pk)).text
    other = written(clerk)
    assert pressed(clerk, other, "withdraw") == "It is withdrawn."
    assert clerk.get(console.url(Adjustment)).text.count("Failed licence server") >= 3


def test_what_can_t_be_meant_is_told_at_its_field(genomics: Project, clerk: Client) -> None:
    for values, told in (
        ({"amount": ""}, "Give an amount of more than zero"),
        ({"percent": "10"}, "Only a discount is a percentage"),
        ({"amount": "1.001"}, "fewer decimals"),
        ({"day": "2099-01-01"}, "has not begun"),
        ({"kind": "outage"}, "Select a valid choice"),
        ({"kind": "discount", "amount": "", "percent": "5"}, "nothing unbilled"),
    ):
        page = clerk.post(console.url(Adjustment, "write"), {**FORM, **values})
        assert told in page.text
    assert not Adjustment.objects.exists()


def test_an_outage_is_seen_whole_before_it_is_submitted_and_approved(
    genomics: Project, clerk: Client
) -> None:
    publish(flat("cpu", "100"), flat("mem", "0"))
    cluster = make_cluster()
    end = OCTOBER.start + timedelta(days=3)
    import_rows(cluster, Row(71, end=end), Row(72, end=end))
    sent = {
        "cluster": cluster.pk, "starts_at_0": "2026-10-01", "starts_at_1": "00:00",
        "ends_at_0": "2026-11-01", "ends_at_1": "00:00", "percent": "25",
        "text": "Cooling failed", "reason": "ticket 7",
    }  # fmt: skip
    page = clerk.post(console.url(OutageCredit, "write"), {**sent, "ends_at_0": "2026-09-01"})
    assert "It must end after it begins" in page.text
    page = clerk.post(console.url(OutageCredit, "write"), sent, follow=True)
    made = OutageCredit.objects.get()
    assert page.redirect_chain[-1][0] == console.url(made, "submit", made.pk)
    assert "200.00" in page.text
    assert "01:00:00" in page.text
    assert "waits for the approval" in pressed(clerk, made, "submit")
    second = console.visitor("admin")
    assert "Outages to approve" in second.get("/admin/").text
    assert "Someone else" in pressed(clerk, made, "approve")
    assert pressed(second, made, "approve").startswith("It is given back. It goes on the next")
    assert Adjustment.objects.get().amount == Decimal(-200)
    shown = second.get(console.url(made, "change", made.pk)).text
    assert f"{console.url(Adjustment)}?outage={made.pk}" in shown
    assert "Cooling failed" in second.get(console.url(Adjustment) + f"?outage={made.pk}").text
