"""Numbers of documents: the next one of a series, and series that go on from elsewhere."""

import re
from datetime import date

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from receipts.models import Receipt, ReceiptKind, Series
from receipts.models.series import PATTERN

MOST = 10**9


def code_of(kind: str) -> str:
    """Return the code of the series that documents of a kind are numbered in."""
    notes = kind == ReceiptKind.CREDIT_NOTE
    return str(settings.SERIES_CREDIT_NOTE if notes else settings.SERIES_RECEIPT)


def next_number(code: str, year: int) -> tuple[Series, int]:
    """Take the next number of a series, locked until commit, so that none is lost or used twice."""
    rows = Series.objects.select_for_update(no_key=True).filter(code=code, fiscal_year=year)
    series = rows.first()
    if series is None:
        Series.objects.get_or_create(
            code=code, fiscal_year=year, defaults={"pattern": settings.SERIES_PATTERN}
        )
        series = rows.get()
    series.last_number += 1
    series.save(update_fields=["last_number"])
    return series, series.last_number


def hold_series(code: str, year: int) -> None:
    """Lock a series, if it has begun, before numbers of others are taken in the same transaction.

    The order is receipts, credit notes, official receipts: issuing takes the last one, too, where a
    balance pays at once.
    """
    rows = Series.objects.select_for_update(no_key=True)
    rows.filter(code=code, fiscal_year=year).first()


def open_series(
    *, code: str, year: int, last_number: int, pattern: str, actor: Actor, expected: str = ""
) -> Series:
    """Begin a series after numbers that were given out elsewhere, written as they were there.

    ``expected`` is the next number as a person wrote it out. Raises Invalid for a pattern without a
    number, where another number would come next, and where a document that was brought has one
    beyond; Conflict if the series is there, as its numbers are in use.
    """
    if not 0 < len(code) <= 16 or not 2000 <= year <= 2999 or not 0 <= last_number < MOST:
        raise Invalid("last_number", _("A series has a code, a year, and a last number of 0 up."))
    if not re.search(PATTERN, pattern):
        raise Invalid("pattern", _("A pattern of numbers needs {number} once, as in {number:06d}."))
    begins = Series(code=code, fiscal_year=year, pattern=pattern)
    comes = begins.text_of(last_number + 1)
    if expected and expected.strip() != comes:
        said = _("By this pattern the next document gets %(number)s. Correct one of the two.")
        raise Invalid("expected", said % {"number": comes})
    with transaction.atomic():
        series, is_new = Series.objects.get_or_create(
            code=code,
            fiscal_year=year,
            defaults={
                "pattern": pattern, "opened_after": last_number, "last_number": last_number,
            },
        )  # fmt: skip
        if not is_new:
            raise Conflict(
                "series_exists",
                _("This series has begun already; its numbers go on by themselves."),
            )
        beyond = _brought_beyond(series)
        if beyond:
            said = _("%(number)s was given already, to an opening balance: begin after it.")
            raise Invalid("last_number", said % {"number": beyond})
        data = {"code": code, "year": year, "after": last_number, "pattern": pattern}
        record("series.opened", actor=actor, target=series, data=data)
    return series


def _brought_beyond(series: Series) -> str:
    """Return the highest number of the series that a document brought from elsewhere has already,
    empty if they all come before it begins."""
    brought = Receipt.objects.filter(kind=ReceiptKind.OPENING).values_list("number", flat=True)
    found = (
        _sequence(series.pattern, series.code, series.fiscal_year, number)
        for number in brought
        if number
    )
    highest = max(found, default=0)
    return series.text_of(highest) if highest > series.opened_after else ""


def will_be_given(number: str) -> bool:
    """Tell whether a series gives a document this number some day: one that has begun, or would
    begin this year or later. A document that has it already would stop the series there."""
    codes = {code_of(ReceiptKind.RECEIPT), code_of(ReceiptKind.CREDIT_NOTE)}
    begun = Series.objects.filter(code__in=codes)
    years = set(begun.values_list("code", "fiscal_year"))
    if any(_sequence(row.pattern, row.code, row.fiscal_year, number) > row.opened_after
           for row in begun):  # fmt: skip
        return True
    this_year = fiscal_year(timezone.localdate())
    coming = {int(text) for text in re.findall(r"(?=(\d{4}))", number)}
    coming |= {year - 543 for year in coming} | {this_year}
    return any(
        year >= this_year
        and (code, year) not in years
        and _sequence(settings.SERIES_PATTERN, code, year, number) > 0
        for code in codes
        for year in coming
    )


def _sequence(pattern: str, code: str, year: int, number: str) -> int:
    """Return which number of a series a text is, or 0 if it is none."""
    series = Series(code=code, fiscal_year=year, pattern=pattern)
    return next(
        (
            sequence
            for sequence in {int(digits) for digits in re.findall(r"[0-9]{1,18}", number)}
            if series.text_of(sequence) == number
        ),
        0,
    )


def fiscal_year(day: date) -> int:
    """Return the fiscal year of a day, named by the calendar year in which it ends."""
    first_month = settings.SITE_FISCAL_YEAR_START
    return day.year + (1 if first_month > 1 and day.month >= first_month else 0)
