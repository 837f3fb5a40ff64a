"""What would it cost? In figures and from a pasted script, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.factories import LONG_AGO, Row, import_rows, make_cluster, make_project, make_user
from tests.pricing.lists import flat, publish, slabs
from usage.models import Job

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]
SCRIPT = """#!/bin/bash
#SBATCH --job-name=train
#SBATCH --ntasks=4 --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --gres=gpu:a100:2
#SBATCH --array=0-9%2
#SBATCH --partition=gpu,long
module load cuda
srun python train.py
"""


def build() -> None:
    make_project("genomics", pi=make_user("alice"))
    cluster = make_cluster()
    publish(
        flat("cpu", "0.75"),
        flat("mem", "0.0125"),
        flat("gpu", "12"),
        slabs("gpu:a100", ("100", "30"), (None, "24")),
        at=LONG_AGO.replace(year=2022),
    )
    tres = "cpu=8,mem=64G,node=1,gres/gpu=2,gres/gpu:a100=2"
    import_rows(cluster, Row(1, seconds=200_000, tres=tres))


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("th", 360)])
def test_figures_and_scripts_are_priced(visit: Visit, language: str, width: int) -> None:
    alice = visit(language, width)
    page = alice.page
    alice.log_in("alice")
    alice.go("/estimate/?payer=project:genomics&cpus=8&memory_gb=64&gpus=2&gpu_type=a100&nodes=1"
             "&hours=12&jobs=10")  # fmt: skip
    # 960 × 0.75 + 7680 × 0.0125 + 100 × 30 + 140 × 24
    expect(page.locator("#result .big")).to_contain_text("7,176.00")
    alice.picture(f"estimate-{language}-{width}")
    alice.go("/estimate/?by=script")
    page.fill("textarea", SCRIPT)
    page.fill("input[name=hours]", "3")
    page.locator("main button.primary").click()
    expect(page.locator("#result")).to_contain_text("960")
    expect(page.locator("ul.plain li").filter(has_text="gpu")).not_to_have_count(0)
    alice.picture(f"estimate-script-{language}-{width}")


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("th", 360)])
def test_each_step_of_a_price_is_told(visit: Visit, language: str, width: int) -> None:
    alice = visit(language, width)
    alice.log_in("alice")
    alice.go(f"/usage/jobs/{Job.objects.get().pk}/why/")
    expect(alice.page.get_by_text("100 * 30 + ((")).to_be_visible()
    alice.picture(f"why-{language}-{width}")
