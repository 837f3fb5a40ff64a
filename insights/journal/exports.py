"""The journal of a month, and handing it out so that a closed month is always the same."""

import hashlib
import json
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import Period
from accounts.periods import period_of
from audit.services import record
from core.actor import Actor
from core.canonical import canonical_json
from core.errors import Invalid
from core.intervals import month_start, next_month
from core.locks import lock_rows
from insights.journal.entries import Layout, Line, layouts_of, written
from insights.journal.facts import entries_of
from insights.journal.mapping import Accounts, Missing, Unmapped
from insights.models import JournalExport

BOOKED = ""
"""The layout of the booked lines themselves."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A journal as it is handed out. ``final`` where its period is closed: it stays the same."""

    content: bytes
    sha256: str
    lines: int
    final: bool


def layouts() -> dict[str, Layout]:
    """Return the layouts by name, those of the settings too."""
    return layouts_of(settings.JOURNAL_LAYOUTS)


def journal(month: date) -> list[Line]:
    """Return the lines of a month: of a closed one that was exported as they were then.

    Raises Unmapped where something has no account.
    """
    period = period_of(month_start(month))
    kept = _kept(period, BOOKED) if period.is_closed else None
    return _lines_in(kept) if kept is not None else _booked(period)


def missing_accounts(month: date) -> list[Missing]:
    """Return what of a month has no account; while there is something, its journal can't be
    exported, and once the month is closed the database takes no account for it any more.

    Where each role has an account for all of the month, nothing of the month is read.
    """
    first, accounts = month_start(month), Accounts()
    if accounts.has_all(first, next_month(first)):
        return []
    try:
        accounts.booked(entries_of(first))
    except Unmapped as refusal:
        return refusal.missing
    return []


def export_journal(*, month: date, layout: str, actor: Actor) -> Exported:
    """Return a month's journal in a layout. The first export after the month was closed is kept,
    and given again byte by byte. Audited.

    Raises Invalid for an unknown layout, Unmapped where something has no account.
    """
    chosen = layouts().get(layout)
    if chosen is None:
        raise Invalid("layout", _("There is no such layout."))
    first = month_start(month)
    with transaction.atomic():
        locked = lock_rows(Period.objects.all(), first)
        period = locked[0] if locked else period_of(first)
        if period.is_closed:
            kept = _kept(period, layout) or _keep(period, chosen, actor)
            made = Exported(bytes(kept.content), kept.sha256, kept.lines, final=True)
        else:
            lines = _booked(period)
            content = written(lines, chosen)
            made = Exported(content, hashlib.sha256(content).hexdigest(), len(lines), final=False)
        data = {"month": first, "layout": layout, "sha256": made.sha256, "final": made.final}
        record("journal.exported", actor=actor, data=data)
    return made


def keep_journal(*, month: date, actor: Actor) -> bool:
    """Keep the lines of a month that was just closed, so that no later change of a name, cost
    centre or department is in its first export either; tells whether they are kept.

    They are not where something has no account: then the first export says so.
    """
    with transaction.atomic():
        locked = lock_rows(Period.objects.all(), month_start(month))
        if not locked or not locked[0].is_closed:
            return False
        try:
            _keep_lines(locked[0], actor)
        except Unmapped:
            return False
    return True


def intact(kept: JournalExport) -> bool:
    """Tell whether a kept journal is what its digest was made of."""
    return hashlib.sha256(_plain(kept)).hexdigest() == kept.sha256


def _booked(period: Period) -> list[Line]:
    return Accounts().booked(entries_of(period.month))


def _kept(period: Period, layout: str) -> JournalExport | None:
    rows = JournalExport.objects.filter(period_id=period.pk, closed_at=_closed(period))
    return rows.filter(layout=layout).first()


def _keep(period: Period, layout: Layout, actor: Actor) -> JournalExport:
    """Write a closed period's lines, kept before if they are not yet, in a layout."""
    lines = _lines_in(_keep_lines(period, actor))
    return _store(period, layout.name, written(lines, layout), len(lines), actor)


def _keep_lines(period: Period, actor: Actor) -> JournalExport:
    """Keep a closed period's lines, if they are not yet. Raises Unmapped."""
    kept = _kept(period, BOOKED)
    if kept is not None:
        return kept
    lines = _booked(period)
    rows = canonical_json([line._asdict() for line in lines]).encode()
    return _store(period, BOOKED, rows, len(lines), actor)


def _store(period: Period, layout: str, content: bytes, lines: int, actor: Actor) -> JournalExport:
    packed = zlib.compress(content, 9) if layout == BOOKED else content
    return JournalExport.objects.create(
        period=period,
        closed_at=_closed(period),
        layout=layout,
        content=packed,
        sha256=hashlib.sha256(content).hexdigest(),
        lines=lines,
        created_by_id=actor.user_id,
    )


def _plain(kept: JournalExport) -> bytes:
    content = bytes(kept.content)
    return zlib.decompress(content) if kept.layout == BOOKED else content


def _lines_in(kept: JournalExport) -> list[Line]:
    rows: list[dict[str, Any]] = json.loads(_plain(kept))
    return [Line(**row | {"amount": Decimal(row["amount"])}) for row in rows]


def _closed(period: Period) -> datetime:
    if period.closed_at is None:
        raise ValueError("only journals of closed periods are kept")
    return period.closed_at
