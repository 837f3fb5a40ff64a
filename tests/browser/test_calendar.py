"""An operator in a real browser: a cluster that is read from a slurmrestd, its days and pulls."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import expect

from core.actor import Actor
from hpcbilling.pulls import running
from tests.browser.conftest import Visitor
from tests.factories import make_project, make_user
from tests.usage.sources.history import History, slurm
from usage.models import Cluster, Pull, Source
from usage.pulls import plan_manual
from usage.services import create_cluster

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]
BEAT = Actor.system("beat")
HISTORY = History(days=26)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """A slurmrestd that the web server reaches too, and a month with all kinds of days."""
    with slurm(HISTORY, tmp_path_factory.mktemp("slurm")) as connections:
        os.environ["SLURM_CONNECTIONS"] = str(connections)
        yield lambda: build(connections)
        del os.environ["SLURM_CONNECTIONS"]


def build(connections: Path) -> None:
    settings.SLURM_CONNECTIONS = str(connections)
    make_user("operator", groups=("operator",))
    make_project("genomics")
    cluster = create_cluster(name="erawan", time_zone="UTC", actor=BEAT)
    Cluster.objects.filter(pk=cluster.pk).update(
        reads_from=HISTORY.today - timedelta(days=20), overlap_days=3
    )
    Source.objects.create(cluster=cluster, kind="slurmrestd", place="main")
    Source.objects.create(cluster=cluster, position=2, kind="sacct", place="login")
    cluster.refresh_from_db()
    HISTORY.withheld = {HISTORY.today - timedelta(days=back) for back in (5, 6, 12)}
    HISTORY.quiet = {HISTORY.today - timedelta(days=9)}
    pull = plan_manual(cluster=cluster, actor=BEAT)
    running.run_pull(pull_id=pull.pk, actor=BEAT)
    waiting = plan_manual(cluster=cluster, actor=BEAT)
    running.read_next(pull_id=waiting.pk, actor=BEAT)


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("th", 360)])
def test_the_operator_sees_each_day_of_a_cluster(visit: Visit, language: str, width: int) -> None:
    operator = visit(language, width)
    operator.log_in("operator", "/admin/")
    name = f"{language}-{width}"
    operator.picture(f"late-home-{name}")
    cluster, pull = Cluster.objects.get(name="erawan"), Pull.objects.earliest("pk")
    operator.go(f"/admin/usage/cluster/{cluster.pk}/calendar/")
    operator.picture(f"calendar-{name}")
    if HISTORY.today.day < 8:
        operator.go(f"/admin/usage/cluster/{cluster.pk}/calendar/?month={before():%Y-%m}")
        operator.picture(f"calendar-before-{name}")
    expect(operator.page.locator(".calendar .missing").first).to_be_visible()
    operator.page.locator(".calendar .missing").first.click()
    expect(operator.page.locator(".window-status.failed").first).to_be_visible()
    operator.picture(f"calendar-day-{name}")
    for page, path in (
        ("cluster", f"/admin/usage/cluster/{cluster.pk}/change/"),
        ("clusters", "/admin/usage/cluster/"),
        ("pulls", "/admin/usage/pull/"),
        ("pull", f"/admin/usage/pull/{pull.pk}/change/"),
        ("windows", "/admin/usage/window/"),
        ("window", f"/admin/usage/window/{pull.windows.latest('pk').pk}/change/"),
        ("missing-jobs", "/admin/usage/missingjob/"),
        ("pull-now", f"/admin/usage/cluster/{cluster.pk}/pull-now/"),
        ("backfill", f"/admin/usage/cluster/{cluster.pk}/backfill/"),
    ):
        operator.go(path)
        operator.picture(f"{page}-{name}")
    operator.go(f"/admin/usage/cluster/{cluster.pk}/sources/")
    for place in range(2):
        operator.page.locator(".source-trial button").nth(place).click()
    expect(operator.page.locator(".trial-good")).to_be_visible()
    expect(operator.page.locator(".trial-bad")).to_be_visible()
    operator.picture(f"sources-{name}")
    unfinished = Pull.objects.get(finished_at=None)
    operator.go(f"/admin/usage/pull/{unfinished.pk}/change/")
    expect(operator.page.locator("progress")).to_be_visible()
    operator.picture(f"pull-progress-{name}")


def before() -> object:
    return HISTORY.today.replace(day=1) - timedelta(days=1)
