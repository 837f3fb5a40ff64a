"""The console without a mouse or eyes on it: everything has a name, and nothing hides sideways."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Project
from core.intervals import Interval
from receipts.services import create_receipt
from tests.browser.conftest import Visitor
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
HIDDEN = """() => [...document.querySelectorAll(".console-scroll, .simplebar-content-wrapper")]
  .map((box) => box.scrollWidth - box.clientWidth).filter((width) => width > 0)"""
NAMELESS = """() => [...document.querySelectorAll("a[href], [role=combobox], [role=textbox]")]
  .filter((each) => each.checkVisibility() && !each.ariaLabel && !each.textContent.trim()
    && !each.querySelector("img[alt]")).map((each) => each.outerHTML)"""
UNNAMED = """() => [...document.querySelectorAll(".select2-selection")]
  .filter((each) => !each.ariaLabel).map((each) => each.outerHTML)"""
UNCALLED = """() => [...document.querySelectorAll("td :is(input, select, textarea)")]
  .filter((each) => each.type !== "hidden" && !each.labels.length && !each.ariaLabel)
  .map((each) => each.outerHTML)"""
LISTS = (
    "pricing/charge", "pricing/jobrating", "usage/job", "usage/importrun", "payments/inboundevent",
    "pricing/pricelist", "pricing/adjustment", "accounts/project", "receipts/receipt/aging",
)  # fmt: skip


def build() -> None:
    """Genomics owes a few hundred thousand, and the jobs of nobody's account are unpriced."""
    make_user("clerk", groups=("finance",))
    project = make_project("genomics", pi=make_user("alice"))
    end = timezone.now().replace(microsecond=0) - timedelta(days=2)
    tres = "cpu=9000,mem=1G,node=90"
    import_rows(
        make_cluster(),
        Row(1, end=end, seconds=40_000, tres=tres),
        Row(2, end=end, account="nobody"),
    )
    window = Interval(end - timedelta(days=1), end + timedelta(hours=1))
    create_receipt(project_id=project.pk, window=window, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


@pytest.mark.parametrize("language", ["en", "th"])
def test_lists_fit_and_their_links_have_names(visit: Visit, language: str) -> None:
    clerk = visit(language)
    clerk.log_in("clerk", "/admin/")
    for path in LISTS:
        clerk.go(f"/admin/{path}/")
        found = {"hidden": clerk.page.evaluate(HIDDEN), "nameless": clerk.page.evaluate(NAMELESS)}
        assert found == {"hidden": [], "nameless": []}, path


def test_searched_lists_are_called_as_their_fields(visit: Visit) -> None:
    clerk = visit()
    clerk.log_in("clerk", "/admin/accounts/project/add/")
    clerk.page.locator("[role=combobox][aria-label=Department]").wait_for()
    assert clerk.page.evaluate(UNNAMED) == []
    clerk.go(f"/admin/accounts/project/{Project.objects.get(code='genomics').pk}/change/")
    assert clerk.page.evaluate(UNCALLED) == []
    clerk.go("/admin/pricing/charge/")
    clerk.page.locator(".field-resource a").first.click()
    clerk.page.wait_for_url("**/pricing/charge/*/change/**")


def test_a_list_offers_all_of_it_only_where_some_is_left_out(visit: Visit) -> None:
    clerk = visit()
    clerk.log_in("clerk", "/admin/usage/job/")
    everything = clerk.page.locator("#header-inner h1 a", has_text="Show all")
    assert everything.count() == 0
    clerk.go("/admin/usage/job/?q=1")
    everything.click()
    clerk.page.wait_for_url("**/usage/job/?")
    assert everything.count() == 0
    clerk.go("/admin/usage/job/?q=none")
    clerk.page.locator(".console-nothing").get_by_role("link", name="Show all").click()
    clerk.page.wait_for_url("**/usage/job/?")
    clerk.go("/admin/usage/missingjob/")
    expect(clerk.page.get_by_text("Nothing here.")).to_be_visible()
    assert clerk.page.locator(".console-nothing a").count() == 0
