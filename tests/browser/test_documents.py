"""From the receipt's page to the paper, and from the code on the paper back to the site."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from core.intervals import Interval
from receipts.models import BillingProfile, Receipt
from receipts.services import create_receipt
from tests.browser.conftest import Visitor
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.receipts.rendering.reading import attached, codes, pages

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]


def build() -> None:
    """Alice leads genomics, which has an issued receipt; a clerk of the finance office."""
    genomics = make_project("genomics", pi=make_user("alice"))
    make_user("clerk", groups=("finance",))
    BillingProfile.objects.create(project=genomics, document_language="th", branch="00000")
    end = timezone.now().replace(microsecond=0) - timedelta(days=3)
    import_rows(make_cluster(), *(Row(n, end=end - timedelta(hours=n)) for n in range(1, 6)))
    first = timezone.localtime(end) - timedelta(days=2)
    window = Interval(first, timezone.now())
    create_receipt(project_id=genomics.pk, window=window, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def test_a_paper_leads_back_to_its_verification(visit: Visit, tmp_path: Path) -> None:
    receipt = Receipt.objects.get()
    alice = visit()
    alice.log_in("alice", then=f"/receipts/{receipt.public_id}/")
    alice.picture("receipt-files-en")
    with alice.page.expect_download() as download:
        alice.page.get_by_role("link", name="Document (PDF)").click()
    assert download.value.suggested_filename == f"{receipt.number}-th.pdf"
    download.value.save_as(tmp_path / "document.pdf")
    paper = (tmp_path / "document.pdf").read_bytes()
    page = pages(paper)[0]
    assert "ใบแจ้งหนี้" in page
    assert f"เลขที่ {receipt.number}" in page
    assert set(attached(paper)) == {"receipt.json", "factur-x.xml"}

    (address,) = codes(paper)
    stranger = visit("th", 360)
    stranger.page.goto(address)
    expect(stranger.page.get_by_text("เอกสารนี้ออกโดยระบบนี้")).to_be_visible()
    expect(stranger.page.get_by_text(str(receipt.number))).to_be_visible()
    expect(stranger.page.get_by_text(receipt.sha256)).to_be_visible()
    stranger.picture("verify-th-360")
    assert "genomics" not in stranger.page.content()


def test_the_page_of_verification_in_english(visit: Visit) -> None:
    receipt = Receipt.objects.get()
    anyone = visit()
    anyone.go(f"/verify/{receipt.verify_token}")
    expect(anyone.page.get_by_text("This document was issued here.")).to_be_visible()
    anyone.picture("verify-en")


def test_the_clerk_takes_a_copy_from_the_console(visit: Visit, tmp_path: Path) -> None:
    receipt = Receipt.objects.get()
    clerk = visit("en", 360)
    clerk.log_in("clerk", then=f"/admin/receipts/receipt/{receipt.pk}/change/")
    clerk.picture("console-receipt-files-360")
    files = clerk.page.locator(".console-files li").nth(1)
    with clerk.page.expect_download() as download:
        files.get_by_role("link", name="English").click()
    download.value.save_as(tmp_path / "copy.pdf")
    assert "Copy" in pages((tmp_path / "copy.pdf").read_bytes())[0]
