"""Statements as files: CSV for accounting, PDF for whoever pays by internal recharge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from core import formatting
from core.pdf import render
from insights.statements import Statement

TEMPLATE = Path(__file__).parent / "statement.typ"

CSV_HEADER = (
    "part", "project", "name", "day", "kind", "document", "resource", "currency", "amount",
    "balance",
)  # fmt: skip


def csv_rows(statement: Statement) -> Iterator[list[Any]]:
    """Return the statement as rows, which ``part`` tells apart: ``opening``, ``entry`` or a sum
    (``documents``, ``credits``, ``payments``), ``closing``, and ``usage`` by resource."""
    for each in statement.accounts:
        head = [each.project.code, each.project.name]

        def row(part: str, day: Any, amount: Any, balance: Any = "", **more: Any) -> list[Any]:
            document, kind = more.get("document", ""), more.get("kind", "")
            return [
                part, *head, day, kind, document, "", each.currency, amount, balance,  # noqa: B023
            ]  # fmt: skip

        yield row("opening", statement.span.first, each.opening, each.opening)
        for entry in each.entries:
            yield row(
                "entry", entry.day, entry.amount, entry.balance,
                kind=entry.kind.value, document=entry.document.number,
            )  # fmt: skip
        if not each.entries:
            for part in ("documents", "credits", "payments"):
                yield row(part, statement.span.last, getattr(each, part))
        yield row("closing", statement.span.last, each.closing, each.closing)
    for used in statement.used:
        yield [
            "usage", used.project.code, used.project.name, statement.span.last, "", "",
            used.resource, used.currency, used.amount, "",
        ]  # fmt: skip


def pdf_of(statement: Statement) -> bytes:
    """Return the statement as a PDF in the current language."""
    return render(TEMPLATE, _data(statement), made_at=timezone.now())


def _data(statement: Statement) -> dict[str, Any]:
    money = formatting.money
    span = statement.span
    return {
        "lang": translation.get_language() or "en",
        "site": settings.SITE_NAME,
        "address": settings.SITE_ADDRESS.splitlines(),
        "title": _("Statement"),
        "whose": statement.title,
        "days": f"{formatting.day(span.first)} – {formatting.day(span.last)}",
        "page": _("Page"),
        "nothing": _("Nothing was owed, billed or paid in this period."),
        "sums": {
            "head": [
                _("Project"), _("Opening balance"), _("Documents"), _("Credit notes"),
                _("Payments"), _("Closing balance"),
            ],
            "rows": [
                [
                    str(each.project),
                    *(
                        money(amount, each.currency)
                        for amount in (
                            each.opening, each.documents, each.credits, each.payments, each.closing,
                        )
                    ),
                ]
                for each in statement.accounts
            ],
            "totals": [
                [
                    _("Total"),
                    *(
                        money(amount, each.currency)
                        for amount in (
                            each.opening, each.documents, each.credits, each.payments, each.closing,
                        )
                    ),
                ]
                for each in statement.totals
            ],
        },
        "entries": {
            "title": _("Documents and payments"),
            "head": [_("Day"), _("What"), _("Document"), _("Amount"), _("Balance")],
            "rows": [
                [
                    formatting.day(entry.day),
                    str(entry.kind.label),
                    str(entry.document),
                    money(entry.amount, each.currency),
                    money(entry.balance, each.currency),
                ]
                for each in statement.accounts
                for entry in each.entries
            ],
        },
        "usage": {
            "title": _("Usage by resource, as the documents say"),
            "head": [_("Project"), _("Resource"), _("Amount")],
            "rows": [
                [str(used.project), used.resource_name, money(used.amount, used.currency)]
                for used in statement.used
            ],
        },
    }  # fmt: skip
