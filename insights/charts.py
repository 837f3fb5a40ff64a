"""Figures of stacked bars, and the same numbers as a table (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

MAX_SERIES = 8
"""More colours than this can't be told apart; the smallest series are added up as the last one."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Bars by label, stacked from series. ``values`` are by series, then by label."""

    labels: Sequence[str]
    names: Sequence[str]
    values: Sequence[Sequence[Decimal]]

    @property
    def is_empty(self) -> bool:
        return not any(any(row) for row in self.values)

    @property
    def table(self) -> list[tuple[str, list[Decimal], Decimal]]:
        """Return rows of label, a cell for each series, and their sum; labels without any are left
        out."""
        if self.is_empty:
            return []
        rows = zip(self.labels, zip(*self.values, strict=True), strict=True)
        return [(label, list(cells), sum(cells, Decimal(0))) for label, cells in rows if any(cells)]

    def for_script(self, unit: str) -> dict[str, Any]:
        """Return what the chart's script reads; drawn lengths are floats, the table is exact."""
        return {
            "labels": list(self.labels),
            "series": [
                {"name": name, "data": [round(float(value), 4) for value in row]}
                for name, row in zip(self.names, self.values, strict=True)
            ],
            "unit": unit,
        }


def stacked(
    cells: Iterable[tuple[Any, str, Decimal]],
    *,
    labels: Sequence[tuple[Any, str]],
    others: str,
) -> Figure:
    """Add up (label key, series name, value) into a figure; series are ordered by their size.

    ``labels`` are (key, text) of all bars in order; ``others`` names the sum of the small series.
    """
    place = {key: index for index, (key, _text) in enumerate(labels)}
    sums: dict[str, list[Decimal]] = {}
    for key, name, value in cells:
        if key in place:
            row = sums.setdefault(name, [Decimal(0)] * len(place))
            row[place[key]] += value
    ranked = sorted(sums.items(), key=lambda item: (-sum(item[1]), item[0]))
    if len(ranked) > MAX_SERIES:
        kept, small = ranked[: MAX_SERIES - 1], ranked[MAX_SERIES - 1 :]
        together = [
            sum(column, Decimal(0)) for column in zip(*(row for _, row in small), strict=True)
        ]
        ranked = [*kept, (others, together)]
    return Figure(
        [text for _key, text in labels], [name for name, _ in ranked], [row for _, row in ranked]
    )


def largest(cells: Iterable[tuple[str, str, Decimal]], count: int) -> list[str]:
    """Return the keys with the largest sums, largest first."""
    sums: dict[str, Decimal] = {}
    for key, _name, value in cells:
        sums[key] = sums.get(key, Decimal(0)) + value
    return sorted(sums, key=lambda key: (-sums[key], key))[:count]
