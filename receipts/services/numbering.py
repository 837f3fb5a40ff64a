"""Numbers of documents: the next one of a series, and series that go on from elsewhere."""

import re
from datetime import date

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from receipts.models import ReceiptKind, Series
from receipts.models.series import PATTERN


def code_of(kind: str) -> str:
    """Return the code of the series that documents of a kind are numbered in."""
    notes = kind == ReceiptKind.CREDIT_NOTE
    return str(settings.SERIES_CREDIT_NOTE if notes else settings.SERIES_RECEIPT)


def next_number(code: str, year: int) -> tuple[Series, int]:
    """Take the next number of a series, locked until commit, so that none is lost or used twice."""
    Series.objects.get_or_create(
        code=code, fiscal_year=year, defaults={"pattern": settings.SERIES_PATTERN}
    )
    series = Series.objects.select_for_update(no_key=True).get(code=code, fiscal_year=year)
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


def open_series(*, code: str, year: int, last_number: int, pattern: str, actor: Actor) -> Series:
    """Begin a series after numbers that were given out elsewhere, written as they were there.

    Raises Invalid for a pattern without a number, Conflict if the series is there: its numbers are
    in use.
    """
    if not re.search(PATTERN, pattern):
        raise Invalid("pattern", _("A pattern of numbers needs {number} once, as in {number:06d}."))
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
        data = {"code": code, "year": year, "after": last_number, "pattern": pattern}
        record("series.opened", actor=actor, target=series, data=data)
    return series


def fiscal_year(day: date) -> int:
    """Return the fiscal year of a day, named by the calendar year in which it ends."""
    first_month = settings.SITE_FISCAL_YEAR_START
    return day.year + (1 if first_month > 1 and day.month >= first_month else 0)
