"""What a job asked for and really used, as its owner and a clerk see it; and the switch for it."""

from collections.abc import Callable
from io import BytesIO

import pytest

from core.actor import Actor
from tests.browser.conftest import Visitor
from tests.factories import OCTOBER, make_cluster, make_project, make_user, publish_prices
from tests.usage.test_reading_steps import with_steps
from usage.models import Job
from usage.services import prepare_import, run_import

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    def build() -> None:
        make_project("genomics", pi=make_user("alice"))
        make_user("root", groups=("finance", "operator"))
        publish_prices("mu", OCTOBER.start, cpu="0.5", mem="0.1")
        content = with_steps(1, 2).replace(b"|n1||", b"|n1|maintenance-2026-10|")
        content = content.replace(b"|0\n", b"|5400000\n")
        actor = Actor.system("test")
        run = prepare_import(
            cluster=make_cluster(), stream=BytesIO(content), origin="october.psv", actor=actor
        )
        run_import(run_id=run.pk, actor=actor)

    return build


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("th", 360)])
def test_used_figures_are_shown(visit: Callable[..., Visitor], language: str, width: int) -> None:
    name, job = f"used-{language}-{width}", Job.objects.get(job_id=2)
    alice = visit(language, width)
    alice.log_in("alice")
    alice.go(f"/usage/jobs/{job.pk}/")
    alice.picture(f"{name}-job")
    assert "maintenance-2026-10" in alice.page.content()
    clerk = visit(language, width)
    clerk.log_in("root", "/admin/")
    for page, path in (
        ("console", f"usage/job/{job.pk}/change/"),
        ("raw", f"usage/job/{job.pk}/raw"),
        ("cluster", f"usage/cluster/{job.cluster_id}/change/"),
        ("exemption", "usage/exemption/add/"),
    ):
        clerk.go(f"/admin/{path}")
        clerk.picture(f"{name}-{page}")
    clerk.go(f"/admin/usage/job/{job.pk}/raw")
    assert f"{job.job_id}.batch" in clerk.page.content()
