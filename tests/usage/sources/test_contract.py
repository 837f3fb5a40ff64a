"""What every source keeps to, whichever it is: a window is given whole, or it is a failure."""

import errno
import gzip
import os
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import pytest

from core.intervals import Interval
from tests.usage.sacct_rows import NOW
from tests.usage.sources import fake_slurmrestd
from tests.usage.sources.certificates import Certificates, make_certificates
from tests.usage.sources.fake_sacct import FakeSacct
from tests.usage.sources.packing import zstd
from tests.usage.sources.recordings import jobs_of, recorded
from usage.connections import Connection, SacctConnection, SlurmrestdConnection, parse_connections
from usage.sources.base import Fetched, Source, SourceFailed, WindowTooLarge
from usage.sources.command import SacctCommand
from usage.sources.folder import Folder
from usage.sources.formats import open_reader
from usage.sources.slurmrestd import Slurmrestd

WINDOW = Interval(datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))
SECRET = "good"
JSON = recorded("25.05/sacct-X-D.json.zst")
EMPTY_JSON = recorded("25.05/rest-db-jobs-empty.json.zst")


def no_pause(seconds: float) -> None:
    """Tries follow at once."""


class Given:
    """A source under test, and how to bring its other side into each of the states it can be in."""

    def source(self, *, seconds: int = 30, max_bytes: int = 1 << 30) -> Source:
        """The source as configured."""
        raise NotImplementedError

    def holds_nothing(self) -> None:
        """There is no job in the window."""
        raise NotImplementedError

    def holds_much(self) -> None:
        """There are thousands of jobs in the window: at least eight megabytes of them."""
        raise NotImplementedError

    def knows_another_cluster(self) -> None:
        """The cluster that is asked for is not there."""
        raise NotImplementedError

    def is_cut(self) -> None:
        """What it says ends before its end."""
        raise NotImplementedError

    def is_gone(self) -> None:
        """It is not there at all."""
        raise NotImplementedError

    def is_slow(self) -> None:
        """It needs longer than there is time."""
        raise NotImplementedError

    def complains(self) -> None:
        """It gives jobs, and says that something went wrong."""
        raise NotImplementedError


class GivenSlurmrestd(Given):
    def __init__(
        self, stack: ExitStack, folder: Path, way: str, certificates: Certificates
    ) -> None:
        self.state = fake_slurmrestd.State(jobs=JSON)
        socket = folder / "s.sock" if way == "unix" else None
        tls = certificates.server_context() if way == "tls" else None
        url = stack.enter_context(fake_slurmrestd.running(self.state, socket=socket, tls=tls))
        self.token = folder / "token"
        self.token.write_text(SECRET)
        table = {"kind": "slurmrestd", "url": url, "user": "billing", "token_file": str(self.token)}
        if way == "tls":
            table |= certificates.client_settings()
        self.connection = parse_connections({"main": table})["main"]

    def source(self, *, seconds: int = 30, max_bytes: int = 1 << 30) -> Source:
        assert isinstance(self.connection, SlurmrestdConnection)
        connection = replace(self.connection, timeout_seconds=seconds)
        return Slurmrestd(connection, cluster="demo25", pause=no_pause, max_bytes=max_bytes)

    def holds_nothing(self) -> None:
        self.state.jobs = EMPTY_JSON

    def holds_much(self) -> None:
        self.state.jobs = MUCH_JSON

    def knows_another_cluster(self) -> None:
        self.state.clusters = ("other",)

    def is_cut(self) -> None:
        self.state.fault = fake_slurmrestd.cut_without_length

    def is_gone(self) -> None:
        self.connection = parse_connections(
            {
                "main": {
                    "kind": "slurmrestd",
                    "url": "unix:/nonexistent/s.sock",
                    "user": "billing",
                    "token_file": str(self.token),
                }
            }
        )["main"]

    def is_slow(self) -> None:
        self.state.fault = fake_slurmrestd.hang

    def complains(self) -> None:
        self.state.fault = fake_slurmrestd.errors(1234, "something went wrong")


