"""Two clerks in a real browser: an adjustment and an outage, from writing to approving."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from core.actor import Actor
from pricing.models import Adjustment, Charge, OutageCredit, Sku
from pricing.services.items import charge_item
from receipts.services import create_receipt
from tests import console
from tests.browser.conftest import Visitor
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.pricing.lists import flat, publish

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]


def build() -> None:
    """Two projects ran jobs in October; that of genomics is billed, and it has a poster."""
    clerk = make_user("clerk", groups=("finance",))
    make_user("second", groups=("finance",))
    poster = Sku.objects.create(code="poster", name="Poster", name_th="โปสเตอร์", unit="piece")
    publish(flat("cpu", "12.5"), flat("mem", "0"), flat("sku:poster", "250"))
    genomics = make_project("genomics", pi=make_user("alice"))
    make_project("climate")
    end = OCTOBER.start + timedelta(days=3)
    cluster = make_cluster()
    import_rows(cluster, Row(1, end=end), Row(2, end=end))
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    import_rows(cluster, *(Row(n, end=end, account="climate") for n in range(3, 9)))
    charge_item(
        project=genomics, sku=poster, quantity=Decimal(1), at=end, reason="for the fair",
        expected=Decimal(250), actor=Actor.of(clerk),
    )  # fmt: skip


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def fill(visitor: Visitor, **values: str) -> None:
    for name, value in values.items():
        visitor.page.fill(f"[name={name}]", value)


def send(visitor: Visitor) -> None:
    visitor.page.locator(".console-buttons button").first.click()
    visitor.page.wait_for_load_state()


def test_clerks_adjust_and_credit_an_outage(visit: Visit) -> None:
    clerk, second, phone = visit(), visit(language="th"), visit(language="th", width=360)
    small = visit(width=360)
    clerk.log_in("clerk", "/admin/")
    for visitor in (second, phone, small):
        visitor.log_in("second", "/admin/")
    clerk.go(console.url(Adjustment, "write"))
    clerk.page.select_option("[name=project]", "genomics")
    fill(clerk, amount="2500", text="Failed licence server", reason="ticket 12")
    clerk.picture("adjustment-new-en")
    send(clerk)
    made = Adjustment.objects.get()
    clerk.picture("adjustment-draft-en")
    clerk.go(console.url(made, "submit", made.pk))
    send(clerk)
    for name, visitor in (("th", second), ("th-360", phone), ("en-360", small)):
        visitor.go("/admin/pricing/adjustment/")
        visitor.picture(f"adjustments-{name}")
        visitor.go(console.url(Adjustment, "write"))
        visitor.picture(f"adjustment-new-{name}")
        visitor.go(console.url(made, "approve", made.pk))
        visitor.picture(f"adjustment-approve-{name}")
    send(second)
    second.picture("adjustment-approved-th")
    assert Charge.objects.get(kind="manual").amount == -2500
    clerk.go(console.url(OutageCredit, "write"))
    clerk.page.select_option("[name=cluster]", label="alpha")
    fill(
        clerk, starts_at_0="2026-10-01", starts_at_1="00:00:00", ends_at_0="2026-11-01",
        ends_at_1="00:00:00", percent="50", text="Cooling failed", reason="ticket 7",
    )  # fmt: skip
    clerk.picture("outage-new-en")
    send(clerk)
    clerk.picture("outage-submit-en")
    send(clerk)
    outage = OutageCredit.objects.get()
    for name, visitor in (("th", second), ("th-360", phone), ("en-360", small)):
        visitor.go(console.url(outage, "approve", outage.pk))
        visitor.picture(f"outage-approve-{name}")
    send(second)
    second.picture("outage-approved-th")
    assert outage.adjustments.count() == 2
    item = Charge.objects.get(kind="item")
    for name, visitor in (("en", clerk), ("th-360", phone)):
        visitor.go(console.url(item, "take_back", item.pk))
        visitor.picture(f"item-take-back-{name}")
    phone.go("/admin/")
    phone.picture("home-adjustments-th-360")
