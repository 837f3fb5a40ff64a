"""Small accounting tables for tests: a good row, and a file made of rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from usage.sources.sacct import Parsed, SacctReader

FIXTURES = Path(__file__).parent.parent / "fixtures" / "slurm"
VERSIONS = ("22.05", "25.05")
NOW = datetime(2026, 12, 1, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
GOOD = {
    "JobIDRaw": "1001",
    "JobID": "1001",
    "User": "somchai",
    "Account": "pi_suda",
    "Partition": "gpu",
    "QOS": "normal",
    "State": "COMPLETED",
    "Submit": "2026-11-01T10:00:00",
    "Start": "2026-11-01T10:00:05",
    "End": "2026-11-01T11:00:05",
    "ElapsedRaw": "3600",
    "Suspended": "00:00:00",
    "NodeList": "n1",
    "ReqTRES": "billing=4,cpu=4,gres/gpu=2,mem=16000M,node=1",
    "AllocTRES": "billing=4,cpu=4,gres/gpu:a100=2,gres/gpu=2,mem=16000M,node=1",
    "Reservation": "",
    "JobName": "train",
}
COLUMNS = tuple(GOOD)


def row(**changes: str) -> dict[str, str]:
    """The good row with some cells changed."""
    return GOOD | changes


def table(
    rows: Iterable[Mapping[str, str]],
    columns: Sequence[str] = COLUMNS,
    *,
    delimiter: str = "|",
    header: bool = True,
    end: str = "\n",
) -> bytes:
    """A file as sacct prints it."""
    lines = [delimiter.join(columns)] if header else []
    lines += [delimiter.join(each[column] for column in columns) for each in rows]
    return "".join(line + end for line in lines).encode("utf-8", "surrogateescape")


def read(data: bytes, **options: object) -> list[Parsed]:
    """Everything in the file; checks that rows add up and that no byte is lost."""
    return read_all(data, **options)[1]


def read_all(data: bytes, **options: object) -> tuple[SacctReader, list[Parsed]]:
    reader = SacctReader([data], **({"now": NOW} | options))  # type: ignore[arg-type]
    rows = list(reader)
    assert reader.rows == len(rows)
    assert [parsed.kind for parsed in rows if parsed.kind not in ("job", "step", "bad")] == []
    position = reader.header_size
    # A job comes behind its steps.
    for parsed in sorted(rows, key=lambda row: row.offset):
        assert parsed.offset == position
        assert (parsed.job is not None) == (parsed.kind == "job")
        assert bool(parsed.reason) == (parsed.kind == "bad")
        position += parsed.size
    assert position == len(data)
    return reader, rows
