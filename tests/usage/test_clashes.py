"""Jobs that an input has twice with different values: a forged row, or files put together."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from core.actor import Actor
from hpcbilling.workflows import finish_import, release_and_rate, resume_imports
from pricing.models import Charge
from tests.factories import (
    COLUMNS,
    SYSTEM,
    Row,
    import_bytes,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    sacct,
)
from tests.usage.loading import load
from usage import clashes, services
from usage.models import ImportRun, Job, QuarantinedRow
from usage.previews import preview_stream
from usage.quarantine import dismiss
from usage.quarantine_states import open_rows
from usage.services import prepare_import, run_import

pytestmark = pytest.mark.django_db

FORGED = Row(
    2, user="alice", seconds=7200, extra={"Submit": str(int(Row(2).end.timestamp()) - 3660)}
)

ASKED_AT = datetime(2026, 11, 1, tzinfo=UTC)


def adds_up(run: ImportRun) -> bool:
    return run.rows_read == run.jobs + run.steps + run.quarantined


@pytest.fixture(params=[1, 2, 20_000])
def batch_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(services, "BATCH_ROWS", request.param)
    return int(request.param)


def test_a_name_that_holds_a_row_of_a_job_in_the_input_bills_nobody(batch_rows: int) -> None:
    make_project("genomics")
    cluster = make_cluster()
    run = import_rows(cluster, Row(2), Row(3), Row(4, name="x\n" + FORGED.text()), Row(5)).run
    assert (run.status, run.quarantined, run.rows_read) == ("incomplete", 1, 5)
    assert adds_up(run)
    row = QuarantinedRow.objects.get()
    assert (row.reason, row.line, row.raw) == ("identity_clash", 5, FORGED.text())
    assert not Charge.objects.exists()


def test_a_forged_row_does_not_change_a_job_that_was_known(batch_rows: int) -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(2))
    charges = Charge.objects.count()
    run = import_rows(cluster, Row(2), Row(4, name="x\n" + FORGED.text())).run
    assert (run.status, run.quarantined, run.jobs_changed) == ("incomplete", 1, 0)
    assert adds_up(run)
    assert Charge.objects.count() == charges
    assert open_rows().get().reason == "identity_clash"


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_nor_in_the_answer_of_a_source_whose_other_rows_are_recognised(
    batch_rows: int, running: bool, is_first: bool
) -> None:
    make_project("genomics")
    cluster = make_cluster()
    real = replace(FORGED, state="RUNNING") if running else Row(2)
    load(cluster, sacct(Row(1), real, Row(3)), as_of=ASKED_AT)
    rows = (Row(4, name="x\n" + FORGED.text()), real)
    content = sacct(Row(1), *(rows if is_first else reversed(rows)), Row(3))
    run = load(cluster, content, as_of=ASKED_AT, batch=batch_rows)
    assert (run.status, run.quarantined, run.jobs_changed) == ("incomplete", 1, int(is_first))
    assert adds_up(run)
    assert open_rows().get().raw == (real if is_first else FORGED).text()


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 100])
def test_a_forged_row_with_steps_does_not_change_a_job_that_was_known(batch: int) -> None:
    """A job comes behind its steps: its line is less than theirs."""

    def with_steps(*rows: Row) -> bytes:
        lines = ["|".join([*COLUMNS, "TotalCPU"])]
        for row in rows:
            *cells, name = row.text().split("|")
            step = [f"{row.job_id}.batch", f"{row.job_id}.batch", *cells[2:], name]
            lines += ["|".join([*cells, name, "00:00"]), "|".join([*step, "01:00"])]
        return ("\n".join(lines) + "\n").encode()

    cluster, known = make_cluster(), [Row(number) for number in (1, 2, 3)]
    load(cluster, with_steps(*known))
    run = load(cluster, with_steps(*known, FORGED, Row(4), FORGED), batch=batch)
    assert (run.status, run.quarantined, run.jobs_changed) == ("incomplete", 2, 0)
    assert adds_up(run)
    assert Job.objects.get(job_id=2).elapsed_seconds == 3600


def test_a_dismissed_forged_row_is_never_what_its_job_says(batch_rows: int) -> None:
    """Night after night: the real row may be recognised by its bytes, and the forged one not."""
    make_project("genomics")
    cluster, clerk = make_cluster(), Actor.of(make_user("clerk"))
    cheaper = Row(2, tres="cpu=1,mem=1M,node=1")
    forged = Row(4, name="x\n" + cheaper.text())
    run = import_rows(cluster, Row(2), forged).run
    dismiss(row_ids=[open_rows().get().pk], actor=clerk, reason="forged")
    release_and_rate(run_id=run.pk, actor=clerk, reason="the forged row is dismissed")
    assert Job.objects.get(job_id=2).cpu_seconds == 4 * 3600
    for other in (7, 8):
        night = import_rows(cluster, Row(2), forged, Row(other)).run
        assert (night.status, night.quarantined) == ("released", 1)
        assert adds_up(night)
        assert Job.objects.get(job_id=2).cpu_seconds == 4 * 3600


def test_the_same_row_twice_is_no_contradiction(batch_rows: int) -> None:
    make_project("genomics")
    run = import_rows(make_cluster(), Row(2), Row(3), Row(2)).run
    assert (run.status, run.jobs_new, run.jobs_unchanged) == ("complete", 2, 1)


def test_a_change_that_stands_once_is_a_change(batch_rows: int) -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(1), Row(2))
    run = import_rows(cluster, Row(1), Row(2, tres="cpu=8,mem=8192M,node=1")).run
    assert (run.status, run.jobs_changed) == ("complete", 1)


def test_an_importer_that_died_looks_for_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "BATCH_ROWS", 1)
    cluster = make_cluster()
    import_rows(cluster, Row(2))

    def die(*_args: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(services, "_finish", die)
        with pytest.raises(KeyboardInterrupt):
            import_rows(cluster, Row(2), Row(4, name="x\n" + FORGED.text()))
    run = ImportRun.objects.latest("pk")
    assert (run.status, run.quarantined) == ("running", 1)
    assert resume_imports(actor=SYSTEM) == 1
    run = finish_import(run_id=run.pk, actor=SYSTEM).run
    assert (run.status, run.quarantined) == ("incomplete", 1)
    assert adds_up(run)


def test_an_import_that_is_gone_on_with_still_knows_what_it_had_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second row says what the job says already; but the first one had said something else."""
    monkeypatch.setattr(services, "BATCH_ROWS", 1)
    cluster, older = make_cluster(), Row(2, tres="cpu=1,mem=1M,node=1")
    load(cluster, sacct(Row(2)), as_of=ASKED_AT)
    run = prepare_import(
        cluster=cluster,
        stream=BytesIO(sacct(older, Row(3), Row(2))),
        origin="a file",
        actor=SYSTEM,
        as_of=ASKED_AT - timedelta(days=1),
    )
    while run.status != "incomplete":
        with suppress(InterruptedError):
            run = run_import(run_id=run.pk, actor=SYSTEM, progress=interrupt)
        assert run.status != "complete"
    assert (run.jobs_older, run.jobs_new, run.quarantined) == (1, 1, 1)
    assert adds_up(run)


