"""Plain, gzip or zstd, table or JSON: told by what is inside, and refused where it is damaged."""

import gzip
import hashlib
import io
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import BinaryIO

import pytest

from tests.usage.sacct_rows import GOOD, NOW, row, table
from tests.usage.sources.packing import zstd
from tests.usage.sources.recordings import answer, job, jobs_of, parsed
from usage.reasons import FileRefused
from usage.sources import unpacking
from usage.sources.formats import JsonReader, content_digest, is_bare, open_reader
from usage.sources.sacct import SacctReader
from usage.sources.unpacking import unpacked

Pack = Callable[[bytes], bytes]
PACKERS: dict[str, Pack] = {"gzip": gzip.compress, "zstd": zstd.compress}
# With a checksum, as the zstd command writes it.
CHECKED = PACKERS | {
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})
}
FORMS = {"table": table([GOOD, row(JobIDRaw="1002")]), "json": answer(job(), job(job_id=1002))}


def digest(data: bytes) -> str:
    return content_digest(io.BytesIO(data), hashlib.sha256(data).hexdigest())


def refusal(data: bytes) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        unpacked(io.BytesIO(data)).read()
    return caught.value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packer", PACKERS)
def test_packed_input_is_the_input(form: str, packer: str) -> None:
    data = FORMS[form]
    packed = PACKERS[packer](data)
    assert parsed(packed) == parsed(data)
    assert len(jobs_of(parsed(packed))) == 2


def test_the_same_two_jobs_in_both_forms() -> None:
    text, rest = (jobs_of(parsed(FORMS[form])) for form in ("table", "json"))
    assert {key: job.fingerprint for key, job in text.items()} == {
        key: job.fingerprint for key, job in rest.items()
    }


@pytest.mark.parametrize("packer", PACKERS)
def test_several_packed_pieces_follow_one_another(packer: str) -> None:
    pack = PACKERS[packer]
    assert unpacked(io.BytesIO(pack(b"one,") + pack(b"") + pack(b"two"))).read() == b"one,two"


def test_zeros_after_gzip_are_padding() -> None:
    assert unpacked(io.BytesIO(gzip.compress(b"x") + b"\0" * 9999)).read() == b"x"


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("lost", [1, 4, 30])
def test_a_cut_stream_is_refused(packer: str, lost: int) -> None:
    packed = PACKERS[packer](bytes(range(256)) * 500)
    assert refusal(packed[:-lost]).code == "compression"


@pytest.mark.parametrize("packer", PACKERS)
def test_a_damaged_stream_is_refused(packer: str) -> None:
    packed = bytearray(CHECKED[packer](hashlib.sha256(b"x").digest() * 3000))
    packed[len(packed) // 2] ^= 0xFF
    assert refusal(bytes(packed)).code == "compression"


def test_what_follows_a_packed_stream_must_be_packed() -> None:
    for pack in PACKERS.values():
        assert refusal(pack(b"x" * 50) + b"1001|somchai").code == "compression"


@pytest.mark.parametrize("start", [b"BZh91AY&SY", b"\xfd7zXZ\0\0", b"PK\x03\x04\x14\0"])
def test_other_archives_are_named(start: bytes) -> None:
    assert "Only gzip and zstd" in str(refusal(start + b"x" * 50))


def test_a_window_larger_than_memory_is_refused() -> None:
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 28})
    # Written on the way, so that the frame can't know how little there is.
    packed = packer.compress(b"x" * 100_000, mode=packer.FLUSH_BLOCK) + packer.flush()
    assert "memory" in str(refusal(packed))


def zeros_in_gzip(size: int) -> bytes:
    packer, block = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def exhaust(stream: BinaryIO) -> int:
    return sum(iter(lambda: len(stream.read(1 << 16)), 0))


def test_a_bomb_is_given_up_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "BOMB_FROM_BYTES", 16 << 20)
    bomb = zeros_in_gzip(64 << 20)
    tracemalloc.start()
    with pytest.raises(FileRefused, match="That is no accounting") as caught:
        exhaust(unpacked(io.BytesIO(bomb)))
    assert caught.value.code == "compression"
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_what_unpacks_to_more_than_anything_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 1 << 20)
    assert exhaust(unpacked(io.BytesIO(zeros_in_gzip(1 << 20)))) == 1 << 20
    with pytest.raises(FileRefused):
        exhaust(unpacked(io.BytesIO(zeros_in_gzip(2 << 20))))


