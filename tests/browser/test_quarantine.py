"""The quarantine, exemptions and running jobs as a clerk and a researcher see them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from core.actor import Actor
from tests.browser.conftest import Visitor
from tests.factories import Row, exempt, import_rows, make_cluster, make_project, make_user
from usage.models import ImportRun, QuarantinedRow
from usage.quarantine import dismiss

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BEGUN = {"Submit": "1792060000", "Start": "1792060000"}


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    def build() -> None:
        alice = make_user("alice")
        clerk = make_user("clerk", groups=("finance",))
        make_project("genomics", pi=alice)
        cluster = make_cluster("mahidol-hpc")
        import_rows(
            cluster,
            Row(1),
            Row(2, name="align-reads <b>=cmd()", extra={"ElapsedRaw": "-5"}),
            Row(3, extra={"State": "what is this"}),
            Row(4, extra={"End": "rubbish"}),
        )
        now = datetime.now(UTC)
        running = Row(9, end=now, seconds=7200, state="RUNNING", extra=BEGUN)
        import_rows(cluster, running, Row(10, account="genomics", state="NODE_FAIL"))
        row = QuarantinedRow.objects.get(reason="state")
        dismiss(row_ids=[row.pk], actor=Actor.of(clerk), reason="A test of the admins")
        exempt(
            cluster,
            author=clerk,
            state="NODE_FAIL",
            starts_at=now - timedelta(days=90),
            reason="A node failed: the centre bears it",
        )

    return build


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("th", 360)])
def test_rows_are_found_looked_at_and_dismissed(
    visit: Callable[..., Visitor], language: str, width: int
) -> None:
    clerk = visit(language, width)
    clerk.log_in("clerk", "/admin/")
    name = f"quarantine-{language}-{width}"
    clerk.go("/admin/usage/quarantinedrow/?state=open")
    clerk.picture(f"{name}-list")
    row = QuarantinedRow.objects.get(reason="elapsed")
    clerk.go(f"/admin/usage/quarantinedrow/{row.pk}/change/")
    assert "align-reads <b>=cmd()" in clerk.page.inner_text(".console-raw")
    clerk.picture(f"{name}-row")
    clerk.go(f"/admin/usage/quarantinedrow/{row.pk}/dismiss/")
    clerk.picture(f"{name}-dismiss")
    dismissed = QuarantinedRow.objects.get(reason="state")
    clerk.go(f"/admin/usage/quarantinedrow/{dismissed.pk}/change/")
    clerk.picture(f"{name}-dismissed")
    run = ImportRun.objects.earliest("pk")
    clerk.go(f"/admin/usage/importrun/{run.pk}/change/")
    clerk.picture(f"{name}-import")
    clerk.go(f"/admin/usage/importrun/{run.pk}/again/")
    clerk.picture(f"{name}-again")
    clerk.go("/admin/usage/exemption/")
    clerk.picture(f"{name}-exemptions")
    clerk.go("/admin/usage/exemption/add/")
    clerk.picture(f"{name}-exemption")


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("th", 360)])
def test_running_jobs_are_shown_with_an_estimate(
    visit: Callable[..., Visitor], language: str, width: int
) -> None:
    alice = visit(language, width)
    alice.log_in("alice")
    assert "≈" in alice.page.inner_text(".stats")
    alice.picture(f"running-{language}-{width}-home")
    alice.go("/usage/?period=month&status=running")
    assert "≈" in alice.page.inner_text("table.jobs")
    alice.picture(f"running-{language}-{width}-usage")


def test_all_that_is_shown_is_dismissed_in_one_step(visit: Callable[..., Visitor]) -> None:
    clerk = visit("en", 1280)
    clerk.log_in("clerk", "/admin/")
    clerk.go("/admin/usage/quarantinedrow/?state=open")
    clerk.page.click("a[href*='/dismiss-shown/']")
    clerk.page.fill("input[name=reason]", "Broken by the outage of 12 October")
    clerk.page.click(".console-buttons button[type=submit]")
    clerk.page.wait_for_url("**/importrun/*/change/")
    assert "it can be released" in clerk.page.inner_text("main, body")
    clerk.picture("quarantine-en-1280-settled")
