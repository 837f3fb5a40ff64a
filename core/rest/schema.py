"""What the OpenAPI schema tells of every endpoint: the errors, and the header against repeats."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from core.rest.problems import MEDIA_TYPE

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=(
        "A text of your choice, such as a UUID, for each thing to be done. Sent again with the "
        "same body it gets the same answer and does nothing (for 30 days); with another body it is "
        "refused with 409."
    ),
)

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["status", "code", "detail"],
    "properties": {
        "status": {"type": "integer", "description": "The HTTP status."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "For people, in the language asked for."},
        "errors": {
            "type": "object",
            "additionalProperties": {},
            "description": "For invalid input: what is wrong, by field.",
        },
    },
}

EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "400": (
        "The request can't be understood, or a value is not acceptable.",
        {
            "status": 400,
            "code": "invalid",
            "detail": "limit: Choose a number from 1 to 500.",
            "errors": {"limit": ["Choose a number from 1 to 500."]},
        },
    ),
    "401": (
        "No credentials, or a token that is unknown, expired or revoked.",
        {
            "status": 401,
            "code": "authentication_failed",
            "detail": "This token is not valid (any more).",
        },
    ),
    "403": (
        "The token lacks the scope, the person lacks the right, or the CSRF token is missing.",
        {
            "status": 403,
            "code": "permission_denied",
            "detail": "You do not have permission to perform this action.",
        },
    ),
    "404": (
        "There is no such thing, or it is not yours to see.",
        {"status": 404, "code": "not_found", "detail": "No Receipt matches the given query."},
    ),
    "406": (
        "The answer is JSON only.",
        {
            "status": 406,
            "code": "not_acceptable",
            "detail": "Could not satisfy the request Accept header.",
        },
    ),
    "409": (
        "The state of things does not allow it, or the Idempotency-Key was used otherwise.",
        {
            "status": 409,
            "code": "total_changed",
            "detail": "New usage arrived since you looked. Check the new total and confirm again.",
        },
    ),
    "413": (
        "The body is too large.",
        {"status": 413, "code": "too_large", "detail": "The request is too large."},
    ),
    "415": (
        "The body is not application/json.",
        {
            "status": 415,
            "code": "unsupported_media_type",
            "detail": 'Unsupported media type "text/plain" in request.',
        },
    ),
    "429": (
        "Too many requests; Retry-After says for how many seconds to wait.",
        {
            "status": 429,
            "code": "throttled",
            "detail": "Request was throttled. Expected available in 12 seconds.",
        },
    ),
}

NOT_FOUND: dict[int, OpenApiResponse] = {404: OpenApiResponse()}
"""For operations that name another thing in their parameters or body; filled in like the rest."""

ALWAYS = ("400", "401", "403", "406", "429")
WITH_BODY = ("409", "413", "415")


def add_problems(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Document the error answers of every operation (a postprocessing hook of drf-spectacular)."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for operation in operations.values():
            codes = [*ALWAYS, *(WITH_BODY if "requestBody" in operation else ())]
            codes += ["404"] if "{" in path or "404" in operation["responses"] else []
            operation["responses"] |= {code: _response(code) for code in codes}
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return result


def _response(code: str) -> dict[str, Any]:
    description, example = EXAMPLES[code]
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    return {"description": description, "content": {MEDIA_TYPE: content}}
