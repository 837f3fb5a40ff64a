"""Inputs that are another cluster's, or in another zone: never billed here, never billed twice."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.models import AuditEvent
from core.errors import Conflict
from hpcbilling.workflows import Imported, import_usage
from pricing.models import Charge
from tests.factories import COLUMNS, SYSTEM, Row, import_rows, make_cluster, make_project, sacct
from usage import belonging
from usage.models import Cluster, Job, QuarantinedRow
from usage.previews import preview_run, preview_stream
from usage.services import prepare_import

pytestmark = pytest.mark.django_db


def of_clusters(*rows: tuple[str, Row]) -> bytes:
    """A file with a column that names the cluster of each row."""
    lines = ["|".join(("Cluster", *COLUMNS)), *(f"{name}|{row.text()}" for name, row in rows)]
    return ("\n".join(lines) + "\n").encode()


def local(row: Row) -> Row:
    """The row with times of the clock on the wall, without a zone."""
    start = row.end.timestamp() - row.seconds
    shown = {"Submit": start - 60, "Start": start, "End": row.end.timestamp()}
    texts = {
        name: datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        for name, moment in shown.items()
    }
    return Row(row.job_id, extra=texts)


def load(cluster: Cluster, content: bytes, **options: Any) -> Imported:
    return import_usage(
        cluster=cluster, stream=io.BytesIO(content), origin="f.psv", actor=SYSTEM, **options
    )


def test_rows_of_another_cluster_are_quarantined_with_the_reason() -> None:
    make_project("genomics")
    cluster = make_cluster("alpha")
    content = of_clusters(("ALPHA", Row(1)), ("beta", Row(2)), ("alpha", Row(3)))
    run = load(cluster, content).run
    assert (run.status, run.jobs, run.quarantined, run.rows_read) == ("incomplete", 2, 1, 3)
    row = QuarantinedRow.objects.get()
    assert (row.reason, row.detail, row.line) == ("other_cluster", "beta", 3)
    assert row.explanation not in ("", row.reason)


def test_a_cluster_is_known_by_its_name_in_slurm() -> None:
    cluster = make_cluster("bought-2026")
    Cluster.objects.update(slurm_name="alpha")
    cluster.refresh_from_db()
    assert load(cluster, of_clusters(("alpha", Row(1)))).run.status == "complete"
    own = load(cluster, of_clusters(("bought-2026", Row(2)))).run
    assert (own.status, own.error_code, own.rows_read) == ("failed", "other_cluster", 0)


def test_an_input_of_another_cluster_is_refused_with_a_clear_message() -> None:
    alpha = make_cluster("alpha")
    make_cluster("beta")
    content = of_clusters(("beta", Row(1)), ("beta", Row(2)))
    run = load(alpha, content).run
    assert (run.status, run.error_code, run.rows_read) == ("failed", "other_cluster", 0)
    assert "beta" in run.error
    assert "alpha" in run.error
    assert run.explanation not in ("", run.error_code)
    assert not Job.objects.exists()
    assert not QuarantinedRow.objects.exists()
    assert "which is beta here" in run.error
    assert "--slurm-name beta" in run.error
    # Refused for one cluster, it is still free for the right one.
    assert load(Cluster.objects.get(name="beta"), content).run.status == "complete"


def test_the_first_input_of_a_cluster_says_what_slurm_calls_it() -> None:
    cluster = make_cluster("alpha")
    content = of_clusters(("linux", Row(1)), ("linux", Row(2)))
    prepared = prepare_import(
        cluster=cluster, stream=io.BytesIO(content), origin="f.psv", actor=SYSTEM
    )
    assert preview_run(run_id=prepared.pk).tally.jobs_new == 2
    assert preview_stream(cluster=cluster, stream=io.BytesIO(content)).tally.jobs_new == 2
    assert load(cluster, content).run.status == "complete"
    cluster.refresh_from_db()
    assert (cluster.name, cluster.slurm_name) == ("alpha", "linux")
    event = AuditEvent.objects.filter(action="cluster.changed").get()
    assert '"slurm_name":["","linux"]' in event.payload
    other = load(cluster, of_clusters(("windows", Row(3)))).run
    assert (other.status, other.error_code) == ("failed", "other_cluster")


def test_several_clusters_in_a_first_input_name_nobody() -> None:
    cluster = make_cluster("alpha")
    run = load(cluster, of_clusters(("beta", Row(1)), ("gamma", Row(2)))).run
    assert (run.status, run.error_code) == ("failed", "other_cluster")
    cluster.refresh_from_db()
    assert cluster.slurm_name == ""


def test_our_rows_are_found_far_behind_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belonging, "HELD_ROWS", 3)
    cluster = make_cluster("alpha")
    others = [("beta", Row(number)) for number in range(1, 8)]
    run = load(cluster, of_clusters(*others, ("alpha", Row(9)))).run
    assert (run.status, run.jobs, run.quarantined) == ("incomplete", 1, 7)
    nothing = load(cluster, of_clusters(*others)).run
    assert (nothing.status, nothing.rows_read) == ("failed", 0)
    assert (
        "beta" in preview_stream(cluster=cluster, stream=io.BytesIO(of_clusters(*others[:2]))).error
    )


def test_an_overlapping_file_in_another_zone_is_refused_once_there_are_jobs() -> None:
    make_project("genomics")
    cluster = make_cluster()
    load(cluster, sacct(local(Row(1)), local(Row(2))))
    overlapping = sacct(local(Row(2)), local(Row(3)))
    run = load(cluster, overlapping, time_zone="Asia/Bangkok").run
    assert (run.status, run.error_code, run.rows_read) == ("failed", "time_zone", 0)
    assert run.explanation not in ("", run.error_code)
    assert (Job.objects.count(), Charge.objects.count()) == (2, 4)
    assert load(cluster, overlapping).run.jobs_new == 1


def test_times_that_need_no_zone_are_read_in_any() -> None:
    cluster = make_cluster()
    import_rows(cluster, Row(1))
    epochs = load(cluster, sacct(Row(1), Row(2)), time_zone="Asia/Bangkok").run
    assert (epochs.status, epochs.jobs_new, epochs.jobs_unchanged) == ("complete", 1, 1)
    offset = local(Row(3))
    offset = Row(3, extra={name: f"{text}+00:00" for name, text in offset.extra.items()})
    run = load(cluster, sacct(Row(1), Row(2), offset), time_zone="Asia/Bangkok").run
    assert (run.status, run.jobs_new) == ("complete", 1)
    mixed = load(cluster, sacct(Row(1), local(Row(4))), time_zone="Asia/Bangkok").run
    assert (mixed.status, mixed.jobs_unchanged, mixed.quarantined) == ("incomplete", 1, 1)
    assert QuarantinedRow.objects.get().reason == "time_zone"


def test_the_first_input_of_a_cluster_says_which_zone_it_keeps() -> None:
    cluster = make_cluster()
    run = load(cluster, sacct(local(Row(1))), time_zone="Asia/Bangkok").run
    assert run.status == "complete"
    cluster.refresh_from_db()
    assert cluster.time_zone == "Asia/Bangkok"
    # The same times without a word about their zone are the same jobs.
    again = load(cluster, sacct(local(Row(1)), local(Row(2)))).run
    assert (again.jobs_unchanged, again.jobs_new) == (1, 1)


def test_the_same_content_for_another_cluster_stays_refused() -> None:
    content = sacct(Row(1))
    load(make_cluster("alpha"), content)
    with pytest.raises(Conflict, match="billed twice"):
        load(make_cluster("beta"), content)
