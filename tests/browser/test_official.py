"""What a payer and a clerk see of official receipts after a part of what was paid is credited."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from core.actor import Actor
from core.intervals import Interval
from payments.models import OfficialReceipt
from payments.services import Transfer, record_transfer
from receipts.services import Part, ask_credit, create_receipt
from tests.browser.conftest import Visitor
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]


@override_settings(SITE_TAX_RATE=Decimal(7), DOCUMENT_AT_PAYMENT="receipt_tax_invoice")
def build() -> None:
    """A receipt of alice's that was paid in two parts, and of which a part was credited."""
    genomics = make_project("genomics", pi=make_user("alice"))
    clerk = Actor.of(make_user("clerk", groups=("finance",)))
    end = timezone.now().replace(microsecond=0) - timedelta(days=3)
    import_rows(make_cluster(), Row(1, end=end, seconds=36_000, tres="cpu=100,node=1"))
    window = Interval(end - timedelta(days=2), timezone.now())
    receipt = create_receipt(project_id=genomics.pk, window=window, actor=SYSTEM)
    for reference, amount in (("1", Decimal(300)), ("2", receipt.total - 300)):
        transfer = Transfer(reference, timezone.localdate(), amount, "THB")
        record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=clerk)
    part = Part(receipt.lines.get().pk, Decimal(100))
    ask_credit(receipt_id=receipt.pk, parts=[part], reason="Nodes were slow", actor=clerk)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("th", 360)])
def test_the_payer_sees_which_one_counts(visit: Visit, language: str, width: int) -> None:
    _first, old, new = OfficialReceipt.objects.order_by("pk")
    alice = visit(language, width)
    alice.log_in("alice", then=f"/receipts/{old.receipt.public_id}/")
    shown = alice.page.locator("#official")
    shown.get_by_role("link", name=new.number).click()
    expect(shown.locator(f"#official-{new.pk}")).to_be_in_viewport()
    assert shown.locator(f"#official-{old.pk} a").count() == 1
    alice.picture(f"official-payer-{language}-{width}")


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("th", 1280), ("th", 360)])
def test_a_clerk_sees_what_replaces_what(visit: Visit, language: str, width: int) -> None:
    _first, old, new = OfficialReceipt.objects.order_by("pk")
    clerk = visit(language, width)
    listed = reverse("admin:payments_officialreceipt_changelist")
    clerk.log_in("clerk", then=listed)
    clerk.picture(f"official-list-{language}-{width}")
    clerk.go(reverse("admin:payments_officialreceipt_change", args=[old.pk]))
    clerk.picture(f"official-cancelled-{language}-{width}")
    clerk.page.get_by_role("link", name=new.number).first.click()
    expect(clerk.page.get_by_role("link", name=old.number).first).to_be_visible()
    address = reverse("admin:insights_journalexport_output_tax")
    clerk.go(f"{address}?month={timezone.localdate():%Y-%m}")
    expect(clerk.page.get_by_text(old.number).first).to_be_visible()
    clerk.picture(f"official-tax-{language}-{width}")
    clerk.go(reverse("admin:receipts_receipt_change", args=[old.receipt_id]))
    clerk.picture(f"official-receipt-{language}-{width}")
