"""Files in the drop folder whose names state the local days that they hold."""

import gzip
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from core.intervals import Interval
from tests.usage.sacct_rows import GOOD, NOW, table
from tests.usage.sources.packing import zstd
from tests.usage.sources.recordings import answer, job
from usage.sources.base import Fetched, SourceFailed, WindowTooLarge
from usage.sources.folder import Folder

TABLE = table([GOOD])
BANGKOK = ZoneInfo("Asia/Bangkok")
FIRST = "sacct_2026-11-01_2026-11-02.psv"


def hours(first: int, last: int) -> Interval:
    """So many hours after the first of November, UTC."""
    begin = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    return Interval(
        datetime.fromtimestamp(begin + first * 3600, UTC),
        datetime.fromtimestamp(begin + last * 3600, UTC),
    )


DAY = hours(0, 24)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "alpha").mkdir()
    return tmp_path


def put(root: Path, name: str, content: bytes = TABLE, written: datetime = NOW) -> Path:
    path = root / "alpha" / name
    path.write_bytes(content)
    os.utime(path, (written.timestamp(), written.timestamp()))
    return path


def fetch(
    root: Path, window: Interval = DAY, zone: str = "UTC", place: str = "alpha"
) -> tuple[Fetched, bytes]:
    with tempfile.TemporaryFile() as into:
        fetched = Folder(root, place, zone=ZoneInfo(zone)).fetch(window, into)
        into.seek(0)
        return fetched, into.read()


def failure(root: Path, window: Interval = DAY) -> SourceFailed:
    with pytest.raises(SourceFailed) as caught:
        fetch(root, window)
    return caught.value


def test_the_file_of_the_day_is_given_as_it_lies_there(root: Path) -> None:
    packed = zstd.compress(TABLE)
    put(root, FIRST + ".zst", packed)
    put(root, "sacct_2026-11-02_2026-11-03.psv")
    fetched, content = fetch(root)
    assert fetched == Fetched(f"folder alpha/{FIRST}.zst")
    assert content == packed


def test_days_are_the_clusters(root: Path) -> None:
    put(root, FIRST)
    assert fetch(root, hours(-7, 17), zone="Asia/Bangkok")[0].time_zone == "Asia/Bangkok"
    with pytest.raises(SourceFailed):
        fetch(root, DAY, zone="Asia/Bangkok")


def test_a_part_of_a_day_is_in_the_days_file(root: Path) -> None:
    put(root, FIRST)
    assert fetch(root, hours(3, 4))[1] == TABLE


def test_of_several_files_the_one_that_holds_least_is_taken(root: Path) -> None:
    put(root, "sacct_2026-10-01_2026-12-01.psv", table([GOOD, GOOD]))
    put(root, FIRST)
    assert fetch(root)[1] == TABLE
    assert fetch(root, hours(0, 48))[1] == table([GOOD, GOOD])


def test_days_in_several_files_are_asked_for_one_by_one(root: Path) -> None:
    put(root, FIRST)
    put(root, "sacct_2026-11-02_2026-11-03.psv")
    assert isinstance(failure(root, hours(0, 48)), WindowTooLarge)
    put(root, "sacct_2026-11-05_2026-11-06.psv")
    other = failure(root, hours(72, 96))
    assert (other.code, isinstance(other, WindowTooLarge)) == ("no_file", False)


def test_two_files_of_the_same_days_are_a_question(root: Path) -> None:
    put(root, FIRST)
    put(root, FIRST + ".gz", gzip.compress(TABLE))
    found = failure(root)
    assert found.code == "several_files"
    assert FIRST + ".gz" in found.message


@pytest.mark.parametrize(
    "name",
    [
        "sacct_2026-11-01_2026-11-02.psv.part", "sacct_2026-11-01_2026-11-02.tmp",
        ".sacct_2026-11-01_2026-11-02.psv", "sacct_2026-11-01.psv", "2026-11-01_2026-11-02.psv",
        "sacct_2026-11-02_2026-11-01.psv", "sacct_2026-11-01_2026-11-01.psv",
        "sacct_2026-13-01_2026-13-02.psv", "sacct_2026-11-01_2026-11-02.a.b.c.d",
        "sacct_0001-01-01_9999-12-31.psv.part", "sacct_٢٠٢٦-11-01_2026-11-02.psv",
    ],
)  # fmt: skip
def test_names_that_state_no_days(root: Path, name: str) -> None:
    put(root, name)
    assert failure(root).code == "no_file"


def test_any_name_and_suffix_before_and_after_the_days(root: Path) -> None:
    put(root, "alpha.rest-v0.0.41_2026-11-01_2026-11-02.json.gz", gzip.compress(answer(job())))
    assert fetch(root)[0].label.endswith(".json.gz")


def test_links_and_pipes_are_not_followed(root: Path) -> None:
    secret = root / "secret"
    secret.write_bytes(TABLE)
    (root / "alpha" / FIRST).symlink_to(secret)
    assert failure(root).code == "no_file"
    (root / "alpha" / FIRST).unlink()
    os.mkfifo(root / "alpha" / FIRST)
    assert failure(root).code == "no_file"


def test_a_file_from_before_the_days_were_over_is_no_answer(root: Path) -> None:
    put(root, FIRST, written=datetime(2026, 11, 1, 23, 59, tzinfo=UTC))
    assert failure(root).code == "bad_file"
    put(root, FIRST, written=datetime(2026, 11, 2, tzinfo=UTC))
    assert fetch(root)[1] == TABLE


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", TABLE[:-1], TABLE[:-30], table([]), table([GOOD], header=False),
        gzip.compress(TABLE)[:-9], b"<html>", b"PK\x03\x04", answer(job())[:-9],
        answer(job(), errors=["failed"]), b"{}", gzip.compress(answer(job(), errors=[{}])),
    ],
)  # fmt: skip
def test_files_that_are_not_whole(root: Path, content: bytes) -> None:
    put(root, FIRST, content)
    assert failure(root).code == "bad_file"


def test_an_empty_day_is_known_from_json_alone(root: Path) -> None:
    put(root, FIRST, answer())
    assert fetch(root)[0].empty


def test_no_folder(root: Path) -> None:
    with pytest.raises(SourceFailed, match="no_file"):
        fetch(root, place="beta")


@pytest.mark.parametrize("place", ["", "..", "../alpha", "/etc", "alpha/../..", ".ssh", "a\nb"])
def test_places_outside_the_drop_folder(root: Path, place: str) -> None:
    with pytest.raises(SourceFailed, match="connection"):
        fetch(root, place=place)
