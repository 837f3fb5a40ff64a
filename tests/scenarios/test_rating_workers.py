"""However many workers rate, and however often they are asked, the charges are the same."""

from decimal import Decimal
from functools import partial

import pytest

from audit.models import AuditEvent
from audit.selectors import verify_chain
from hpcbilling import workflows
from hpcbilling.state_digest import Part, parts
from pricing import rating
from pricing.models import Charge, RatedRun
from pricing.selectors import jobs_to_rate
from tests import databases
from tests.databases import Database
from tests.pricing.lists import counters_add_up, flat, publish, slabs, split
from tests.racing import race
from tests.scenarios.conftest import (
    SITE,
    as_file,
    demo_cluster,
    longer,
    paying_projects,
    recorded_rows,
)
from usage.services import prepare_import, run_import

ROWS = 1200
BATCH = 40
RATED = ("ratings", "charges", "counters")


def bring_in() -> None:
    """Three imports without rating, the last of which changes jobs that the first one brought and
    that are charged already."""
    suda, niran, wichai = paying_projects()
    cpu = slabs("cpu", ("100", "2"), ("1000", "1", "50"), (None, "0.5"))
    publish(cpu, flat("mem", "0.1"), flat("gpu", "9"), tier="gov", minimum_per_job=Decimal(3))
    steps = slabs("cpu", ("50", "3"), (None, "2"), model="volume")
    publish(steps, flat("mem", "0.1", allowance=Decimal(10)), flat("gpu", "9"), tier="private")
    split(suda, (suda, "50"), (niran, "33.3333"), (wichai, "16.6667"))
    cluster, rows = demo_cluster(), recorded_rows(ROWS)
    changed = [longer(row, 60) for row in rows[: ROWS // 4]]
    for part in (rows[: ROWS // 2], rows[ROWS // 2 :], changed):
        run = prepare_import(cluster=cluster, stream=as_file(part), origin="x", actor=SITE)
        run_import(run_id=run.pk, actor=SITE)
        if not RatedRun.objects.exists():
            workflows.rate_pending(actor=SITE)


_CALM: dict[str, Part] = {}


@pytest.fixture
def by_one(committed_db: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, Part]:
    """What one worker makes of it; found out once. The database is left as the imports left it."""
    monkeypatch.setattr(rating, "BATCH_JOBS", BATCH)
    bring_in()
    if not _CALM:
        calm = f"{committed_db.name}_calm"
        databases.point_at(calm)
        databases.clone(calm, source=committed_db.name)
        workflows.rate_pending(actor=SITE)
        _CALM.update(parts())
        databases.point_at(committed_db.name)
        databases.drop(calm)
    return _CALM


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_share_the_jobs_and_make_the_same_charges(
    by_one: dict[str, Part], workers: int
) -> None:
    before = Charge.objects.count()

    def rate(times: int) -> int:
        return sum(workflows.rate_pending(actor=SITE).charges for _ in range(times))

    # Some are asked twice, as a queue may deliver.
    results = race(*(partial(rate, 1 + worker % 2) for worker in range(workers)))
    assert sum(map(int, results)) == Charge.objects.count() - before
    found = parts()
    assert {name: found[name] for name in RATED} == {name: by_one[name] for name in RATED}
    assert not jobs_to_rate().exists()
    assert RatedRun.objects.count() == 3
    assert verify_chain().broken is None
    assert counters_add_up() > 2
    told = AuditEvent.objects.filter(action="charges.made")
    assert sum(event.content["data"]["charges"] for event in told) == Charge.objects.count()
