"""Rows that are out to be misread, each with its outcome: nothing lost, none read as another."""

from zoneinfo import ZoneInfo

import pytest

from tests.usage.sacct_rows import COLUMNS, GOOD, read, read_all, row, table
from usage.reasons import FileRefused
from usage.sources.sacct import Parsed

MIDDLE = ("JobIDRaw", "JobName", *(name for name in COLUMNS if name not in ("JobIDRaw", "JobName")))
EARLY_TEXT = ("JobIDRaw", "Comment", *COLUMNS[1:])


def outcome(data: bytes, **options: object) -> list[str]:
    return [parsed.reason or parsed.kind for parsed in read(data, **options)]


def neighbours(middle: dict[str, str]) -> list[dict[str, str]]:
    """A row between two good ones."""
    first = row(JobIDRaw="1", JobID="1", JobName="first", Comment="")
    return [first, middle, row(JobIDRaw="3", JobID="3", JobName="third", Comment="")]


def good(parsed: Parsed) -> bool:
    """Whether it was read as the good row, as far as that is billed."""
    expected = read(table([GOOD]))[0].job
    assert expected is not None
    return parsed.job is not None and parsed.job.fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    "name",
    [
        "a|b",
        "|",
        "a||b|||c",
        "a|2026-11-01T10:00:00|COMPLETED",
        "line1\nline2",
        "a\nb|c\n\nd",
        "\n",
        "tab\there `q`, \\back; 'sq'",
        "จำลองอากาศ ชุดที่ ๑",
        "🧬 DNA",
        "123.batch",
        "=cmd()",
        "<script>alert(1)</script>",
        "\u2028\u2029\x85\x0b\x0c",
        "a\rb",
        "x" * 5000,
        "",
    ],
)
def test_any_name_in_the_last_column(name: str) -> None:
    rows = read(table(neighbours(row(JobName=name))))
    assert [parsed.kind for parsed in rows] == ["job", "job", "job"]
    assert good(rows[1])
    assert rows[1].job is not None
    assert rows[1].job.name == name.strip("\n").replace("\n\n", "\n")
    assert [parsed.job.name for parsed in rows[::2] if parsed.job] == ["first", "third"]


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("a|b", ("delimiter_in_text",)),
        ("a|b|c|d", ("delimiter_in_text",)),
        ("line1\nline2", ("newline_in_text",)),
        ("somchai|pi_suda", ("delimiter_in_text",)),
    ],
)
@pytest.mark.parametrize("columns", [MIDDLE, (*COLUMNS, "ExitCode")])
def test_a_name_within_the_row_is_recovered(
    name: str, flags: tuple[str, ...], columns: tuple[str, ...]
) -> None:
    rows = read(
        table([each | {"ExitCode": "0:0"} for each in neighbours(row(JobName=name))], columns)
    )
    assert [parsed.kind for parsed in rows] == ["job", "job", "job"]
    assert good(rows[1])
    assert rows[1].job is not None
    assert (rows[1].job.name, rows[1].job.flags) == (name, flags)
    assert rows[1].raw.count("\n") == name.count("\n")


def test_a_name_that_completes_its_line_leaves_a_fragment() -> None:
    # Up to the line feed the row is whole; all that is billed stands before the name.
    rows = read(
        table(
            [each | {"ExitCode": "0:0"} for each in neighbours(row(JobName="a|b\nc"))],
            (*COLUMNS, "ExitCode"),
        )
    )
    assert [parsed.reason or parsed.kind for parsed in rows] == ["job", "job", "columns", "job"]
    assert good(rows[1])


def test_a_name_that_forges_the_rest_of_its_line_is_quarantined() -> None:
    # JobName stands before what is billed; this one holds a rest of the row, and a line feed.
    forged = row(User="malee", Account="pi_niran", JobName="x")
    name = "|".join(forged[column] for column in MIDDLE[1:]) + "\n"
    rows = read(table(neighbours(row(JobName=name)), MIDDLE))
    assert [parsed.reason or parsed.kind for parsed in rows] == ["job", "newline", "columns", "job"]