class GivenSacct(Given):
    def __init__(self, folder: Path, wrapper: list[str]) -> None:
        self.fake = FakeSacct(folder)
        command = [*wrapper, str(self.fake.sacct)]
        self.connection: Connection = SacctConnection("main", command=tuple(command))

    def source(self, *, seconds: int = 30, max_bytes: int = 1 << 30) -> Source:
        assert isinstance(self.connection, SacctConnection)
        connection = replace(self.connection, timeout_seconds=seconds)
        return SacctCommand(connection, cluster="demo25", max_bytes=max_bytes)

    def holds_nothing(self) -> None:
        self.fake.tell(empty=True)

    def holds_much(self) -> None:
        self.fake.repeat(500)

    def knows_another_cluster(self) -> None:
        self.fake.tell(clusters=["other"])

    def is_cut(self) -> None:
        self.fake.tell(cut=7)

    def is_gone(self) -> None:
        self.connection = SacctConnection("main", command=("/nonexistent/sacct",))

    def is_slow(self) -> None:
        self.fake.tell(sleep=30)

    def complains(self) -> None:
        self.fake.tell(stderr="sacct: error: something went wrong\n")


class GivenFolder(Given):
    def __init__(self, folder: Path, suffix: str, content: bytes, nothing: bytes) -> None:
        self.root = folder
        self.suffix = suffix
        self.nothing = nothing
        self.content = content
        (folder / "demo").mkdir()
        self.put("2026-11-21_2026-11-22", content)

    def put(self, days: str, content: bytes) -> None:
        packers: dict[str, Callable[[bytes], bytes]] = {
            ".gz": gzip.compress,
            ".zst": zstd.compress,
        }
        for old in (self.root / "demo").iterdir():
            old.unlink()
        path = self.root / "demo" / f"sacct_{days}{self.suffix}"
        path.write_bytes(packers.get(path.suffix, bytes)(content))
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))

    def source(self, *, seconds: int = 30, max_bytes: int = 1 << 30) -> Source:
        return Folder(self.root, "demo", zone=ZoneInfo("UTC"), max_bytes=max_bytes)

    def holds_nothing(self) -> None:
        self.put("2026-11-21_2026-11-22", self.nothing)

    def holds_much(self) -> None:
        much = MUCH_JSON if self.content is JSON else MUCH_TABLE
        self.put("2026-11-21_2026-11-22", much)

    def knows_another_cluster(self) -> None:
        """Another cluster's file would lie in another folder."""
        self.is_gone()

    def is_cut(self) -> None:
        self.put("2026-11-21_2026-11-22", self.content[:-30])

    def is_gone(self) -> None:
        self.put("2026-11-23_2026-11-24", self.content)

    def is_slow(self) -> None:
        """The file of the day is not there yet, only that of a part of it."""
        self.is_gone()

    def complains(self) -> None:
        bad = JSON.replace(b'"errors": [\n  ]', b'"errors": [{"error_number": 1234}]')
        noisy = b"sacct: error: something went wrong\n" + self.content
        self.put("2026-11-21_2026-11-22", bad if b'"errors"' in self.content else noisy)


TABLE = recorded("25.05/sacct-X-D-epoch.psv")
_RECORDS = JSON[JSON.index(b"[") + 1 : JSON.rindex(b"]", 0, JSON.index(b'"meta"'))]
MUCH_JSON = b'{"jobs": [' + b",".join([_RECORDS] * 25) + b'], "errors": []}'
MUCH_TABLE = TABLE + TABLE.split(b"\n", 1)[1] * 400
ALL = (
    "slurmrestd over http", "slurmrestd over tls", "slurmrestd over a unix socket",
    "sacct here", "sacct through a wrapper", "folder of tables", "folder of packed JSON",
)  # fmt: skip


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=ALL)
def given(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Given]:
    with ExitStack() as stack:
        # Not pytest's own folder: the path of a unix socket must be short.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="src")))
        makers: dict[str, Callable[[], Given]] = {
            "slurmrestd over http": lambda: GivenSlurmrestd(stack, folder, "tcp", certificates),
            "slurmrestd over tls": lambda: GivenSlurmrestd(stack, folder, "tls", certificates),
            "slurmrestd over a unix socket": lambda: GivenSlurmrestd(
                stack, folder, "unix", certificates
            ),
            "sacct here": lambda: GivenSacct(folder, []),
            "sacct through a wrapper": lambda: GivenSacct(folder, ["nice", "-n", "1"]),
            "folder of tables": lambda: GivenFolder(folder, ".psv", TABLE, EMPTY_JSON),
            "folder of packed JSON": lambda: GivenFolder(folder, ".json.zst", JSON, EMPTY_JSON),
        }
        yield makers[request.param]()


