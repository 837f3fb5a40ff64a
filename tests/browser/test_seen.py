"""A clerk in a real browser confirms documents that a colleague changed meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.actor import Actor
from pricing.models import Adjustment, AdjustmentKind
from pricing.services.adjustments import Wanted, draft_adjustment
from receipts.models import BillingRun, RunEntry
from receipts.services import runs
from receipts.services.adjustments import submit_adjustment
from tests import console
from tests.browser.conftest import Visitor
from tests.factories import make_user
from tests.receipts.test_run import run_all, shut, two_projects
from tests.receipts.test_seen import drafted_anew, taxed_otherwise

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]
DAY = datetime(2026, 11, 2, tzinfo=UTC)


def build() -> None:
    """A run of two documents, and what one clerk alone gave of the next one."""
    clerk = Actor.of(make_user("clerk", groups=("finance",)))
    for name in ("thai", "phone", "small"):
        make_user(name, groups=("finance",))
    two_projects()
    shut()
    run = run_all()
    project = run.entries.get(project__code="genomics").project
    for amount in (600, 400, 401):
        wanted = Wanted(project, AdjustmentKind.CREDIT, DAY, "Slow disks", "t 1", Decimal(amount))
        made = draft_adjustment(wanted=wanted, actor=clerk)
        if amount == 600:
            submit_adjustment(adjustment_id=made.pk, actor=clerk)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def test_new_figures_are_shown_before_they_are_confirmed(visit: Visit) -> None:
    people = {
        "en": ("clerk", visit()),
        "th": ("thai", visit(language="th")),
        "th-360": ("phone", visit(language="th", width=360)),
        "en-360": ("small", visit(width=360)),
    }
    run = BillingRun.objects.get()
    small, large = Adjustment.objects.filter(status="draft").order_by("pk")
    for name, (who, visitor) in people.items():
        visitor.log_in(who, "/admin/")
        for row, said in ((small, "alone"), (large, "second")):
            visitor.go(console.url(row, "submit", row.pk))
            visitor.picture(f"adjustment-{said}-{name}")
        visitor.go(console.url(run, "approve", run.pk) + "?all=approve")
        visitor.picture(f"run-approve-{name}")
    entry = RunEntry.objects.get(project__code="genomics")
    taxed_otherwise(entry.project)
    drafted_anew(entry)
    for name, (_who, visitor) in people.items():
        visitor.page.locator(".console-buttons button").first.click()
        visitor.page.wait_for_load_state()
        visitor.picture(f"run-changed-{name}")
        assert "genomics" in visitor.page.locator("body").inner_text()
    assert not RunEntry.objects.exclude(approved_by=None).exists()
    clerk = people["en"][1]
    assert "Changed since you looked" in clerk.page.locator("body").inner_text()
    clerk.page.locator(".console-buttons button").first.click()
    clerk.page.wait_for_load_state()
    approved = RunEntry.objects.exclude(approved_by=None)
    assert set(approved.values_list("approved_by__username", flat=True)) == {"clerk"}
    assert runs.seen_in(approved).keys() == {row.pk for row in run.entries.all()}
