"""A PI's main job in a real browser: see usage, make a receipt, pay it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from payments.models import Payment
from receipts.models import Receipt
from tests.browser.conftest import Visitor
from tests.factories import Row, import_rows, join, make_cluster, make_project, make_user

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]


def build() -> None:
    """Alice leads genomics with Bob in it; Charlie has nothing to do with it."""
    alice, bob = make_user("alice"), make_user("bob")
    make_user("charlie")
    genomics = make_project("genomics", pi=alice)
    join(genomics, bob)
    end = timezone.now().replace(microsecond=0) - timedelta(days=3)
    import_rows(
        make_cluster(),
        *(
            Row(
                number,
                user=("alice", "bob")[number % 2],
                end=end - timedelta(hours=number),
                seconds=7200 + number,
                tres="cpu=16,mem=64G,node=1,gres/gpu=1",
            )
            for number in range(1, 31)
        ),
    )


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def test_the_pi_bills_and_pays(visit: Visit) -> None:
    alice = visit()
    page = alice.page
    alice.log_in("alice")
    alice.picture("home-en")
    alice.go("/projects/genomics/")
    expect(page.get_by_role("heading", name="If the project used more")).to_be_visible()
    alice.picture("project-en")
    page.get_by_role("link", name="Usage", exact=True).click()
    expect(page.locator("table.jobs").get_by_text("alpha").first).to_be_visible()
    alice.picture("usage-en")
    alice.go("/receipts/create/?project=genomics&period=unbilled")
    alice.picture("receipt-create-en")
    page.get_by_role("button", name="Create receipt over").click()
    receipt = Receipt.objects.get()
    expect(page.get_by_text(str(receipt.number)).first).to_be_visible()
    alice.picture("receipt-en")
    page.get_by_role("button", name="Pay now").click()
    expect(page.get_by_role("heading", name="No real money moves here")).to_be_visible()
    alice.picture("simulate-en")
    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    alice.picture("thanks-en")
    receipt.refresh_from_db()
    assert receipt.status == "paid"
    assert Payment.objects.get().status == "succeeded"


def test_pages_fit_a_phone_in_thai(visit: Visit) -> None:
    alice = visit("th", 360)
    alice.log_in("alice")
    for name, path in (
        ("home", "/"), ("usage", "/usage/"), ("receipts", "/receipts/"),
        ("receipt-create", "/receipts/create/"), ("project", "/projects/genomics/"),
    ):  # fmt: skip
        alice.go(path)
        assert alice.page.locator("html").get_attribute("lang") == "th"
        alice.picture(f"{name}-th-360")


def test_a_stranger_sees_nothing(visit: Visit) -> None:
    charlie = visit()
    charlie.log_in("charlie")
    charlie.go("/usage/")
    expect(charlie.page.get_by_text("genomics")).to_have_count(0)
    charlie.picture("usage-empty-en")
