"""Numbers of documents: the next one of a series, and series that go on from elsewhere."""

from datetime import date

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict
from receipts.models import ReceiptKind, Series


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


def open_series(*, code: str, year: int, last_number: int, pattern: str, actor: Actor) -> Series:
    """Begin a series after numbers that were given out elsewhere, written as they were there.

    Raises Conflict if the series is there: its numbers are in use.
    """
    try:
        with transaction.atomic():
            series = Series.objects.create(
                code=code,
                fiscal_year=year,
                pattern=pattern,
                opened_after=last_number,
                last_number=last_number,
            )
            series.full_clean(exclude=["code"], validate_unique=False, validate_constraints=False)
            record(
                "series.opened",
                actor=actor,
                target=series,
                data={"code": code, "year": year, "after": last_number, "pattern": pattern},
            )
    except IntegrityError as error:
        raise Conflict(
            "series_exists", _("This series has begun already; its numbers go on by themselves.")
        ) from error
    return series


def fiscal_year(day: date) -> int:
    """Return the fiscal year of a day, named by the calendar year in which it ends."""
    first_month = settings.SITE_FISCAL_YEAR_START
    return day.year + (1 if first_month > 1 and day.month >= first_month else 0)
