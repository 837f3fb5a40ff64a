"""Filters of lists: strict, and over half-open periods."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import Filter
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from core.rest.moments import SCHEMA, MomentFilter
from core.rest.parsing import refuse_unknown

if TYPE_CHECKING:  # DRF's views read the settings that name this module
    from rest_framework.views import APIView

LARGEST = 2**63 - 1
PAGING = ("cursor", "limit")


class StrictFilterBackend(DjangoFilterBackend):
    """Refuses parameters that no filter has, with 400, besides values that a filter can't read."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Model], view: "APIView"
    ) -> QuerySet[Model]:
        found = self.get_filterset_class(view, queryset)
        if found is not None and view.action == "list":  # type: ignore[attr-defined]
            refuse_unknown(request, {*found.base_filters, *PAGING})
            return super().filter_queryset(request, queryset, view)  # type: ignore[no-any-return]
        refuse_unknown(request, ())
        return queryset


class KeyFilter(Filter):
    """Filters by a whole number that the database can hold."""

    field_class = forms.IntegerField

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=LARGEST, **options)


def key(field: str, description: str) -> Filter:
    """Return a filter by a whole number."""
    schema = {"type": "integer", "format": "int64", "minimum": 0, "maximum": LARGEST}
    return described(KeyFilter(field_name=field), schema, description)


class StrictFilterSet(FilterSet):
    """A set of filters; ``from_`` is called ``from`` in requests, as Python can't name it so.

    With ``from`` and ``to`` both given, the period must not be empty.
    """

    @classmethod
    def get_filters(cls) -> dict[str, Filter]:
        return {name.rstrip("_"): item for name, item in super().get_filters().items()}

    def filter_queryset(self, queryset: QuerySet[Model]) -> QuerySet[Model]:
        start, end = (self.form.cleaned_data.get(name) for name in ("from", "to"))
        if start and end and start >= end:
            raise ValidationError({"to": [_("The period must end after it begins.")]})
        return super().filter_queryset(queryset)  # type: ignore[no-any-return]


def period(field: str) -> tuple[Filter, Filter]:
    """Return the filters ``from`` (included) and ``to`` (not included) of a time."""
    first = MomentFilter(field_name=field, lookup_expr="gte")
    last = MomentFilter(field_name=field, lookup_expr="lt")
    return (
        described(first, SCHEMA, "From this moment or day on, included."),
        described(last, SCHEMA, "Up to this moment or day, not included."),
    )


def described(item: Filter, schema: dict[str, Any], description: str) -> Filter:
    """Return a filter that the schema shows like this."""
    return extend_schema_field({**schema, "description": description})(item)