@pytest.fixture
def into() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        yield file


def failure(source: Source, into: BinaryIO) -> SourceFailed:
    with pytest.raises(SourceFailed) as caught:
        source.fetch(WINDOW, into)
    return caught.value


def fingerprints(fetched: Fetched, into: BinaryIO) -> dict[int, set[str]]:
    into.seek(0)
    reader = open_reader(into, columns=fetched.columns, zone=ZoneInfo(fetched.time_zone), now=NOW)
    found: dict[int, set[str]] = {}
    rows = list(reader)
    assert [row.reason for row in rows if row.kind == "bad"] == []
    assert not reader.truncated
    for (job_id, _submit), job in jobs_of(rows).items():
        found.setdefault(job_id, set()).add(job.fingerprint)
    return found


def expected() -> dict[int, set[str]]:
    with tempfile.TemporaryFile() as file:
        file.write(JSON)
        return fingerprints(Fetched("expected"), file)


def test_the_same_window_holds_the_same_jobs_from_every_source(
    given: Given, into: BinaryIO
) -> None:
    source = given.source()
    fetched = source.fetch(WINDOW, into)
    assert not fetched.empty
    assert len(expected()) == 73
    assert fingerprints(fetched, into) == expected()
    assert fetched.label.startswith(source.kind)


def test_what_was_in_the_file_before_is_gone(given: Given, into: BinaryIO) -> None:
    source = given.source()
    into.write(b"left over" * 500_000)
    source.fetch(WINDOW, into)
    first = into.seek(0, 2)
    source.fetch(WINDOW, into)
    assert into.seek(0, 2) == first
    assert 0 < first < 4_500_000


def test_an_empty_window_is_an_answer(given: Given, into: BinaryIO) -> None:
    given.holds_nothing()
    assert given.source().fetch(WINDOW, into).empty


def test_a_cluster_that_is_not_there_is_no_empty_window(given: Given, into: BinaryIO) -> None:
    given.knows_another_cluster()
    assert failure(given.source(), into).code in ("unknown_cluster", "no_file")


def test_an_answer_that_is_cut_is_a_failure(given: Given, into: BinaryIO) -> None:
    given.is_cut()
    assert failure(given.source(), into).code in ("cut_off", "bad_file")


def test_a_source_that_is_not_there_is_a_failure(given: Given, into: BinaryIO) -> None:
    given.is_gone()
    assert failure(given.source(), into).code in ("unreachable", "not_started", "no_file")


def test_jobs_beside_a_complaint_are_not_taken(given: Given, into: BinaryIO) -> None:
    given.complains()
    assert failure(given.source(), into).code in ("error_answer", "stderr", "bad_file")


def test_one_that_takes_too_long_does_not_take_longer(given: Given, into: BinaryIO) -> None:
    given.is_slow()
    begun = datetime.now(UTC)
    found = failure(given.source(seconds=2), into)
    assert found.code in ("timeout", "no_file")
    assert isinstance(found, WindowTooLarge) == (found.code == "timeout")
    assert (datetime.now(UTC) - begun).total_seconds() < 15


def test_too_large_an_answer_asks_for_a_smaller_window(given: Given, into: BinaryIO) -> None:
    found = failure(given.source(max_bytes=5000), into)
    assert isinstance(found, WindowTooLarge)
    assert found.code == "too_large"
    assert into.seek(0, 2) <= 5000 + (1 << 17)


def test_after_a_failure_the_same_source_works_again(given: Given, into: BinaryIO) -> None:
    failure(given.source(max_bytes=5000), into)
    fetched = given.source().fetch(WINDOW, into)
    assert fingerprints(fetched, into) == expected()


def test_no_secret_is_told(given: Given, into: BinaryIO) -> None:
    for spoil in (given.is_cut, given.knows_another_cluster, given.is_gone):
        spoil()
        found = failure(given.source(), into)
        assert found.message
        assert found.code
        assert SECRET not in f"{found!r} {found}"


def test_memory_does_not_hold_the_answer(given: Given, into: BinaryIO) -> None:
    given.holds_much()
    source = given.source(seconds=120)
    tracemalloc.start()
    assert not source.fetch(WINDOW, into).empty
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 << 20


class FullDisk(BytesIO):
    """A file on a disk that is full."""

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_is_told_as_that(given: Given) -> None:
    assert failure(given.source(), FullDisk()).code == "storage"
