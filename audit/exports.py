"""Handing out data as CSV, with a line in the log for each export."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from audit.services import record
from core.actor import Actor
from core.spreadsheet import csv_lines


def csv_response(
    request: HttpRequest,
    *,
    name: str,
    header: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    filters: Mapping[str, Any] | None = None,
) -> StreamingHttpResponse:
    """Stream rows as ``<name>.csv`` and record who took which export with which filters.

    The event is committed before the first row leaves. ``rows`` should be an iterator over a
    server-side cursor, so that memory stays constant.
    """
    record_export(request, name=name, filters=filters)
    response = StreamingHttpResponse(
        csv_lines(header, rows), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = content_disposition_header(True, f"{name}.csv")
    return response


@transaction.atomic
def record_export(
    request: HttpRequest, *, name: str, filters: Mapping[str, Any] | None = None
) -> None:
    """Record who took which data along, before the first byte leaves."""
    chosen = {key: str(value) for key, value in (filters or {}).items()}
    record("export.made", actor=Actor.of(request.user), data={"name": name, "filters": chosen})
