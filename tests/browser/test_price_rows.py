"""A list with slabs, an equivalent and a rule for a state, written by rows in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from pricing.content import content_of
from pricing.engine import Model
from pricing.models import PriceList
from pricing.services import Head, draft_price_list
from tests.browser.conftest import Visitor
from tests.factories import SYSTEM, make_cluster, make_project, make_user
from tests.pricing.contents import CLUSTERS, FULL
from tests.pricing.test_lifecycle import NEXT_YEAR

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]


def build() -> None:
    """Two clusters, and a draft that says something of everything."""
    make_user("clerk", groups=("finance",))
    for name in CLUSTERS:
        make_cluster(name)
    head = Head(NEXT_YEAR, "THB", project=make_project("genomics"))
    draft_price_list(head=head, content=FULL, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def save(page: Page) -> None:
    page.locator("button[name=_save], input[name=_save]").first.click()
    page.wait_for_load_state()


def test_a_clerk_writes_slabs_and_is_told_what_is_wrong(visit: Visit) -> None:
    clerk = visit()
    clerk.log_in("clerk", "/admin/")
    clerk.go("/admin/pricing/pricelist/add/")
    page = clerk.page
    page.select_option("select[name=tier]", label="private – Private sector")
    page.fill("input[name=rates-0-unit_price]", "3")
    page.fill("input[name=rates-1-unit_price]", "0.2")
    page.select_option("select[name=rates-2-model]", "graduated")
    page.fill("textarea[name=rates-2-slabs]", "100: 60\n50: 40\nrest: 30")
    page.locator("#rates-group a.add-row").click()
    page.fill("input[name=rates-3-resource]", "gpu:a100")
    page.fill("input[name=rates-3-unit_price]", "80")
    save(page)
    expect(page.get_by_text("Slabs must rise.")).to_be_visible()
    clerk.picture("price-rows-wrong-en")
    page.fill("textarea[name=rates-2-slabs]", "100: 60\n500: 40 + 5\nrest: 30")
    save(page)
    made = PriceList.objects.get(status="draft", tier__code="private")
    rates = {rate.resource: rate for rate in content_of(made).rates}
    assert set(rates) == {"cpu", "mem", "gpu", "gpu:a100"}
    assert rates["gpu"].model is Model.GRADUATED
    assert [slab.up_to for slab in rates["gpu"].slabs] == [100, 500, None]
    clerk.go(f"/admin/pricing/pricelist/{made.pk}/submit")
    expect(page.get_by_text("up to 500: 40.00 THB and a fee of 5.00 THB")).to_be_visible()
    clerk.picture("price-rows-submit-en")


def test_a_saved_page_says_the_same_again(visit: Visit) -> None:
    draft = PriceList.objects.get(project__code="genomics")
    for language, width in (("en", 1280), ("th", 360)):
        clerk = visit(language, width)
        clerk.log_in("clerk", "/admin/")
        clerk.go(f"/admin/pricing/pricelist/{draft.pk}/change/")
        clerk.picture(f"price-rows-{language}-{width}")
        clerk.go(f"/admin/pricing/pricelist/{draft.pk}/submit")
        clerk.picture(f"price-rows-step-{language}-{width}")
        clerk.go(f"/admin/pricing/pricelist/{draft.pk}/change/")
        save(clerk.page)
        assert content_of(PriceList.objects.get(pk=draft.pk)) == FULL
