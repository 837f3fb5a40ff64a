"""Rows are recognised, or read in full, wherever the blocks of an input end."""

from collections.abc import Callable, Collection

import pytest

from tests.usage.sacct_rows import NOW, row, table
from usage.sources import lines
from usage.sources.sacct import Parsed, SacctReader

NAMES = ("train", "a|b", "cut\nhere", "a\r", "plain", "\x1f", "train", "last")


def read(data: bytes, known: Collection[bytes] = ()) -> list[Parsed]:
    reader = SacctReader([data], now=NOW)

    def ask(_job_ids: Collection[int]) -> Callable[[], Collection[bytes]]:
        return lambda: known

    if known:
        reader.recognise = ask
    rows = [row._replace(rows=1) for row in reader for _ in range(row.rows)]
    assert reader.rows == len(rows)
    return rows


@pytest.mark.parametrize("block", [*range(30, 160, 7), 1 << 10, 1 << 18])
@pytest.mark.parametrize("lost", [0, 1, 60])
def test_what_is_not_recognised_is_read_as_ever(
    block: int, lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(JobIDRaw=f"{1001 + place % 3 * 10 + place}") for place in range(24)]
    for place, name in enumerate(NAMES):
        rows[3 * place]["JobName"] = name.partition("\n")[0]
    known = {parsed.digest for parsed in read(table(rows)) if parsed.digest}
    # A known row goes on in the next line now, and another one says something else.
    rows[6]["JobName"] = NAMES[2]
    rows[11]["ElapsedRaw"] = "1"
    data = table(rows)
    whole = read(data[: len(data) - lost])
    monkeypatch.setattr(lines, "CHUNK", block)
    found = read(data[: len(data) - lost], known)
    assert len(found) == len(whole)
    for before, after in zip(whole, found, strict=True):
        assert after == before or (after.kind == "same" and before.digest in known)
    assert any(parsed.kind == "same" for parsed in found) or block < 1 << 10
