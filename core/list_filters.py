"""What narrows long lists of the console without reading them whole.

Django's ``date_hierarchy`` and its filters of all values look through every row there is, for each
list that is shown: with millions of jobs that takes longer than all the rest.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Max, Min, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import formatting
from core.intervals import Interval, next_month
from core.site import is_period, site_days, site_zone

LOOKED_AT = 10_000
"""So many of the latest rows tell which values there are."""


class DayFilter(SimpleListFilter):
    """Narrows a list to a year, a month or a day of the site, in which a moment lies.

    Subclasses name the field, which has to be indexed: only its first and its last moment are
    asked for. Shown are the years, the months of the year that is chosen, or of the last one, and
    the days of the month that is chosen.
    """

    title = _("end")
    parameter_name = "ended"
    field = "end"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        ends = model_admin.model.objects.aggregate(first=Min(self.field), last=Max(self.field))
        if ends["first"] is None:
            return []
        first, last = (timezone.localdate(ends[end], site_zone()) for end in ("first", "last"))
        return list(_offered(first, last, self.value() or str(last.year)))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        span = _span(value)
        return queryset.filter(**{f"{self.field}__gte": span.start, f"{self.field}__lt": span.end})


def _offered(first: date, last: date, chosen: str) -> Iterator[tuple[str, str]]:
    """The latest comes first, as in the lists themselves."""
    told = set[str]()
    for back in range((last - first).days + 1):
        day = last - timedelta(days=back)
        for text, name, begins in (
            (f"{day:%Y}", f"{day:%Y}", ""),
            (f"{day:%Y-%m}", formatting.month(day), f"{day:%Y}"),
            (f"{day:%Y-%m-%d}", formatting.day(day), f"{day:%Y-%m}"),
        ):
            if text not in told and chosen.startswith(begins):
                told.add(text)
                yield text, name


def _span(value: str) -> Interval:
    try:
        first = date.fromisoformat((value + "-01-01")[:10])
    except ValueError as error:
        raise IncorrectLookupParameters from error
    ends = {4: date(first.year, 12, 31), 7: next_month(first) - timedelta(days=1), 10: first}
    last = ends.get(len(value))
    if last is None or not is_period(first, last):
        raise IncorrectLookupParameters
    return site_days(first, last)


class LatestValues(AllValuesFieldListFilter):
    """Narrows a list to a value that a field has in its latest rows.

    The model's own order begins with the latest, by an index.
    """

    lookup_choices: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        latest = QuerySet[Any](self.field.model).values_list(self.field_path, flat=True)
        self.lookup_choices = sorted(set(latest[:LOOKED_AT]))
