"""Splitting an answer into its records: exact places, bounded memory, nothing half read."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.usage.sources.recordings import SHAPES, answer, job, parsed, recorded
from usage.reasons import FileRefused
from usage.sources.json_records import CHUNK, check, records


class Slowly:
    """A stream that gives a few bytes at a time, and makes them up as they are asked for."""

    def __init__(self, pieces: Iterator[bytes], step: int = CHUNK) -> None:
        self._pieces = pieces
        self._left = b""
        self._step = step

    def read(self, size: int = -1, /) -> bytes:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        block, self._left = self._left[: self._step], self._left[self._step :]
        return block


def refusal(data: bytes) -> str:
    with pytest.raises(FileRefused) as caught:
        check(io.BytesIO(data))
    return caught.value.code


@pytest.mark.parametrize("shape", SHAPES)
def test_the_places_of_recorded_jobs_are_exact(shape: str) -> None:
    data = recorded(SHAPES[shape])
    found = list(records(io.BytesIO(data)))
    assert [each.value["job_id"] for each in found] == [
        each["job_id"] for each in json.loads(data)["jobs"]
    ]
    for each in found:
        assert data[each.offset : each.offset + len(each.raw)] == each.raw
        assert json.loads(each.raw)["job_id"] == each.value["job_id"]
    assert check(io.BytesIO(data)).records == len(found)


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=8),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=20),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=5).filter(lambda k: k != "step"), inner)
                ),
                max_leaves=8,
            ),
            max_size=5,
        ).filter(lambda found: "step" not in found),
        max_size=6,
    ),
    st.integers(1, 40),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_any_jobs_in_any_pieces(
    jobs: list[dict[str, object]], step: int, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps({"meta": {}, "jobs": jobs}, indent=indent, ensure_ascii=ascii_only)
    data = text.encode("utf-8", "surrogatepass")
    found = list(records(Slowly(iter([data]), step)))
    assert check(Slowly(iter([data]), step)).records == len(jobs)
    assert [data[each.offset :][: len(each.raw)] for each in found] == [e.raw for e in found]
    whole = [each.value for each in found if not (each.faults or each.bad_utf8)]
    assert whole == [value for value, each in zip(jobs, found, strict=True)
                     if not (each.faults or each.bad_utf8)]  # fmt: skip


def test_utf8_is_read_and_bad_utf8_is_replaced_and_flagged() -> None:
    good, bad = answer(job(name="ฝึก")), answer(job(name="xx")).replace(b"xx", b"\xff\xfe")
    (row,) = parsed(json.dumps(json.loads(good), ensure_ascii=False).encode())
    assert row.job
    assert (row.job.name, row.job.flags) == ("ฝึก", ())
    (row,) = parsed(bad)
    assert row.job
    assert (row.job.name, row.job.flags) == ("\ufffd\ufffd", ("name_bad_utf8",))
    assert "\\xff\\xfe" in row.raw


def test_a_byte_order_mark_is_accepted() -> None:
    assert [row.kind for row in parsed(b"\xef\xbb\xbf" + answer(job()))] == ["job"]


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "-" + "9" * 5000, "1" * 21]
)
def test_a_number_that_nothing_can_hold_makes_its_record_bad(number: str) -> None:
    data = answer(job(), job(job_id=7777), job()).replace(b"7777", number.encode())
    rows = parsed(data)
    assert [(row.kind, row.reason) for row in rows] == [("job", ""), ("bad", "value"), ("job", "")]
    assert number in rows[1].raw


def test_a_strange_number_anywhere_in_a_record_counts() -> None:
    data = answer(job(priority={"set": True, "number": 555})).replace(b"555", b"NaN")
    assert [row.reason for row in parsed(data)] == ["value"]


@pytest.mark.parametrize("cut", range(1, 60))
def test_every_cut_is_a_refusal(cut: int) -> None:
    data = answer(job(), job(name="ฝ"))
    assert refusal(data[: len(data) * cut // 60]) in ("json_cut", "not_json")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", "not_json"),
        (b"[]", "not_json"),
        (b'{"jobs": {}}', "not_json"),
        (b'{"jobs": null}', "not_json"),
        (b'{"jobs": [1]}', "not_json"),
        (b'{"jobs": [null]}', "not_json"),
        (b'{"jobs": [[]]}', "not_json"),
        (b'{"jobs": [{}]} and more', "not_json"),
        (b'{"jobs": [{}],}', "not_json"),
        (b'{"jobs": [{},]}', "not_json"),
        (b'{"jobs": [{"a": 01}]}', "json_cut"),
        (b'{"jobs": [{"a": "\n"}]}', "json_cut"),
        (b"{'jobs': []}", "not_json"),
        (b"{}", "no_jobs"),
        (b'{"meta": {}, "errors": []}', "no_jobs"),
        (b'{"statistics": {}}', "no_jobs"),
        (b'{"jobs": [{"a": 1, "a": 2}]}', "duplicate_key"),
        (b'{"jobs": [{"a": {"b": [{"c": 1, "c": 1}]}}]}', "duplicate_key"),
        (b'{"jobs": [], "jobs": [{}]}', "duplicate_key"),
        (b'{"jobs": [], "meta": {"x": 1, "x": 1}}', "duplicate_key"),
        (b'{"jobs": [{"a": ' + b"[" * 200_000, "nested"),
        (b'{"meta": ' + b'{"a":' * 200_000, "nested"),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes, code: str) -> None:
    assert refusal(data) == code


def test_errors_behind_the_jobs_refuse_all_of_them() -> None:
    error = {"description": "Failed to open slurmdbd connection", "error_number": 7000}
    with pytest.raises(FileRefused) as caught:
        parsed(answer(job(), errors=[error]))
    assert caught.value.code == "answer_errors"
    assert "7000 Failed to open slurmdbd connection" in str(caught.value)


def test_errors_of_any_shape_are_errors() -> None:
    shapes: tuple[Any, ...] = (
        ["bad"],
        [{}],
        {"error": "x"},
        "failed",
        [None],
        [{"error_number": "9003x"}],
    )
    for errors in shapes:
        assert refusal(answer(job(), errors=errors)) == "answer_errors"


def test_nothing_found_is_no_error() -> None:
    for version in ("22.05", "25.05"):
        envelope = check(io.BytesIO(recorded(f"{version}/rest-db-jobs-empty.json.zst")))
        assert (envelope.records, envelope.failures) == (0, [])
    with pytest.raises(FileRefused) as caught:
        parsed(recorded("22.05/rest-db-jobs-empty.json.zst"))
    assert caught.value.code == "no_rows"


def test_memory_does_not_grow_with_the_answer() -> None:
    one = json.dumps(job(steps=[{"step": {"id": "0"}, "x": "y" * 500}] * 4)).encode()

    def pieces(count: int) -> Iterator[bytes]:
        yield b'{"jobs": ['
        for number in range(count):
            yield (b"," if number else b"") + one
        yield b'], "errors": []}'

    peaks = []
    for count in (100, 1000):
        tracemalloc.start()
        assert check(Slowly(pieces(count))).records == count
        assert sum(1 for _ in records(Slowly(pieces(count)))) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 4 << 20


def test_a_record_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usage.sources.json_records.MAX_RECORD_BYTES", 2 << 20)

    def pieces() -> Iterator[bytes]:
        yield b'{"jobs": [{"a": "'
        while True:
            yield b"x" * CHUNK

    with pytest.raises(FileRefused) as caught:
        check(Slowly(pieces()))
    assert caught.value.code == "record_too_long"
    assert str(2 << 20) in str(caught.value)
