"""Whole files: headers, refusals, and what a column list may look like."""

import io
from collections.abc import Iterator

import pytest

from tests.usage.sacct_rows import COLUMNS, GOOD, NOW, read, read_all, row, table
from usage.reasons import FileRefused
from usage.sources.sacct import SacctReader


def refused(data: bytes, **options: object) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read(data, **options)
    return caught.value


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b" \r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (table([]), "no_rows"),
        (table([]) + b"\n\n", "no_rows"),
        (table([]).rstrip(b"\n"), "no_rows"),
        (table([row()], header=False), "no_header"),
        (b"sacct: error: Problem talking to the database\n", "no_header"),
        (b"\x00\x01\x02", "no_header"),
        (b'{"jobs": []}\n', "no_header"),
        (table([row()], delimiter=","), "wrong_delimiter"),
        (table([row()], delimiter=";"), "wrong_delimiter"),
        (table([row()], delimiter="\t"), "wrong_delimiter"),
        (table([row()], delimiter="\x1f"), "wrong_delimiter"),
        (b"       JobID    Account      State     Submit \n------- --- ---\n", "wrong_delimiter"),
        (table([row()], (*COLUMNS, "JobName")), "duplicate_column"),
        (table([row()]).replace(b"QOS", b"jobname"), "duplicate_column"),
        (table([row()]).decode().encode("utf-16"), "encoding"),
    ],
)
def test_refused_files(data: bytes, code: str) -> None:
    error = refused(data)
    assert error.code == code
    assert len(str(error)) > 20


def test_the_delimiter_found_is_named() -> None:
    assert "a tab" in str(refused(table([row()], delimiter="\t")))
    assert "a vertical bar" in str(refused(table([row()]), delimiter=","))


def test_missing_columns_are_named_with_a_command_that_has_them() -> None:
    kept = tuple(name for name in COLUMNS if name not in ("Submit", "ElapsedRaw", "AllocTRES"))
    error = refused(table([row()], tuple(name for name in kept if name != "ReqTRES")))
    assert error.code == "missing_columns"
    assert "Submit, ElapsedRaw or Elapsed, AllocTRES or ReqTRES." in str(error)
    assert "--duplicates" in str(error)
    command_columns = str(error).split("--format=")[1].split(",")
    assert read(table([row()], command_columns))[0].kind == "job"


@pytest.mark.parametrize(
    "column", ["User", "Account", "State", "Start", "End", "Submit", "ElapsedRaw"]
)
def test_each_needed_column_is_needed(column: str) -> None:
    columns = [name for name in COLUMNS if name != column]
    assert refused(table([row()], columns)).code == "missing_columns"
    assert refused(table([row()], columns, header=False), columns=columns).code == "missing_columns"


def test_only_what_is_needed() -> None:
    columns = (
        "JobIDRaw",
        "User",
        "Account",
        "State",
        "Submit",
        "Start",
        "End",
        "Elapsed",
        "AllocTRES",
    )
    found = read(table([row(Elapsed="01:00:00")], columns))[0].job
    assert found is not None
    assert found.cpu_seconds == 4 * 3600
    optional = ("partition", "qos", "suspended", "node_list", "name", "req_tres", "reservation")
    assert found.absent == optional


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title, lambda name: f" {name} "])
def test_column_names_in_any_case(change: object) -> None:
    header = "|".join(change(name) for name in COLUMNS)  # type: ignore[operator]
    data = f"{header}\n".encode() + table([row()], header=False)
    reader, rows = read_all(data)
    assert reader.columns == COLUMNS
    assert rows[0].job == read(table([row()]))[0].job


def test_columns_in_any_order_and_unknown_ones_beside() -> None:
    columns = ("SiteColumn", *reversed(COLUMNS), "ExitCode")
    rows = read(table([row(SiteColumn="x", ExitCode="0:0")], columns))
    assert rows[0].job == read(table([row()]))[0].job
    assert rows[0].raw.startswith("x|train|")
    assert rows[0].raw.endswith("|1001|0:0")


