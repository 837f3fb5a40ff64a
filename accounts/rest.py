"""Answering POST requests of the API, once for each Idempotency-Key."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from accounts.idempotency import Answer, answer_once
from accounts.idempotency import Request as IdempotentRequest
from core.errors import DomainError
from core.rest import problems
from core.rest.views import Endpoint


class WritingEndpoint(Endpoint):
    """An endpoint whose POST makes something."""

    def created(self, request: Request, act: Callable[[], Any]) -> HttpResponse:
        """Make something with ``act``, which returns what to show of it, and answer 201.

        With an ``Idempotency-Key`` a repeated request is answered as the first was, refusals by
        rules of the business included; the header ``Idempotent-Replayed`` tells so.
        """
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return _response(_made(act()))
        asked = IdempotentRequest(
            user_id=int(request.user.pk or 0),
            key=key,
            method=str(request.method),
            path=request.path[:255],
            body=self.raw_body,
        )
        return _response(answer_once(asked, act=lambda: _made(act()), refuse=_refused))


def _made(data: Any) -> Answer:
    return Answer(status.HTTP_201_CREATED, _json(data))


def _refused(error: DomainError) -> Answer:
    body = problems.problem(error)
    return Answer(body["status"], _json(body))


def _json(data: Any) -> str:
    return bytes(JSONRenderer().render(data)).decode()


def _response(answer: Answer) -> HttpResponse:
    good = answer.status < status.HTTP_400_BAD_REQUEST
    media_type = "application/json" if good else problems.MEDIA_TYPE
    response = HttpResponse(answer.text, status=answer.status, content_type=media_type)
    if answer.replayed:
        response["Idempotent-Replayed"] = "true"
    return response
