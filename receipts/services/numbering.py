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
LONGEST = 64
"""Characters of a number at the most."""


def code_of(kind: str) -> str:
    """Return the code of the series that documents of a kind are numbered in."""
    notes = kind == ReceiptKind.CREDIT_NOTE
    return str(settings.SERIES_CREDIT_NOTE if notes else settings.SERIES_RECEIPT)


def next_number(code: str, year: int) -> tuple[Series, int]:
    """Take the next number of a series, locked until commit, so that none is lost or used twice."""
    rows = Series.objects.select_for_update(no_key=True).filter(code=code, fiscal_year=year)
    series = rows.first()
    if series is None:
        begins = Series(code=code, fiscal_year=year, pattern=settings.SERIES_PATTERN)
        if twin := _twin_of(begins):
            said = _(
                "The numbers of series %(series)s would be those of %(twin)s again. Let it begin on"
                " the page of number series, with another pattern or after the last of those."
            )
            raise Conflict("same_numbers", said % {"series": begins, "twin": twin})
        Series.objects.get_or_create(
            code=code, fiscal_year=year, defaults={"pattern": begins.pattern}
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
    number, or whose numbers another series gives too, where another number would come next, and
    where a document that was brought has one beyond; Conflict if the series is there, as its
    numbers are in use.
    """
    if not 0 < len(code) <= 16 or not 2000 <= year <= 2999 or not 0 <= last_number < MOST:
        raise Invalid("last_number", _("A series has a code, a year, and a last number of 0 up."))
    if not re.search(PATTERN, pattern):
        raise Invalid("pattern", _("A pattern of numbers needs {number} once, as in {number:06d}."))
    begins = Series(code=code, fiscal_year=year, pattern=pattern, opened_after=last_number)
    if len(begins.text_of(MOST)) > LONGEST or not pattern.isprintable():
        raise Invalid("pattern", _("A number has up to 64 characters that can be printed."))
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
        if twin := _twin_of(series):
            said = _("Series %(twin)s gives the same numbers. Tell them apart in the pattern.")
            raise Invalid("pattern", said % {"twin": twin})
        beyond = _brought_beyond(series)
        if beyond:
            said = _("%(number)s was given already, to an opening balance: begin after it.")
            raise Invalid("last_number", said % {"number": beyond})
        data = {"code": code, "year": year, "after": last_number, "pattern": pattern}
        record("series.opened", actor=actor, target=series, data=data)
    return series


def _twin_of(series: Series) -> Series | None:
    """Return another series that comes to a number of this one, which no document could get twice:
    issuing would stop there, and no pattern of a series that has begun can be changed.

    Receipts and credit notes share their numbers; official receipts have their own.
    """
    shared = {code_of(ReceiptKind.RECEIPT), code_of(ReceiptKind.CREDIT_NOTE)}
    codes = shared if series.code in shared else {series.code}
    others = Series.objects.filter(code__in=codes).exclude(
        code=series.code, fiscal_year=series.fiscal_year
    )
    return next((other for other in others.order_by("pk") if _meet(series, other)), None)


def _meet(one: Series, other: Series) -> bool:
    """Tell whether two series come to the same text: what one has more before and after its number
    is digits only, so that they may be read as digits of the number. One that was left behind for
    good before the other begins, as where a pattern has no year, is no hindrance."""
    (before, after), (ahead, behind) = _around(one), _around(other)
    if (before, after) == (ahead, behind):
        later = max(one, other, key=lambda series: series.fiscal_year)
        earlier = other if later is one else one
        same_code = one.code == other.code and one.fiscal_year != other.fiscal_year
        return not (same_code and later.opened_after >= earlier.last_number)
    heads, tails = sorted((before, ahead), key=len), sorted((after, behind), key=len)
    more = heads[1].removeprefix(heads[0]) + tails[1].removesuffix(tails[0])
    fits = heads[1].startswith(heads[0]) and tails[1].endswith(tails[0])
    return fits and more.isascii() and more.isdecimal() and len(more) < len(str(MOST))


def _around(series: Series) -> tuple[str, str]:
    """Return what a series writes before and after its number."""
    pattern = re.sub(r"\{number(:0[1-9]d)?\}", "\0", series.pattern)
    text = Series(code=series.code, fiscal_year=series.fiscal_year, pattern=pattern).text_of(0)
    before, _mark, after = text.partition("\0")
    return before, after


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
