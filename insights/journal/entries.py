"""What an entry of the journal is, and the layouts that it is handed out in (pure)."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from core.money import total
from core.spreadsheet import neutral


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount for a role: above zero debit, below zero credit. ``detail`` is the resource of
    revenue, or the provider of a bank."""

    role: str
    amount: Decimal
    project_id: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened on a day, in one currency. Its postings come to zero.

    ``key`` is the same whenever it is derived: the kind with the row or the month that it is of.
    """

    key: str
    kind: str
    day: date
    currency: str
    document: str
    postings: tuple[Posting, ...]

    @property
    def is_balanced(self) -> bool:
        return total(posting.amount for posting in self.postings) == 0


def entry(
    key: tuple[str, object], day: date, currency: str, document: str, postings: Iterable[Posting]
) -> Entry:
    """Make an entry of a kind and the key of what it is of, without what comes to nothing."""
    kept = tuple(posting for posting in postings if posting.amount)
    return Entry(f"{key[0]}-{key[1]}", key[0], day, currency, document, kept)


class Line(NamedTuple):
    """A line of the journal as it is booked; ``amount`` above zero is debit."""

    entry: str
    line: int
    day: str
    kind: str
    account: str
    cost_centre: str
    project: str
    document: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How a ledger wants its lines: columns as heading and field, and how they are written.

    ``date_format`` is as of ``strftime``: day, month and year, ``%E`` for that of the Buddhist era.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    delimiter: str = ","
    decimal_mark: str = "."
    date_format: str = "%Y-%m-%d"
    mark_utf8: bool = False


FIELDS = (
    "entry", "line", "date", "kind", "account", "cost_centre", "project", "document", "debit",
    "credit", "amount", "side", "currency",
)  # fmt: skip
_PLAIN = tuple((name, name) for name in FIELDS if name not in {"amount", "side"})
LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("plain", _PLAIN),
        Layout(
            "semicolon",
            (
                ("Entry", "entry"),
                ("Posting date", "date"),
                ("Account", "account"),
                ("Cost centre", "cost_centre"),
                ("D/C", "side"),
                ("Amount", "amount"),
                ("Currency", "currency"),
                ("Reference", "document"),
            ),
            delimiter=";",
            decimal_mark=",",
            date_format="%d.%m.%Y",
        ),
        Layout(
            "thai",
            (
                ("เลขที่รายการ", "entry"),
                ("วันที่", "date"),
                ("รหัสบัญชี", "account"),
                ("ศูนย์ต้นทุน", "cost_centre"),
                ("โครงการ", "project"),
                ("เลขที่เอกสาร", "document"),
                ("เดบิต", "debit"),
                ("เครดิต", "credit"),
                ("สกุลเงิน", "currency"),
            ),
            date_format="%d/%m/%E",
            mark_utf8=True,
        ),
    )
}
"""Those that every site has; a site adds its own by ``JOURNAL_LAYOUTS``."""


class BadLayout(ValueError):
    """A layout of a site's settings can't be used; the text says why."""


def layouts_of(added: Any) -> dict[str, Layout]:
    """Return all layouts by name, with those of a site's settings. Raises BadLayout."""
    if not isinstance(added, dict):
        raise BadLayout("Layouts are an object: names, each with what its layout is.")
    return LAYOUTS | {str(name): _read(str(name), values) for name, values in added.items()}


_KEYS = ("columns", "date_format", "decimal_mark", "delimiter", "mark_utf8")
_SIDED = {"amount", "side"}


def _read(name: str, values: Any) -> Layout:
    if not 0 < len(name) <= 32 or name in LAYOUTS:
        taken = ", ".join(LAYOUTS)
        raise BadLayout(f"Give “{name}” another name: 1 to 32 characters, none of {taken}.")
    if not isinstance(values, dict) or set(values) - set(_KEYS):
        raise BadLayout(f"“{name}” is an object with no other keys than: {', '.join(_KEYS)}.")
    layout = Layout(name, _columns(name, values.get("columns")), **_without(values, "columns"))
    if layout.delimiter not in (",", ";", "\t", "|") or layout.decimal_mark not in (".", ","):
        raise BadLayout(f"“{name}”: delimiters are , ; | and tab, decimal marks . and ,.")
    if not isinstance(layout.mark_utf8, bool):
        raise BadLayout(f"“{name}”: mark_utf8 is true or false.")
    if not _shows_a_day(layout.date_format):
        raise BadLayout(f"“{name}”: date_format has %d, %m and one of %Y, %y and %E, no other %.")
    return layout


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _columns(name: str, columns: Any) -> tuple[tuple[str, str], ...]:
    pairs = tuple(columns.items()) if isinstance(columns, dict) else ()
    fields = {field for _heading, field in pairs if isinstance(field, str)}
    if not pairs or len(fields) < len(pairs) or not fields <= set(FIELDS):
        known = ", ".join(FIELDS)
        raise BadLayout(f"“columns” of “{name}” maps headings to these, each once: {known}.")
    if "account" not in fields or not (fields >= {"debit", "credit"} or fields >= _SIDED):
        raise BadLayout(f"“{name}” needs account, and either debit and credit or amount and side.")
    return pairs


def _shows_a_day(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    return sorted(re.findall(r"%(.?)", text)) in [sorted(["d", "m", year]) for year in "YyE"]


def written(lines: Sequence[Line], layout: Layout) -> bytes:
    """Return lines in a layout: UTF-8, lines ended as spreadsheets do, no cell a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=layout.delimiter)
    writer.writerow([heading for heading, _field in layout.columns])
    for line in lines:
        cells = _cells(line, layout)
        writer.writerow([cells[field] for _heading, field in layout.columns])
    return buffer.getvalue().encode("utf-8-sig" if layout.mark_utf8 else "utf-8")


def _cells(line: Line, layout: Layout) -> dict[str, str]:
    day = date.fromisoformat(line.day)
    texts = {
        name: str(neutral(getattr(line, name)))
        for name in ("entry", "kind", "account", "cost_centre", "project", "document", "currency")
    }
    debit, credit = max(line.amount, Decimal(0)), max(-line.amount, Decimal(0))
    return texts | {
        "line": str(line.line),
        "date": day.strftime(layout.date_format.replace("%E", f"{day.year + 543:04d}")),
        "debit": _number(debit, layout) if debit else "",
        "credit": _number(credit, layout) if credit else "",
        "amount": _number(abs(line.amount), layout),
        "side": "D" if debit else "C",
    }


def _number(amount: Decimal, layout: Layout) -> str:
    return f"{amount:f}".replace(".", layout.decimal_mark)


class Total(NamedTuple):
    """What an account comes to: debit, credit and the difference."""

    account: str
    currency: str
    debit: Decimal
    credit: Decimal

    @property
    def balance(self) -> Decimal:
        return self.debit - self.credit


def totals_of(lines: Iterable[Line]) -> Iterator[Total]:
    """Yield what each account comes to, by currency and account."""
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for line in lines:
        found = sums.setdefault((line.currency, line.account), [Decimal(0), Decimal(0)])
        found[line.amount < 0] += abs(line.amount)
    for (currency, account), (debit, credit) in sorted(sums.items()):
        yield Total(account, currency, debit, credit)
