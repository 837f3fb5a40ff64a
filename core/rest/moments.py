"""Moments in requests: a time with its zone, or a day, which means its first moment on the site."""

import re
from datetime import UTC, date, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import Filter
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.intervals import local_midnight
from core.site import site_zone

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})", re.ASCII
)
SCHEMA = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2}))?$",
    "example": "2026-11-01",
}


def read_moment(text: str) -> datetime:
    """Return a moment in UTC. Raises ValueError if it is unreadable, without a zone, or absurd."""
    if DAY.fullmatch(text):
        day = date.fromisoformat(text)
        if not FIRST.year < day.year < LAST.year:
            raise ValueError("out of range")
        return local_midnight(day, site_zone())
    if not MOMENT.fullmatch(text):
        raise ValueError("not a moment")
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error
    if not FIRST <= moment < LAST:
        raise ValueError("out of range")
    return moment


MESSAGE = _(
    "Write a day such as 2026-11-01, or a time with its zone such as 2026-11-01T00:00:00+07:00 "
    "(in an address the + has to be encoded)."
)


class MomentFormField(forms.Field):
    """Reads a moment of a query parameter."""

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            return read_moment(str(value))
        except ValueError as error:
            raise ValidationError(MESSAGE, code="invalid") from error


@extend_schema_field(SCHEMA)
class MomentFilter(Filter):
    """Filters by a moment."""

    field_class = MomentFormField


@extend_schema_field(SCHEMA)
class MomentField(serializers.Field[datetime, str, str, Any]):
    """Reads a moment of a request's body or query."""

    default_error_messages = {"invalid": MESSAGE}

    def to_internal_value(self, data: str) -> datetime:
        try:
            return read_moment(str(data))
        except ValueError:
            self.fail("invalid")

    def to_representation(self, value: datetime) -> str:
        return timezone.localtime(value).isoformat()
