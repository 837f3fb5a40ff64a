"""The review of a run in a real browser, with a document on which one person decided too much."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from accounts.periods import earlier_open
from accounts.services import close
from core.actor import Actor
from pricing.models import AdjustmentKind
from pricing.services.adjustments import Wanted, draft_adjustment
from receipts.models import BillingProfile, BillingRun
from receipts.services import runs
from receipts.services.adjustments import submit_adjustment
from tests import console
from tests.browser.conftest import Visitor
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]
MONTH = date(2026, 10, 1)


def build() -> None:
    """Two projects were given 600 baht each by one clerk, and then got one payer; October ran."""
    clerk = Actor.of(make_user("clerk", groups=("finance",)))
    make_user("second", groups=("finance",))
    payer, cluster = make_project("payer"), make_cluster()
    end = datetime(2026, 10, 10, tzinfo=UTC)
    for number, code in enumerate(("genomics", "climate", "alone"), 1):
        project = make_project(code)
        import_rows(cluster, Row(number, account=code, end=end, seconds=36_000_000))
        if code == "alone":
            continue
        wanted = Wanted(project, AdjustmentKind.CREDIT, end, "Slow disks", "ticket", Decimal(600))
        made = draft_adjustment(wanted=wanted, actor=clerk)
        submit_adjustment(adjustment_id=made.pk, actor=clerk)
        BillingProfile.objects.create(project=project, grouping="payer", payer=payer)
    for day in [*(row.month for row in earlier_open(MONTH)), MONTH]:
        close(month=day, seal=lambda _period: {}, actor=SYSTEM)
    run = runs.start_run(month=MONTH, actor=SYSTEM)
    runs.advance(run_id=run.pk, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def test_a_review_says_what_an_approver_approves(visit: Visit) -> None:
    run = BillingRun.objects.get()
    words = {"en": "above the limit", "th": "เกินวงเงิน"}
    for language, word in words.items():
        for width in (1280, 360):
            visitor = visit(language=language, width=width)
            visitor.log_in("second", "/admin/")
            visitor.go(console.url(run, "change", run.pk))
            assert visitor.page.inner_text("body").count(word) == 1
            visitor.picture(f"limit-run-{language}-{width}")
            visitor.go(console.url(run, "approve", run.pk) + "?all=approve")
            assert "payer" in visitor.page.inner_text("body")
            visitor.picture(f"limit-run-approve-{language}-{width}")


def test_a_review_leaves_to_a_colleague_what_one_wrote(visit: Visit) -> None:
    run = BillingRun.objects.get()
    words = {
        "en": ("A colleague approves it", "Left out"),
        "th": ("ต้องให้เพื่อนร่วมงานอนุมัติ", "ไม่รวมเอกสาร"),
    }
    for language, (said, left_out) in words.items():
        for width in (1280, 360):
            visitor = visit(language=language, width=width)
            visitor.log_in("clerk", "/admin/")
            visitor.go(console.url(run, "change", run.pk))
            assert visitor.page.inner_text("body").count(said) == 1
            assert visitor.page.locator("input[name=entry]").count() == 1
            visitor.picture(f"limit-run-own-{language}-{width}")
            visitor.go(console.url(run, "approve", run.pk) + "?all=approve")
            assert left_out in visitor.page.inner_text("body")
            visitor.picture(f"limit-run-own-approve-{language}-{width}")