def test_two_free_texts_in_one_row() -> None:
    columns = ("JobIDRaw", "Comment", *COLUMNS[1:])
    rows = read(table(neighbours(row(Comment="12|34", JobName="a|b")), columns))
    assert good(rows[1])
    rows = read(table(neighbours(row(Comment="two\nlines", JobName="two\nmore")), columns))
    assert good(rows[1])
    assert rows[1].line == 3
    assert rows[2].line == 6


def test_a_row_that_can_be_read_in_two_ways_is_quarantined() -> None:
    # The comment imitates the columns that follow it, so that both halves look like the job's.
    following = [name for name in COLUMNS[1:] if name != "JobName"]
    forged = row(JobID="1002", User="malee", Account="pi_niran")
    comment = "x|" + "|".join(forged[name] for name in following) + "|y"
    rows = read(table(neighbours(row(Comment=comment)), EARLY_TEXT))
    assert [parsed.reason or parsed.kind for parsed in rows] == ["job", "columns", "job"]
    assert "malee" in rows[1].raw
    assert "somchai" in rows[1].raw


def test_readings_that_are_billed_alike_are_one() -> None:
    columns = ("JobIDRaw", "Comment", "AdminComment", *COLUMNS[1:])
    rows = read(table([row(Comment="a|b", AdminComment="c")], columns))
    assert good(rows[0])


def test_a_newline_that_can_be_read_in_two_ways_is_quarantined() -> None:
    # "1|foo" and then a whole row: a name with a line feed, or a cut row and a good one?
    second = table([row(JobIDRaw="2", JobID="2")], MIDDLE, header=False)
    data = table([], MIDDLE) + b"1|foo\n" + second + table([row()], MIDDLE, header=False)
    rows = read(data)
    assert [parsed.reason or parsed.kind for parsed in rows] == ["newline", "newline", "job"]
    assert good(rows[2])


def test_the_beginning_of_a_row_is_not_taken_for_a_name() -> None:
    # A row was cut and another follows: the first must not vanish in the name before it.
    cut = b"2|2|malee|pi_suda|cpu|normal|COMPLETED|2026-11-01T10:00:00|2026\n"
    data = table([row(JobIDRaw="1", JobID="1")]) + cut + table([row()], header=False)
    rows = read(data)
    assert [parsed.reason or parsed.kind for parsed in rows] == ["job", "columns", "job"]
    assert rows[0].job is not None
    assert rows[0].job.name == "train"
    assert good(rows[2])


def test_two_rows_run_together_are_quarantined() -> None:
    data = table([row(), row(JobIDRaw="2", JobID="2")])
    at = data.index(b"|train\n")
    rows = read(data[:at] + data[at + len(b"|train\n") :])
    assert [parsed.reason or parsed.kind for parsed in rows] == ["columns"]


def test_lines_that_belong_to_nothing_are_quarantined_each() -> None:
    columns = (*COLUMNS, "ExitCode")
    lines = table([row(ExitCode="0:0")], columns)
    rows = read(lines + b"what\nis|this\n" + table([row(ExitCode="0:0")], columns, header=False))
    assert [parsed.reason or parsed.kind for parsed in rows] == ["job", "columns", "columns", "job"]
    assert [parsed.raw for parsed in rows[1:3]] == ["what", "is|this"]


def test_a_name_of_too_many_lines_ends() -> None:
    lines = "\n".join(str(number) for number in range(200))
    rows = read(table([row(JobName=lines)]))
    assert [parsed.kind for parsed in rows] == ["job"] + ["bad"] * (199 - 64)
    assert good(rows[0])
    rows = read(table([row(JobName=lines)], MIDDLE))
    assert {parsed.reason for parsed in rows} == {"columns"}
    assert len(rows) == 200