def test_parsable_with_a_delimiter_at_the_end() -> None:
    data = table([row(), row(JobName="a|b", JobIDRaw="7", JobID="7")], end="|\n")
    rows = read(data)
    assert [parsed.job.name for parsed in rows if parsed.job] == ["train", "a|b"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("header", [True, False])
def test_bom_and_crlf_are_accepted(end: str, bom: bytes, header: bool) -> None:
    data = bom + table([row(), row(JobIDRaw="7", JobID="7")], end=end, header=header)
    rows = read(data, columns=None if header else COLUMNS)
    assert [parsed.kind for parsed in rows] == ["job", "job"]
    assert rows[0].job == read(table([row()]))[0].job
    assert rows[0].line == (2 if header else 1)


def test_columns_given_for_a_file_without_header() -> None:
    names = [name.lower() for name in COLUMNS]
    reader, rows = read_all(table([row()], header=False), columns=names)
    assert reader.columns == COLUMNS
    assert [parsed.kind for parsed in rows] == ["job"]
    assert read(table([row()], header=False), columns=[*names[:-1], "JobName%30"])[0].job


def test_columns_given_and_the_same_header() -> None:
    assert [parsed.kind for parsed in read(table([row()]), columns=COLUMNS)] == ["job"]


def test_columns_given_and_another_header() -> None:
    data = table([row()], tuple(reversed(COLUMNS)))
    assert refused(data, columns=COLUMNS).code == "header_mismatch"


def test_columns_given_and_the_wrong_delimiter() -> None:
    plain = row(AllocTRES="cpu=1", ReqTRES="cpu=1")
    for delimiter in (",", ";", "\t", "\x1f"):
        data = table([plain], header=False, delimiter=delimiter)
        assert refused(data, columns=COLUMNS).code == "wrong_delimiter"
    assert refused(table([plain], delimiter=","), columns=COLUMNS).code == "wrong_delimiter"
    assert read(table([plain], delimiter=";"), columns=COLUMNS, delimiter=";")[0].kind == "job"


def test_columns_given_twice() -> None:
    assert refused(b"x\n", columns=["JobID", "jobid"]).code == "duplicate_column"


def test_a_file_object_and_pieces_of_any_size_read_alike() -> None:
    data = table([row(JobIDRaw=str(number), JobID=str(number)) for number in range(1, 300)])
    whole = read(data)
    assert list(SacctReader(io.BytesIO(data), now=NOW)) == whole
    for size in (1, 7, 1000):
        pieces = (data[start : start + size] for start in range(0, len(data), size))
        assert list(SacctReader(pieces, now=NOW)) == whole
    assert len(whole) == 299


class Endless:
    """A line that never ends; remembers how much of it was taken."""

    def __init__(self, head: bytes) -> None:
        self.taken = 0
        self.head = head

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        while True:
            self.taken += 1 << 16
            yield b"x" * (1 << 16)


@pytest.mark.parametrize("head", [b"", table([row()]), table([row()]) + b"1002|1002|"])
def test_an_endless_line_is_not_read_to_its_end(head: bytes) -> None:
    stream = Endless(head)
    with pytest.raises(FileRefused) as caught:
        list(SacctReader(stream, now=NOW))
    assert caught.value.code == "line_too_long"
    assert f"Line {head.count(10) + 1} " in str(caught.value)
    assert stream.taken <= (1 << 20) + (1 << 18)


def test_the_limit_of_a_line_is_kept_within_one_piece() -> None:
    data = table([row(), row(JobName="x" * 5000)])
    assert refused(data, max_line_bytes=4096).code == "line_too_long"
    assert len(read(data, max_line_bytes=8192)) == 2


def test_blank_lines_say_nothing() -> None:
    one, two = table([row()], header=False), table([row(JobIDRaw="7", JobID="7")], header=False)
    reader, rows = read_all(b"\n\n" + table([]) + b"\n" + one + b"\n\r\n" + two + b"\n")
    assert [parsed.kind for parsed in rows] == ["job", "job"]
    assert [parsed.line for parsed in rows] == [5, 8]
    assert not reader.truncated


@pytest.mark.parametrize(
    ("cut", "kinds", "truncated"),
    [
        (0, ["job", "job"], False),
        # Only the newline is gone, or part of the name: all that is billed is there.
        (1, ["job", "job"], True),
        (3, ["job", "job"], True),
        (len("train\n") + 1, ["job", "bad"], True),
        (len("train\n") + 30, ["job", "bad"], True),
        (100, ["job", "bad"], True),
    ],
)
def test_a_truncated_last_line(cut: int, kinds: list[str], truncated: bool) -> None:
    data = table([row(), row(JobIDRaw="7", JobID="7")])
    reader, rows = read_all(data[: len(data) - cut])
    assert [parsed.kind for parsed in rows] == kinds
    assert reader.truncated is truncated
    if "bad" in kinds:
        assert rows[-1].reason == "truncated"


def test_every_cut_of_a_file_is_noticed() -> None:
    data = table([row(), row(JobIDRaw="7", JobID="7", JobName="second")])
    start = len(table([row()])) + 1
    for size in range(start, len(data)):
        reader, rows = read_all(data[:size])
        assert reader.truncated
        assert len(rows) == 2
        assert rows[0].kind == "job"


def test_a_cut_in_the_last_column_that_is_billed() -> None:
    columns = (*(name for name in COLUMNS if name not in {"AllocTRES", "Reservation"}), "AllocTRES")
    data = table([row(), row(JobIDRaw="7", JobID="7")], columns)
    reader, rows = read_all(data[:-1])
    assert (rows[-1].kind, rows[-1].reason) == ("bad", "truncated")
    assert reader.truncated


def test_a_cut_that_kept_its_newline() -> None:
    reader, rows = read_all(table([row()]) + b"7|7|malee|pi_suda|cpu|normal|COMPL\n")
    assert (rows[-1].kind, rows[-1].reason) == ("bad", "truncated")
    assert reader.truncated


def test_the_source_of_the_good_row_is_good() -> None:
    assert [parsed.kind for parsed in read(table([GOOD]))] == ["job"]
