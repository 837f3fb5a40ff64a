"""What is odd about pulls is told in the reader's language, clusters that are one Slurm too."""

import io
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.utils import timezone, translation

from core.actor import Actor
from hpcbilling.pulls import running
from tests import console
from tests.factories import SYSTEM, Row, import_bytes, import_rows, make_cluster, make_user, sacct
from usage.models import Cluster, ImportRun, Pull, Source
from usage.pulls import plan_manual
from usage.quarantine import dismiss
from usage.quarantine_states import open_rows
from usage.remarks import _TELL, NO_FAULTS, Remark, has_faults, told
from usage.twins import twins_of

pytestmark = pytest.mark.django_db

REMARKS: list[Remark] = [
    {"code": "not_read", "start": "2026-11-01 00:00", "end": "2026-11-02 00:00", "error": "down"},
    {"code": "more_windows", "count": 3},
    {"code": "empty", "start": "2026-11-01 00:00", "end": "2026-11-02 00:00"},
    {"code": "held", "start": "2026-11-01 00:00", "end": "2026-11-02 00:00"},
    {"code": "folder", "place": "demo", "error": "gone"},
    {"code": "file", "name": "a.psv", "error": "gone"},
    {"code": "file_refused", "name": "a.psv", "refusal": "no_header", "error": "x"},
    {"code": "file_refused", "name": "a.psv", "refusal": "else", "error": "x"},
    {"code": "file_held", "name": "a.psv"},
    {"code": "file_older", "name": "a.psv", "jobs": 2},
    {"code": "same_slurm", "other": "beta", "slurm": "alpha", "jobs": 0},
    {"code": "same_slurm", "other": "beta", "slurm": "alpha", "jobs": 2},
    {"code": "text", "error": "as it was said"},
]
IN_ENGLISH_ALWAYS = {"text", "file", "folder"}


def test_each_code_is_told_in_both_languages() -> None:
    assert {str(remark["code"]) for remark in REMARKS} == set(_TELL)
    assert set(_TELL) > NO_FAULTS
    for remark in REMARKS:
        if remark["code"] in IN_ENGLISH_ALWAYS or remark.get("refusal") == "else":
            continue
        with translation.override("en"):
            english = told(remark)
        with translation.override("th"):
            assert told(remark) != english
    assert told({"code": "of tomorrow", "x": 1}) == "{'code': 'of tomorrow', 'x': 1}"


def test_a_pull_is_read_in_the_readers_language_whatever_the_workers(
    settings: LazySettings, tmp_path: Path
) -> None:
    settings.DROP_FOLDER_ROOT = tmp_path
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "cut.psv").write_bytes(sacct(Row(1), Row(2))[:-9])
    cluster = make_cluster()
    Source.objects.create(cluster=cluster, kind="folder", place="demo")
    with translation.override("th"):
        pull = running.run_pull(pull_id=plan_manual(cluster=cluster, actor=SYSTEM).pk, actor=SYSTEM)
    assert pull.remarks == [{"code": "file_held", "name": "cut.psv"}]
    assert pull.error == "cut.psv: incomplete; its jobs wait for a release"
    client = console.visitor("operator")
    page = console.url(Pull, "change", pull.pk)
    assert "incomplete; its jobs wait" in client.get(page).text
    thai = client.get(page, headers={"Accept-Language": "th"}).text
    assert "cut.psv" in thai
    assert "its jobs wait" not in thai


def test_a_release_by_an_earlier_dismissal_is_told_in_the_readers_language() -> None:
    cluster, clerk = make_cluster(), Actor.of(make_user("clerk"))
    bad = Row(2, extra={"ElapsedRaw": "-5"})
    import_rows(cluster, Row(1), bad)
    dismiss(row_ids=[open_rows().get().pk], actor=clerk, reason="ทดสอบ")
    run = import_rows(cluster, Row(1), bad, Row(3)).run
    run.refresh_from_db()
    assert (run.status, run.release_reason) == ("released", "ทดสอบ")
    assert run.released_by_decision is not None
    with translation.override("en"):
        assert run.why_released == "Dismissed before: ทดสอบ"
    with translation.override("th"):
        assert "Dismissed" not in run.why_released
    page = console.visitor("operator").get(console.url(ImportRun, "change", run.pk)).text
    assert "Dismissed before: ทดสอบ" in page


def other(name: str, slurm_name: str = "") -> Cluster:
    cluster = make_cluster(name)
    Cluster.objects.filter(pk=cluster.pk).update(slurm_name=slurm_name)
    cluster.refresh_from_db()
    return cluster


def warned(cluster: Cluster) -> str:
    """What the console, the command and the end of a pull say; they agree."""
    said = "\n".join(told(remark) for remark in twins_of(cluster))
    page = console.visitor("operator").get(console.url(Cluster, "change", cluster.pk)).text
    errors = io.StringIO()
    call_command("check_pulls", stdout=io.StringIO(), stderr=errors)
    pull = running.run_pull(pull_id=plan_manual(cluster=cluster, actor=SYSTEM).pk, actor=SYSTEM)
    for line in said.splitlines():
        assert line in page
        assert f"{cluster.name}: WARNING: {line}" in errors.getvalue()
        assert line in pull.error
    assert not has_faults(pull.remarks)
    if not said:
        assert "billed twice" not in page + errors.getvalue() + pull.error
    return said


def test_two_clusters_of_one_name_in_slurm_are_told() -> None:
    alpha, twin = make_cluster("alpha"), other("twin", "Alpha")
    assert warned(alpha) == (
        "The enabled cluster twin reads the same Slurm, “alpha”: billed twice?"
    )
    Cluster.objects.filter(pk=twin.pk).update(is_enabled=False)
    assert twins_of(alpha) == []
    twin.refresh_from_db()
    assert twins_of(twin) == []


def test_two_clusters_with_the_same_jobs_are_told() -> None:
    alpha, beta = make_cluster("alpha"), make_cluster("beta")
    import_rows(alpha, Row(1), Row(2), Row(3))
    import_bytes(beta, sacct(Row(2), Row(3), Row(4, user="bob")))
    assert warned(alpha).startswith("2 of the latest jobs are jobs of the enabled cluster beta")
    assert [remark["jobs"] for remark in twins_of(beta)] == [2]


def test_two_slurms_that_use_the_same_ids_are_not() -> None:
    alpha, beta = make_cluster("alpha"), make_cluster("beta")
    import_rows(alpha, Row(1), Row(2))
    later = Row(1).end.replace(hour=13)
    import_rows(beta, Row(1, user="bob"), Row(2, end=later))
    assert warned(alpha) == ""
    assert timezone.now() > later