def test_names_stay_within_the_limit_of_a_line() -> None:
    data = table([row(JobName="\n".join(["x" * 100] * 50))])
    rows = read(data, max_line_bytes=2048)
    assert rows[0].kind == "job"
    assert rows[0].size <= 2048
    assert {parsed.reason for parsed in rows[1:]} == {"columns"}


def test_nul_is_quarantined_and_spelled_out() -> None:
    for column in ("User", "JobName", "AllocTRES"):
        rows = read(table(neighbours(row(**{column: "a\0b"}))))
        assert [parsed.reason or parsed.kind for parsed in rows] == ["job", "nul", "job"]
        assert "a\\x00b" in rows[1].raw
        assert "\0" not in rows[1].raw


def test_nul_after_the_beginning_of_a_row() -> None:
    data = table([row(JobName="a\nb\0")], MIDDLE) + table([row()], MIDDLE, header=False)
    assert outcome(data) == ["columns", "nul", "job"]


def test_unit_separator_within_a_cell_is_quarantined() -> None:
    assert outcome(table([row(JobName="a\x1fb"), GOOD])) == ["control_character", "job"]
    data = table([row(JobName="a\x1fb"), GOOD], delimiter="\x1f")
    assert outcome(data, delimiter="\x1f") == ["columns", "job"]


def test_unit_separator_as_delimiter() -> None:
    data = table([row(JobName="a|b"), row(JobName="a\nb")], delimiter="\x1f")
    rows = read(data, delimiter="\x1f")
    assert all(good(parsed) for parsed in rows)
    assert [parsed.job.name for parsed in rows if parsed.job] == ["a|b", "a\nb"]


def test_bad_utf8_is_replaced_and_flagged() -> None:
    data = table([GOOD]).replace(b"train", b"bad\xff\xfe\xc3(bytes")
    (parsed,) = read(data)
    assert parsed.job is not None
    assert parsed.job.name == "bad\ufffd\ufffd\ufffd(bytes"
    assert parsed.job.flags == ("name_bad_utf8",)
    assert parsed.raw.endswith("|bad\\xff\\xfe\\xc3(bytes")
    assert good(parsed)


def test_bad_utf8_elsewhere() -> None:
    (parsed,) = read(table([GOOD]).replace(b"pi_suda", b"pi_\xe0\xb8"))
    assert parsed.job is not None
    assert (parsed.job.account, parsed.job.flags) == ("pi_\ufffd", ("bad_utf8",))
    data = table([GOOD]) + b"caf\xe9\n"
    (parsed,) = read(data)
    assert parsed.job is not None
    assert parsed.job.name == "train\ncaf\ufffd"
    assert parsed.job.flags == ("newline_in_text", "name_bad_utf8")


def test_bad_utf8_in_a_row_that_is_put_together() -> None:
    data = table([row(JobName="one\ntwo")], MIDDLE).replace(b"two", b"tw\xf6")
    (parsed,) = read(data)
    assert parsed.job is not None
    assert parsed.job.flags == ("newline_in_text", "name_bad_utf8")


