"""The page of corrections in a real browser, with two that take a second person."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import override_settings

from core.actor import Actor
from pricing.models import AdjustmentKind
from pricing.replacing import reverse_and_replace
from pricing.services.adjustments import Wanted, draft_adjustment
from receipts.models import Receipt
from receipts.selectors import charges_in_force
from receipts.services import Part, ask_credit, create_receipt
from receipts.services.adjustments import submit_adjustment
from receipts.services.corrections import settle_corrections
from tests.browser.conftest import Visitor
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]
DAY = datetime(2026, 10, 15, tzinfo=UTC)


def build() -> None:
    """A receipt with a credit on it, and one of which a part was given back; a job of each changed
    after the limit of what one person alone decides was lowered."""
    clerk = Actor.of(make_user("clerk", groups=("finance",)))
    genomics, climate = make_project("genomics"), make_project("climate")
    accounts = ("genomics", "genomics", "climate")
    rows = (Row(n, seconds=3_600_000, account=code) for n, code in enumerate(accounts, 1))
    import_rows(make_cluster(), *rows)
    with override_settings(ADJUSTMENT_LIMIT={"THB": Decimal(5000)}):
        wanted = Wanted(climate, AdjustmentKind.CREDIT, DAY, "Slow", "ticket", Decimal(2000))
        made = draft_adjustment(wanted=wanted, actor=clerk)
        submit_adjustment(adjustment_id=made.pk, actor=clerk)
        first, second = (
            create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
            for project in (genomics, climate)
        )
        part = Part(first.lines.get(resource="cpu").pk, Decimal(4000))
        ask_credit(receipt_id=first.pk, parts=[part], reason="goodwill", actor=clerk)
    change(first, 1)
    change(second, 3)
    with override_settings(CORRECTION_THRESHOLD={}, ADJUSTMENT_LIMIT={"THB": Decimal(10)}):
        assert settle_corrections(actor=SYSTEM).failed == 2


def change(receipt: Receipt, job_id: int) -> None:
    charges = list(charges_in_force(receipt).filter(job__job_id=job_id))
    with transaction.atomic():
        reverse_and_replace(charges=charges, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


WAYS_OUT = {
    "en": ("The next monthly run corrects it", "Void the receipt: its usage is billed anew"),
    "th": ("รอบเรียกเก็บรายเดือนครั้งถัดไปจะแก้ไขให้", "โปรดยกเลิกใบแจ้งหนี้ การใช้งานจะถูกเรียกเก็บใหม่"),
}


def test_the_page_says_how_corrections_go_on(visit: Visit) -> None:
    for language in ("en", "th"):
        for width in (1280, 360):
            visitor = visit(language=language, width=width)
            visitor.log_in("clerk", "/admin/")
            visitor.go("/admin/receipts/receipt/corrections?state=waiting")
            text = visitor.page.inner_text("body")
            assert all(way in text for way in WAYS_OUT[language])
            visitor.picture(f"corrections-wait-{language}-{width}")