def test_accounting_of_the_size_of_a_bomb_is_read() -> None:
    line = b"1001|somchai|" + hashlib.sha512(b"1").hexdigest().encode() + b"\n"
    packed = gzip.compress(b"".join(line[:-1] + b"%d\n" % n for n in range(40_000)), 1)
    assert len(unpacked(io.BytesIO(packed)).read()) == sum(
        len(line) + len(str(n)) for n in range(40_000)
    )


def test_pieces_of_any_size_are_a_stream() -> None:
    data = gzip.compress(FORMS["table"])
    reader = open_reader((data[i : i + 3] for i in range(0, len(data), 3)), now=NOW)
    assert [each.kind for each in reader] == ["job", "job"]
    assert unpacked([]).read() == b""


def test_the_form_is_told_by_the_first_character() -> None:
    assert isinstance(open_reader([FORMS["json"]], now=NOW), JsonReader)
    assert isinstance(open_reader([b"\n\n  " + FORMS["json"]], now=NOW), JsonReader)
    assert isinstance(open_reader([FORMS["table"]], now=NOW), SacctReader)


def test_a_web_page_is_named() -> None:
    with pytest.raises(FileRefused) as caught:
        open_reader([b"\n<!DOCTYPE html><html>"], now=NOW)
    assert caught.value.code == "web_page"


def test_a_table_may_come_without_header() -> None:
    data = table([GOOD], header=False)
    (found,) = open_reader([gzip.compress(data)], columns=list(GOOD), now=NOW)
    assert found.job


@pytest.mark.parametrize("form", FORMS)
def test_content_has_one_digest_whatever_it_is_wrapped_in(form: str) -> None:
    data = FORMS[form]
    assert digest(gzip.compress(data)) == digest(zstd.compress(data)) == digest(data)


def test_digest_of_a_table_is_that_of_its_text() -> None:
    assert digest(FORMS["table"]) == hashlib.sha256(FORMS["table"]).hexdigest()


def test_digest_of_json_leaves_out_what_differs_at_each_call() -> None:
    first = answer(job(), meta={"client": {"source": "localhost:1(fd:9)"}})
    second = answer(job(), meta={"client": {"source": "localhost:2(fd:7)"}}, warnings=["x"])
    assert digest(first) == digest(second)
    assert digest(first) != digest(answer(job(job_id=2)))
    assert digest(answer(job(), job(job_id=2))) != digest(answer(job(job_id=2), job()))
    record = json.dumps(job(), separators=(",", ":"))
    compact = f'{{"jobs":[{record}]}}'.encode()
    assert digest(compact) == hashlib.sha256(record.encode() + b"\n").hexdigest()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        answer(),
        answer(job(), errors=["failed"]),
        answer(job())[:-20],
        gzip.compress(FORMS["table"])[:-5],
        b"<html>",
        b"PK\x03\x04 zipped",
    ],
)
def test_digest_of_what_is_refused_is_that_of_its_bytes(data: bytes) -> None:
    assert digest(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \n" * 300, b" " * 2000])
def test_what_seems_bare_has_the_digest_of_its_bytes(form: bytes, before: bytes) -> None:
    data = before + form
    assert not is_bare(gzip.compress(data))
    assert is_bare(data) == (form is FORMS["table"] or len(before) == 2000)
    if is_bare(data):
        assert digest(data) == hashlib.sha256(data).hexdigest()


def test_digest_begins_where_the_stream_stands() -> None:
    packed = gzip.compress(FORMS["table"])
    stream = io.BytesIO(b"skipped" + packed)
    stream.seek(len(b"skipped"))
    found = content_digest(stream, hashlib.sha256(packed).hexdigest())
    assert found == digest(FORMS["table"]) == hashlib.sha256(FORMS["table"]).hexdigest()
