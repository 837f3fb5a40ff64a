"""API tokens and the page to browse the API, in a real browser with the real policies."""

from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]


def build() -> None:
    make_user("alice")
    make_user("finance", groups=("finance",))


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def formula(visitor: Visitor, key: str) -> int:
    address = f"{visitor.url}/api/v1/formula"
    return requests.get(address, headers={"Authorization": f"Bearer {key}"}, timeout=10).status_code


def test_a_person_makes_uses_and_revokes_a_token(visit: Visit) -> None:
    alice = visit()
    page = alice.page
    alice.log_in("alice")
    page.get_by_role("contentinfo").get_by_role("link", name="API tokens").click()
    expect(page.get_by_text("You have no tokens.")).to_be_visible()
    expect(page.get_by_text("prices:write")).to_have_count(0)
    page.get_by_label("Name").fill("monthly report")
    page.get_by_label("Read price lists").check()
    alice.picture("tokens-form-en")
    page.get_by_role("button", name="Make a token").click()
    key = page.get_by_label("Token", exact=True).input_value()
    alice.picture("tokens-made-en")
    assert formula(alice, key) == 200
    alice.go("/account/tokens/")
    assert key not in page.content()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("“monthly report” is revoked")).to_be_visible()
    assert formula(alice, key) == 401


def test_the_page_fits_a_phone_and_speaks_thai(visit: Visit) -> None:
    clerk = visit("th", 390)
    clerk.log_in("finance", then="/account/tokens/")
    expect(clerk.page.get_by_text("prices:write")).to_be_visible()
    clerk.page.locator("input[name=name]").fill("x")
    clerk.page.locator("input[value='*']").check()
    clerk.page.locator("main form[method=post] button.primary").click()
    expect(clerk.page.locator("#key")).to_be_visible()
    clerk.picture("tokens-th-phone")


def test_the_api_can_be_browsed_and_tried(visit: Visit) -> None:
    alice = visit()
    alice.log_in("alice")
    alice.go("/api/docs/")
    page = alice.page
    operation = page.locator("#operations-formula-formula_read")
    operation.locator("button.opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(
        operation.locator(".live-responses-table .response .response-col_status").first
    ).to_contain_text("200")
    alice.picture("api-docs-en")
