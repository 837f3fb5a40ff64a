"""A study as a file: CSV for spreadsheets, PDF for a meeting."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from core import formatting, pdf
from core.spreadsheet import csv_lines
from pricing.labels import resource_name
from pricing.study.figures import Figures, Line, text_of

TEMPLATE = Path(__file__).parent / "study.typ"
COLUMNS = ("of", "code", "name", "before", "after", "change", "percent", "currency", "jobs")
MOST_LINES = 40
"""So many projects a side are printed; the CSV has them all."""


def csv_of(figures: Figures) -> Iterator[str]:
    """Yield a CSV with a line for the total, each project, tier, resource, and reason; amounts
    are exact, with six decimals."""
    return csv_lines(COLUMNS, rows_of(figures))


def rows_of(figures: Figures) -> Iterator[Sequence[Any]]:
    """Yield the cells of the CSV, in the order of COLUMNS."""
    kinds = (
        ("total", (figures.total,)),
        ("project", figures.projects),
        ("tier", figures.tiers),
        ("resource", figures.resources),
    )
    for kind, lines in kinds:
        for line in lines:
            amounts = (Decimal(text_of(value)) for value in (line.before, line.after, line.change))
            yield (kind, line.code, line.name, *amounts, line.percent, figures.currency, "")
    for kind, found in (("unpriced", figures.unpriced), ("exempt", figures.exempt)):
        for left in found:
            yield (kind, left.reason, left.label, "", "", "", "", "", left.jobs)
    for code, amount in figures.foreign:
        yield ("other currency", "", "", Decimal(text_of(amount)), "", "", "", code, "")
    if figures.recovery is not None:
        before, after = figures.recovery
        change = after.over - before.over
        over = (Decimal(text_of(value)) for value in (before.over, after.over, change))
        yield ("over or under the cost", "", "", *over, "", figures.currency, "")


def pdf_of(figures: Figures, *, title: str, made_at: datetime) -> bytes:
    """Return the study as a PDF in the current language: the same bytes for the same study."""
    return pdf.render(TEMPLATE, _data(figures, title, made_at), made_at=made_at)


def _data(figures: Figures, title: str, made_at: datetime) -> dict[str, Any]:
    head = [_("In force"), _("Under the list"), _("Change"), "%"]
    return {
        "lang": (translation.get_language() or "en")[:2],
        "kind": _("Price study"),
        "title": title,
        "window": _("Jobs that ended from %(since)s to %(until)s (not included)")
        % {"since": formatting.moment(figures.since), "until": formatting.moment(figures.until)},
        "made": _("Computed %(moment)s. Nothing was charged by it.")
        % {"moment": formatting.moment(made_at)},
        "page": _("Page"),
        "summary": _summary(figures),
        "notes": _notes(figures),
        "tables": [table for table in _tables(figures, head) if table["rows"]],
    }


def _summary(figures: Figures) -> list[list[str]]:
    currency, total = figures.currency, figures.total
    rows = [
        [_("In force"), formatting.money(total.before, currency)],
        [_("Under the list"), formatting.money(total.after, currency)],
        [_("Change"), f"{formatting.money(total.change, currency)}{_percent(total)}"],
    ]
    if figures.recovery is not None and figures.cost is not None:
        before, after = figures.recovery
        rows += [
            [_("Cost of running the centre"), formatting.money(figures.cost, currency)],
            [_("Recovered in force"), f"{before.percent} %"],
            [_("Recovered under the list"), f"{after.percent} %"],
            [_("Over or under the cost"), formatting.money(after.over, currency)],
        ]
    return rows


def _notes(figures: Figures) -> list[str]:
    notes = [
        _("%(jobs)s jobs can't be priced: %(reason)s.")
        % {"jobs": formatting.number(left.jobs), "reason": left.label}
        for left in figures.unpriced
    ]
    notes += [
        _("%(jobs)s jobs are exempt: %(reason)s.")
        % {"jobs": formatting.number(left.jobs), "reason": left.label}
        for left in figures.exempt
    ]
    notes += [
        _("%(amount)s in another currency can't be compared.")
        % {"amount": formatting.money(amount, code)}
        for code, amount in figures.foreign
    ]
    if figures.waiting:
        notes.append(
            _("%(jobs)s jobs changed after they were billed; they are in force as billed.")
            % {"jobs": formatting.number(figures.waiting)}
        )
    return notes


def _tables(figures: Figures, head: list[str]) -> Iterator[dict[str, Any]]:
    sides = (
        (_("Projects that pay less"), figures.winners),
        (_("Projects that pay more"), figures.losers),
    )
    for title, lines in sides:
        more = len(lines) - MOST_LINES
        yield {
            "title": title,
            "head": [_("Project"), *head],
            "rows": [_cells(f"{x.code} {x.name}", x, figures) for x in lines[:MOST_LINES]],
            "more": _("and %(more)s more") % {"more": more} if more > 0 else "",
        }
    yield {
        "title": _("By resource"),
        "head": [_("Resource"), *head],
        "rows": [_cells(resource_name(x.code), x, figures) for x in figures.resources],
        "more": "",
    }
    yield {
        "title": _("By tier"),
        "head": [_("Tier"), *head],
        "rows": [_cells(x.name or "–", x, figures) for x in figures.tiers],
        "more": "",
    }


def _cells(name: str, line: Line, figures: Figures) -> list[str]:
    amounts = (line.before, line.after, line.change)
    percent = "–" if line.percent is None else formatting.signed_percent(line.percent)
    return [name, *(formatting.money(amount, figures.currency) for amount in amounts), percent]


def _percent(line: Line) -> str:
    return "" if line.percent is None else f" ({formatting.signed_percent(line.percent)})"
