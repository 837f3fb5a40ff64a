"""Reading requests: strict JSON in UTF-8, and no parameter that does not exist."""

import json
from collections.abc import Collection
from typing import IO, Any, NoReturn

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class StrictJSONParser(BaseParser):
    """JSON without NaN and infinity, always UTF-8, whatever the request says of its charset."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        try:
            return json.loads(stream.read().decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError(_("The body is not JSON in UTF-8.")) from error


def refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Raise ValidationError for query parameters that do not exist: a mistyped filter must not
    return everything."""
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        raise ValidationError({name[:100]: [_("There is no such parameter.")] for name in unknown})