def interrupt(_run: ImportRun) -> None:
    raise InterruptedError


def test_a_preview_tells_of_them_too() -> None:
    content = sacct(Row(2), Row(4, name="x\n" + FORGED.text()))
    found = preview_stream(cluster=make_cluster(), stream=BytesIO(content))
    assert (found.tally.quarantined, found.whole) == (1, False)
    assert found.bad[0].reason == "identity_clash"


def bare(*rows: Row) -> bytes:
    """An input without JobName, in which nobody can have written."""
    lines = sacct(*rows).decode().splitlines()
    return ("\n".join(line.rsplit("|", 1)[0] for line in lines) + "\n").encode()


def test_contradictions_without_free_text_do_not_take_turns(batch_rows: int) -> None:
    make_project("genomics")
    cluster, clerk = make_cluster(), Actor.of(make_user("clerk"))
    first, second = Row(2), Row(2, tres="cpu=1,mem=1M,node=1")
    run = import_bytes(cluster, bare(first, second)).run
    dismiss(row_ids=[open_rows().get().pk], actor=clerk, reason="double")
    release_and_rate(run_id=run.pk, actor=clerk, reason="the second row is dismissed")
    for other in (5, 6, 7):
        night = import_bytes(cluster, bare(first, second, second, Row(other))).run
        assert night.quarantined == 2
        assert adds_up(night)
        assert Job.objects.get(job_id=2).cpu_seconds == 4 * 3600


def test_a_forged_end_does_not_end_a_job_that_runs(batch_rows: int) -> None:
    make_project("genomics")
    cluster = make_cluster()
    running = replace(FORGED, state="RUNNING")
    import_rows(cluster, running)
    run = import_rows(cluster, running, Row(4, name="x\n" + FORGED.text()), Row(5)).run
    assert (run.status, run.quarantined, run.jobs_changed) == ("incomplete", 1, 0)
    assert adds_up(run)
    assert Job.objects.get(job_id=2).end is None


def test_a_real_row_that_is_recognised_after_a_forged_one_is_told(batch_rows: int) -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(2))
    run = import_rows(cluster, Row(4, name="x\n" + FORGED.text()), Row(2), Row(5)).run
    assert (run.status, run.quarantined) == ("incomplete", 1)
    assert adds_up(run)
    assert QuarantinedRow.objects.get().raw == Row(2).text()


def test_however_many_contradict_all_are_found_in_constant_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Written down a few at a time, and looked up a few at a time."""
    monkeypatch.setattr(services, "BATCH_ROWS", 50)
    monkeypatch.setattr(clashes, "SHARE", 30)
    cluster = make_cluster()
    first = [Row(number) for number in range(1, 1201)]
    cheap = [replace(row, tres="cpu=1,mem=1M,node=1") for row in first]
    import_rows(cluster, *first)
    run = import_bytes(cluster, bare(*first, *cheap)).run
    assert (run.quarantined, run.jobs_changed, run.jobs_unchanged) == (1200, 0, 1200)
    assert adds_up(run)
    assert set(Job.objects.values_list("cpu_seconds", flat=True)) == {4 * 3600}