@pytest.mark.parametrize("cut", ["\ud83d", "x\udc80y"])
def test_surrogates_can_not_be_in_a_file(cut: str) -> None:
    data = table([GOOD]).replace(b"train", cut.encode("utf-8", "surrogatepass"))
    (parsed,) = read(data)
    assert parsed.job is not None
    assert "\ufffd" in parsed.job.name
    parsed.job.name.encode()
    parsed.raw.encode()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ElapsedRaw": "-5"}, "elapsed"),
        ({"End": "2026-11-01T09:00:00", "ElapsedRaw": "0"}, "end_before_start"),
        ({"End": "Unknown", "State": "RUNNING"}, "job"),
        ({"Start": "None", "ElapsedRaw": "0", "NodeList": "None assigned"}, "job"),
        ({"ElapsedRaw": "3599"}, "elapsed_mismatch"),
        ({"End": "2026-12-01T00:05:01", "ElapsedRaw": "2642696"}, "future_end"),
        ({"Submit": "0", "Start": "0"}, "epoch_zero"),
        ({"Start": "1970-01-01T00:00:00"}, "epoch_zero"),
        ({"AllocTRES": "cpu=NaN"}, "tres"),
        ({"AllocTRES": "cpu=Infinity"}, "tres"),
        ({"AllocTRES": "cpu=1e400"}, "tres"),
        ({"AllocTRES": "cpu=" + "1" * 5000}, "tres"),
        ({"AllocTRES": "cpu=1_000"}, "tres"),
        ({"AllocTRES": "cpu=٤"}, "tres"),
        ({"AllocTRES": "cpu=-4"}, "tres"),
        ({"AllocTRES": "cpu=2147483648"}, "tres"),
        ({"AllocTRES": "cpu=4,cpu=4"}, "tres"),
        ({"AllocTRES": ""}, "no_alloc_tres"),
        ({"AllocTRES": "cpu=4,gres/npu=2,gres/gpu=1"}, "job"),
        ({"ElapsedRaw": "9" * 5000}, "elapsed"),
        ({"ElapsedRaw": "٣٦٠٠"}, "elapsed"),
        ({"ElapsedRaw": "3_600"}, "elapsed"),
        ({"JobIDRaw": "9" * 5000}, "job_id"),
        ({"JobIDRaw": "1_001"}, "job_id"),
        ({"JobIDRaw": "12.batch", "JobID": "12.batch"}, "step"),
        ({"Account": "=cmd()"}, "job"),
        ({"Account": ""}, "job"),
        ({"User": "<script>"}, "job"),
        ({"State": "CANCELLED by 1000"}, "job"),
        ({"State": "unheard of"}, "state"),
        ({"Submit": "nonsense"}, "time"),
    ],
)
def test_the_stated_outcome_of_a_hostile_row(changes: dict[str, str], expected: str) -> None:
    assert outcome(table(neighbours(row(**changes)))) == ["job", expected, "job"]


def test_local_times_of_a_dst_night() -> None:
    night = {"Submit": "2026-10-25T01:00:00", "ElapsedRaw": "4001"}
    resolved = row(Start="2026-10-25T02:08:00", End="2026-10-25T02:14:41", **night)
    unclear = row(
        Start="2026-10-25T02:08:00", End="2026-10-25T02:14:41", **night | {"ElapsedRaw": "401"}
    )
    never = row(Submit="2026-03-29T02:30:00")
    data = table([resolved, unclear, never])
    assert outcome(data, zone=ZoneInfo("Europe/Berlin")) == [
        "job",
        "ambiguous_time",
        "nonexistent_time",
    ]


def test_the_same_id_again_is_another_job() -> None:
    again = row(
        Submit="2026-11-02T10:00:00", Start="2026-11-02T10:00:05", End="2026-11-02T11:00:05"
    )
    rows = read(table([GOOD, again]))
    assert len({(parsed.job.job_id, parsed.job.submit) for parsed in rows if parsed.job}) == 2


def test_a_bad_file_keeps_its_good_rows() -> None:
    reader, rows = read_all(
        table([GOOD, row(AllocTRES="cpu=x"), row(JobIDRaw="5", JobID="5")])[:-8],
        max_line_bytes=4096,
    )
    assert [parsed.kind for parsed in rows] == ["job", "bad", "bad"]
    assert reader.truncated


def test_a_surplus_that_is_too_large_to_search() -> None:
    assert outcome(table([row(JobName="|" * 40)], MIDDLE)) == ["columns"]
    assert outcome(table([row(JobName="|" * 1000)])) == ["job"]
    assert outcome(table([row(JobName="|" * 4000)])) == ["columns"]


def test_pieces_of_a_wrong_kind_are_the_callers_fault() -> None:
    with pytest.raises((TypeError, FileRefused)):
        read("a text")  # type: ignore[arg-type]
