"""What must hold for any input: nothing crashes, nothing is lost, nothing depends on the layout."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.usage.sacct_rows import COLUMNS, NOW, read, read_all, row, table
from usage.reasons import FileRefused
from usage.sources.sacct import SacctReader

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = st.from_regex(r"[a-z][a-z0-9_-]{0,15}", fullmatch=True)
# Anything but the two characters that are quarantined by themselves, and half characters.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\x1f"), max_size=20)


@st.composite
def rows(draw: st.DrawFn, names: st.SearchStrategy[str] = WORDS) -> dict[str, str]:
    """A row such as Slurm prints."""
    number = draw(st.integers(1, 2**32 - 1))
    submit = START + timedelta(seconds=draw(st.integers(0, 20_000_000)))
    begun = submit + timedelta(seconds=draw(st.integers(0, 100_000)))
    elapsed = draw(st.integers(0, 5_000_000))
    suspended = draw(st.integers(0, 86_399))
    end = begun + timedelta(seconds=elapsed + suspended)
    gpus = draw(st.integers(0, 8))
    tres = f"cpu={draw(st.integers(1, 4096))},mem={draw(st.integers(1, 10**7))}M,node=1"
    if gpus:
        tres += f",gres/gpu={gpus},gres/gpu:a100={gpus}"
    return row(
        JobIDRaw=str(number),
        JobID=str(number),
        User=draw(WORDS),
        Account=draw(WORDS),
        State=draw(st.sampled_from(["COMPLETED", "FAILED", "CANCELLED by 1002", "TIMEOUT"])),
        Submit=f"{submit:%Y-%m-%dT%H:%M:%S}",
        Start=f"{begun:%Y-%m-%dT%H:%M:%S}",
        End=f"{end:%Y-%m-%dT%H:%M:%S}",
        ElapsedRaw=str(elapsed),
        Suspended=str(timedelta(seconds=suspended)).zfill(8),
        ReqTRES=tres,
        AllocTRES=tres,
        JobName=draw(names),
    )


def prints(data: bytes, **options: object) -> list[str]:
    return [
        parsed.job.fingerprint if parsed.job else parsed.reason for parsed in read(data, **options)
    ]


@given(st.lists(rows(), min_size=1, max_size=8))
def test_what_was_printed_is_read(made: list[dict[str, str]]) -> None:
    for cells, parsed in zip(made, read(table(made)), strict=True):
        job = parsed.job
        assert job is not None
        assert str(job.job_id) == cells["JobIDRaw"]
        assert f"{job.submit:%Y-%m-%dT%H:%M:%S}" == cells["Submit"]
        assert f"{job.end:%Y-%m-%dT%H:%M:%S}" == cells["End"]
        assert (job.user, job.account, job.name) == (
            cells["User"],
            cells["Account"],
            cells["JobName"],
        )
        tres = dict(item.split("=") for item in cells["AllocTRES"].split(","))
        assert job.cpu_seconds == int(tres["cpu"]) * int(cells["ElapsedRaw"])
        assert job.gpu_seconds == int(tres.get("gres/gpu", "0")) * job.held_seconds


@given(st.lists(rows(), min_size=1, max_size=5), st.permutations(COLUMNS), TEXTS)
def test_the_order_of_columns_does_not_matter(
    made: list[dict[str, str]], columns: Sequence[str], extra: str
) -> None:
    expected = prints(table(made))
    assert prints(table(made, columns)) == expected
    bare = "".join(letter for letter in extra if letter not in "|\n\r")
    wide = [each | {"SiteColumn": bare} for each in made]
    assert prints(table(wide, (*columns, "SiteColumn"))) == expected


@given(st.lists(rows(), min_size=1, max_size=5))
def test_how_times_are_written_does_not_matter(made: list[dict[str, str]]) -> None:
    epoch = [
        each
        | {
            name: f"{datetime.fromisoformat(each[name] + '+00:00').timestamp():.0f}"
            for name in ("Submit", "Start", "End")
        }
        for each in made
    ]
    assert prints(table(epoch)) == prints(table(made))


@given(st.lists(rows(TEXTS), min_size=1, max_size=6))
def test_any_name_last_leaves_each_job_as_it_is(made: list[dict[str, str]]) -> None:
    plain = [each | {"JobName": "x"} for each in made]
    assert prints(table(made)) == prints(table(plain))


@given(st.lists(rows(TEXTS), min_size=1, max_size=6), st.permutations(COLUMNS))
def test_any_name_anywhere_is_read_right_or_not_at_all(
    made: list[dict[str, str]], columns: Sequence[str]
) -> None:
    expected = set(prints(table([each | {"JobName": "x"} for each in made])))
    found = [parsed.job.fingerprint for parsed in read(table(made, columns)) if parsed.job]
    assert set(found) <= expected
    assert len(found) <= len(made)


@given(
    st.lists(rows(), min_size=2, max_size=5),
    st.randoms(use_true_random=False),
    st.binary(max_size=3),
)
def test_damage_never_makes_another_job(
    made: list[dict[str, str]], random: Random, junk: bytes
) -> None:
    """Bytes replaced within the name of a row leave the others alone."""
    data = table(made, ("JobName", *COLUMNS[:-1]))
    lines = data.split(b"\n")
    victim = random.randrange(1, len(made) + 1)
    lines[victim] = junk + lines[victim]
    expected = prints(table(made))
    found = {parsed.job.fingerprint for parsed in read(b"\n".join(lines)) if parsed.job}
    assert found <= set(expected)
    assert set(expected) - {expected[victim - 1], expected[max(victim - 2, 0)]} <= found


REFUSALS = {
    "empty", "no_rows", "no_header", "wrong_delimiter", "duplicate_column", "missing_columns",
    "header_mismatch", "encoding", "line_too_long",
}  # fmt: skip


def consume(data: bytes, **options: object) -> str:
    """Read it all; nothing but FileRefused may come out. The code of the refusal, or empty."""
    try:
        reader, found = read_all(data, **options)
    except FileRefused as error:
        return error.code
    assert all("\0" not in parsed.raw and parsed.raw.encode() is not None for parsed in found)
    assert reader.rows == len(found) > 0
    return ""


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert {consume(data), consume(data, columns=COLUMNS)} <= {"", *REFUSALS}


PIECES = st.sampled_from(
    [
        b"|", b"\n", b"\r\n", b"\0", b"\x1f", b"\xff", b"1001", b"1001.batch", b"23_4", b"somchai",
        b"COMPLETED", b"2026-11-01T10:00:05", b"3600", b"00:00:00", b"n1", b"None assigned", b"",
        b"cpu=4,mem=1G,node=1", b"Unknown", "ทุน".encode(), b"\xef\xbb\xbf", b" ", table([row()]),
        table([row()], header=False), table([row()], header=False)[:60],
        table([row()], header=False)[60:],
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=60))
def test_any_mixture_of_pieces_adds_up(pieces: list[bytes]) -> None:
    tail = b"".join(pieces)
    texts_first = ("JobIDRaw", "JobName", "Comment", *COLUMNS[1:-1])
    assert consume(table([]) + tail) in {"", "no_rows"}
    assert consume(table([], texts_first) + tail) in {"", "no_rows"}
    assert consume(tail, columns=COLUMNS) in {"", *REFUSALS}


@given(st.binary(max_size=300), st.integers(1, 50))
def test_the_size_of_pieces_does_not_matter(tail: bytes, size: int) -> None:
    data = table([row()]) + tail
    whole = list(SacctReader([data], now=NOW))
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert list(SacctReader(pieces, now=NOW)) == whole
