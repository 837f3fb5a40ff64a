"""Pages of results that stay the same while rows are added: by key, newest first."""

import re
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

_CURSOR = re.compile(r"[A-Za-z0-9+/]{0,100}={0,2}", re.ASCII)
_KEY = re.compile(r"[0-9]{1,18}", re.ASCII)


class KeyPagination(CursorPagination):
    """``limit`` results from ``cursor`` on; the addresses of the next and previous page are given.

    A row is on one page, and rows that arrive meanwhile are on none but the first.
    """

    ordering = ("-id",)
    page_size = 100
    max_page_size = 500
    page_size_query_param = "limit"

    def get_page_size(self, request: Request) -> int:
        text = str(request.query_params.get("limit", self.page_size))
        if not _KEY.fullmatch(text) or not 1 <= int(text) <= self.max_page_size:
            raise ValidationError({"limit": [_("Choose a number from 1 to 500.")]})
        return int(text)

    def decode_cursor(self, request: Request) -> Cursor | None:
        invalid = ValidationError({"cursor": [_("This is not a cursor of a page.")]})
        if not _CURSOR.fullmatch(str(request.query_params.get("cursor", ""))):
            raise invalid
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise invalid from error
        if cursor and cursor.position is not None and not _KEY.fullmatch(str(cursor.position)):
            raise invalid
        return cursor

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for item in parameters:
            if item["name"] == "limit":
                item["description"] = _("Number of results on a page.")
                item["schema"] = {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}
            else:
                item["description"] = _("Begin of a page, as in “next” or “previous” of another.")
        return parameters
