"""Drop folders: order, unfinished files, bad files, and nights that cost nothing."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from core.actor import Actor
from hpcbilling.pulls import due, folders, running
from tests.hpcbilling.test_import_usage import RECORDING
from tests.nights import pull_cluster
from usage import evidence
from usage.models import Cluster, Evidence, ImportRun, Job, Pull, Source
from usage.selectors import IS_FREE, IS_HELD
from usage.services import create_cluster, prepare_import
from usage.sources.base import SourceFailed
from usage.sources.drop_folder import DropFolder

pytestmark = pytest.mark.django_db
BEAT = Actor.system("beat")


@pytest.fixture
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.DROP_FOLDER_ROOT = tmp_path
    (tmp_path / "demo").mkdir()
    return tmp_path / "demo"


@pytest.fixture
def cluster(folder: Path) -> Cluster:
    cluster = create_cluster(name="demo", time_zone="UTC", actor=BEAT)
    Source.objects.create(cluster=cluster, kind="folder", place="demo")
    return cluster


def tomorrow(cluster: Cluster) -> None:
    """Let a night pass: each visit so far was a day earlier."""
    for pull in Pull.objects.filter(cluster=cluster).order_by("slot"):
        Pull.objects.filter(pk=pull.pk).update(slot=pull.slot - timedelta(days=1))


def visit(cluster: Cluster) -> Pull:
    pull = pull_cluster(cluster, BEAT)
    assert pull is not None
    return pull


def halves() -> tuple[bytes, bytes]:
    header, *rows = RECORDING.read_bytes().splitlines(keepends=True)
    return header + b"".join(rows[:30]), header + b"".join(rows[30:])


def test_files_are_read_by_name_and_unfinished_ones_are_left(
    cluster: Cluster, folder: Path
) -> None:
    first, second = halves()
    (folder / "2026-11-02.psv").write_bytes(second)
    (folder / "2026-11-01.psv").write_bytes(first)
    (folder / "2026-11-03.psv.part").write_bytes(first)
    (folder / ".hidden").write_bytes(first)
    (folder / "link.psv").symlink_to(RECORDING)
    (folder / "old").mkdir()
    dropped = DropFolder(folder.parent, folder.name).names()
    assert dropped == ["2026-11-01.psv", "2026-11-02.psv"]
    pull = visit(cluster)
    assert (pull.files, pull.error) == (2, "")
    assert pull.finished_at is not None
    origins = list(ImportRun.objects.order_by("pk").values_list("origin", flat=True))
    assert origins == ["2026-11-01.psv", "2026-11-02.psv"]
    assert Job.objects.count() == 78
    assert len(list(folder.iterdir())) == 6


def test_a_second_call_in_the_same_night_does_nothing(cluster: Cluster, folder: Path) -> None:
    visit(cluster)
    (folder / "late.psv").write_bytes(RECORDING.read_bytes())
    assert pull_cluster(cluster, BEAT) is None
    assert not ImportRun.objects.exists()
    tomorrow(cluster)
    assert visit(cluster).files == 1
    assert Pull.objects.count() == 2


def test_a_file_that_did_not_change_is_only_looked_at(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.psv").write_bytes(RECORDING.read_bytes())
    visit(cluster)
    tomorrow(cluster)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("nothing is stored or rated")

    monkeypatch.setattr(evidence, "store", refuse)
    monkeypatch.setattr(folders, "finish_import", refuse)
    assert visit(cluster).files == 1
    assert ImportRun.objects.count() == Evidence.objects.count() == 1


def test_a_file_that_grew_is_read_again_and_only_its_new_jobs_count(
    cluster: Cluster, folder: Path
) -> None:
    (folder / "a.psv").write_bytes(halves()[0])
    visit(cluster)
    tomorrow(cluster)
    (folder / "a.psv").write_bytes(RECORDING.read_bytes())
    visit(cluster)
    first, second = ImportRun.objects.order_by("pk")
    assert second.jobs_unchanged == first.jobs_new
    assert second.jobs_new + second.jobs_unchanged == Job.objects.count() == 78


def test_a_bad_file_is_noted_each_night_kept_and_stops_no_other(
    cluster: Cluster, folder: Path
) -> None:
    (folder / "a-letter.txt").write_text("Dear Sir\n")
    (folder / "b-cut.psv").write_bytes(RECORDING.read_bytes()[:9000])
    (folder / "c.psv").write_bytes(halves()[1])
    pull = visit(cluster)
    letter, cut = pull.error.splitlines()
    assert letter.startswith("a-letter.txt: The first line has no column names.")
    assert cut == "b-cut.psv: incomplete; its jobs wait for a release"
    assert Job.objects.filter(IS_FREE).exists()
    assert (folder / "a-letter.txt").exists()
    runs = ImportRun.objects.count()
    tomorrow(cluster)
    assert visit(cluster).error == pull.error
    assert ImportRun.objects.count() == runs


def test_a_whole_file_later_ends_the_wait(cluster: Cluster, folder: Path) -> None:
    (folder / "cut.psv").write_bytes(RECORDING.read_bytes()[:9000])
    visit(cluster)
    tomorrow(cluster)
    (folder / "whole.psv").write_bytes(RECORDING.read_bytes())
    visit(cluster)
    assert not Job.objects.filter(IS_HELD).exists()
    tomorrow(cluster)
    assert visit(cluster).error == ""


def test_a_file_that_vanished_is_noted(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DropFolder, "names", lambda folder: ["gone.psv"])
    assert visit(cluster).error == "gone.psv can't be read: No such file or directory."


@pytest.mark.parametrize("place", ["linked", "a/linked", "a/./linked/deeper"])
def test_a_linked_folder_is_not_read(cluster: Cluster, folder: Path, place: str) -> None:
    private = folder.parent / "private"
    (private / "deeper").mkdir(parents=True)
    for path in (private, private / "deeper"):
        (path / "secret.psv").write_bytes(RECORDING.read_bytes())
    (folder.parent / "a").mkdir()
    for path in (folder.parent, folder.parent / "a"):
        (path / "linked").symlink_to(private)
    Source.objects.update(place=place)
    pull = visit(cluster)
    assert (pull.files, Job.objects.count()) == (0, 0)
    assert "is no folder below the drop folder" in pull.error


@pytest.mark.parametrize("place", ["../private", "/etc", "demo/../../private", ".ssh", "é", ""])
def test_a_place_elsewhere_is_refused_though_it_is_entered_around_the_form(
    cluster: Cluster, folder: Path, place: str
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Source.objects.update(place=place)
    with pytest.raises(SourceFailed, match="no path below"):
        DropFolder(folder.parent, place)


def test_a_file_or_folder_that_becomes_a_link_meanwhile_is_not_read(folder: Path) -> None:
    (folder / "a.psv").write_bytes(RECORDING.read_bytes())
    dropped = DropFolder(folder.parent, folder.name)
    assert dropped.names() == ["a.psv"]
    (folder / "a.psv").unlink()
    (folder / "a.psv").symlink_to(RECORDING)
    with pytest.raises(SourceFailed, match="can't be read"), dropped.open("a.psv"):
        pass
    for name in ("", "../demo/a.psv", ".hidden", "old/a.psv"):
        with pytest.raises(SourceFailed, match="no name"), dropped.open(name):
            pass
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.psv").write_bytes(RECORDING.read_bytes())
    folder.rename(folder.parent / "away")
    folder.symlink_to(elsewhere)
    with pytest.raises(SourceFailed, match="no folder below"), dropped.open("a.psv"):
        pass


def test_a_night_whose_worker_died_is_taken_up_again(cluster: Cluster, folder: Path) -> None:
    (folder / "a.psv").write_bytes(RECORDING.read_bytes())
    pull = Pull.objects.create(cluster=cluster, slot=timezone.localdate())
    assert due.resume_pulls() == [pull]
    assert not running.advance(pull_id=pull.pk, actor=BEAT)
    assert Pull.objects.get().files == 1
    assert Job.objects.count() == 78
    assert due.resume_pulls() == []


def test_an_upload_that_waits_for_its_confirmation_is_left_to_its_person(
    cluster: Cluster, folder: Path
) -> None:
    content = RECORDING.read_bytes()
    upload = prepare_import(
        cluster=cluster, stream=io.BytesIO(content), origin="upload.psv", actor=BEAT
    )
    (folder / "other.psv").write_bytes(halves()[0])
    assert visit(cluster).error == ""
    upload.refresh_from_db()
    assert upload.status == ImportRun.Status.PREPARED
    # The same content, put into the folder too, needs nobody's word; the upload then has none left.
    (folder / "same.psv").write_bytes(content)
    tomorrow(cluster)
    visit(cluster)
    upload.refresh_from_db()
    assert upload.status == ImportRun.Status.PREPARED
    assert ImportRun.objects.get(origin="same.psv").status == ImportRun.Status.COMPLETE
    assert Job.objects.count() == 78


def test_a_disabled_cluster_is_left_alone(cluster: Cluster, folder: Path) -> None:
    cluster.is_enabled = False
    cluster.save()
    assert pull_cluster(cluster, BEAT) is None
    assert not Pull.objects.exists()


def command(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("pull", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
    return 0, out.getvalue(), err.getvalue()


def test_a_person_pulls_at_any_time_and_is_told_what_came(cluster: Cluster, folder: Path) -> None:
    visit(cluster)
    (folder / "a.psv").write_bytes(RECORDING.read_bytes())
    code, said, _ = command("demo")
    assert code == 0
    assert "demo: 1 files, 1 new imports" in said
    assert "a.psv: 78 rows = 78 jobs (78 new" in said
    assert list(Pull.objects.order_by("pk").values_list("kind", flat=True)) == ["nightly", "manual"]
    code, said, _ = command("--all")
    assert "demo: 1 files, 0 new imports" in said
    (folder / "b.psv").touch()
    code, _, complaint = command("--all")
    assert code == 1
    assert "b.psv: The file is empty" in complaint


def test_wrong_use_of_pull(cluster: Cluster) -> None:
    assert command("nowhere")[0] == 2
    cluster.sources.update(is_enabled=False)
    assert command("demo")[0] == 2
    cluster.sources.update(is_enabled=True)
    Cluster.objects.filter(pk=cluster.pk).update(is_enabled=False)
    code, _, complaint = command("demo")
    assert (code, complaint) == (2, "The cluster “demo” is disabled.")
