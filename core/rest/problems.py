"""Errors of the API as ``application/problem+json`` (RFC 9457): status, code, detail, errors.

``code`` is stable and for programs; ``detail`` is a translated sentence for people; ``errors``
says for each field what is wrong with it.
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from core.errors import Conflict, DomainError

MEDIA_TYPE = "application/problem+json"
KEPT_HEADERS = ("WWW-Authenticate", "Retry-After")
CODES = {401: "not_authenticated", 403: "permission_denied", 404: "not_found"}


def problem(error: DomainError) -> dict[str, Any]:
    """Return what is told about a refusal by a rule of the business."""
    code = status.HTTP_409_CONFLICT if isinstance(error, Conflict) else status.HTTP_400_BAD_REQUEST
    return {"status": code, "code": error.code, "detail": str(error)}


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of a view; None leaves it to Django, as a defect."""
    if isinstance(error, DomainError):
        body = problem(error)
        return Response(body, status=body["status"], content_type=MEDIA_TYPE)
    if isinstance(error, RequestDataTooBig):
        error = TooLarge()
    response = exception_handler(error, context)
    if response is None:
        return None
    body = {
        "status": response.status_code,
        "code": _code(error, response.status_code),
        "detail": _sentence(response.data),
    }
    if isinstance(error, ValidationError):
        body["errors"] = _by_field(response.data)
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    return Response(body, status=response.status_code, headers=headers, content_type=MEDIA_TYPE)


class TooLarge(APIException):
    """The request's body or number of fields is beyond what the site accepts."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The request is too large."


def _code(error: Exception, status_code: int) -> str:
    if isinstance(error, ValidationError):
        return "invalid"
    if isinstance(error, APIException) and isinstance(code := error.get_codes(), str):
        return code
    return CODES.get(status_code, "error")


def _sentence(data: Any) -> str:
    """Return the first message in what DRF tells, which nests messages by field."""
    if isinstance(data, Mapping):
        if "detail" in data:
            return str(data["detail"])
        name, value = next(iter(data.items()), ("", ""))
        return f"{name}: {_sentence(value)}"
    if isinstance(data, list):
        return _sentence(data[0]) if data else ""
    return str(data)


def _by_field(data: Any) -> dict[str, Any]:
    return dict(data) if isinstance(data, Mapping) else {"request": data}
