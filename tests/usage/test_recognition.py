"""Rows that were read before are known again by their bytes, and by nothing less."""

import contextlib
import io
from unittest import mock

import pytest

from tests.factories import SYSTEM, Row, import_bytes, make_cluster, sacct
from tests.usage.loading import load
from usage import services
from usage.models import Cluster, ImportRun, Job
from usage.normalise import normalise_cells
from usage.raw import raw_row
from usage.services import prepare_import, run_import
from usage.sources import lines

pytestmark = pytest.mark.django_db

ROWS = [Row(number) for number in range(1, 31)]
LAST = 1
"""The last row of a piece of input is read: what comes next may belong to it."""


def interpreted(cluster: Cluster, content: bytes) -> tuple[int, ImportRun]:
    """How many rows an import interprets, and its run."""
    with mock.patch("usage.sources.sacct.normalise_cells", wraps=normalise_cells) as normalise:
        run = load(cluster, content)
    assert run.rows_read == run.jobs + run.steps + run.quarantined
    return normalise.call_count, run


def test_unchanged_rows_are_not_interpreted_again() -> None:
    cluster = make_cluster()
    load(cluster, sacct(*ROWS))
    changed = Row(7, tres="cpu=8,mem=8192M,node=1")
    count, run = interpreted(cluster, sacct(*ROWS[:6], changed, *ROWS[7:], Row(99)))
    # Before one changes, all are looked over for rows that contradict each other.
    assert run.status == "complete"
    assert (run.jobs_new, run.jobs_changed, run.jobs_unchanged) == (1, 1, 29)
    assert count == 2 + 31 + 2
    count, run = interpreted(cluster, sacct(changed, Row(99)))
    assert (count, run.jobs_unchanged) == (LAST, 2)
    assert Job.objects.get(job_id=7).cpu_seconds == 8 * 3600


@pytest.mark.parametrize("block", [80, 1000, 1 << 18])
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_an_import_that_breaks_off_amid_known_rows_goes_on_after_what_it_counted(
    batch: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "CHUNK", block)
    cluster, known = make_cluster(), [Row(number) for number in range(1, 121)]
    load(cluster, sacct(*known))
    bad, changed = Row(50, extra={"ElapsedRaw": "-5"}), Row(7, tres="cpu=8,mem=8192M,node=1")
    content = sacct(*known[:6], changed, *known[7:49], bad, *known[50:], Row(200), Row(201))
    monkeypatch.setattr(services, "BATCH_ROWS", batch)
    run = prepare_import(
        cluster=cluster, stream=io.BytesIO(content), origin="test.psv", actor=SYSTEM
    )
    progress = mock.Mock(side_effect=InterruptedError)
    while run.status != "incomplete":
        with contextlib.suppress(InterruptedError):
            run = run_import(run_id=run.pk, actor=SYSTEM, progress=progress)
    assert progress.call_count > 1, "it broke off after each batch"
    assert (run.rows_read, run.jobs_unchanged, run.jobs_changed) == (122, 118, 1)
    assert (run.jobs_new, run.quarantined, Job.objects.count()) == (2, 1, 122)
    assert raw_row(Job.objects.get(job_id=201)) == Row(201).text()


def test_another_way_of_reading_is_another_row() -> None:
    cluster = make_cluster()
    load(cluster, sacct(*ROWS))
    other = [line.rpartition("|")[0] for line in sacct(*ROWS).decode().splitlines()]
    count, run = interpreted(cluster, ("\n".join(other) + "\n").encode())
    assert (count, run.jobs_unchanged) == (30, 30)


def test_what_an_incomplete_import_left_is_confirmed_and_then_recognised() -> None:
    cluster = make_cluster()
    assert import_bytes(cluster, sacct(*ROWS)[:-9]).run.status == "incomplete"
    count, run = interpreted(cluster, sacct(*reversed(ROWS)))
    assert (count, run.jobs_new, run.jobs_unchanged) == (30, 1, 29)
    job = Job.objects.get(job_id=1)
    assert (job.run, raw_row(job)) == (run, ROWS[0].text())
    count, run = interpreted(cluster, sacct(*ROWS[1:]))
    assert (count, run.status) == (LAST, "complete")


def test_steps_and_bad_rows_are_read_each_time() -> None:
    cluster = make_cluster()
    step = "|".join(["1.batch", "1.batch", *Row(1).text().split("|")[2:]])
    bad = Row(2, extra={"ElapsedRaw": "-5"})
    content = sacct(Row(1), step, bad)
    load(cluster, content)
    assert Job.objects.get().raw_digest is not None
    count, run = interpreted(cluster, content + sacct(Row(3)).split(b"\n", 1)[1])
    assert (run.jobs_new, run.jobs_unchanged, run.steps, run.quarantined) == (1, 1, 1, 1)
    # The first import was incomplete, so its job is read in full to be confirmed.
    assert count == 4
