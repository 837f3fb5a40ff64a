"""API requests that arrive twice count once: answers kept under the client's Idempotency-Key."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import IdempotentRequest
from core.errors import Conflict, DomainError, Invalid
from core.locks import Space, hold_until_commit

KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for under a key: only the very same again gets the same answer."""

    user_id: int
    key: str
    method: str
    path: str
    body: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and JSON text; ``replayed`` if it was given before."""

    status: int
    text: str
    replayed: bool = False


def answer_once(
    request: Request, *, act: Callable[[], Answer], refuse: Callable[[DomainError], Answer]
) -> Answer:
    """Act and keep the answer, or give the one that was kept; both in one transaction.

    A refusal by a rule of the business is an answer too. Of two requests at once the second waits
    for the first. Raises Invalid for a malformed key, Conflict if the key was used for another
    request.
    """
    if not KEY.fullmatch(request.key):
        raise Invalid(
            "idempotency_key", _("An Idempotency-Key has 1 to 255 visible ASCII characters.")
        )
    with transaction.atomic():
        hold_until_commit(Space.API_KEY, f"{request.user_id}:{request.key}")
        known = IdempotentRequest.objects.filter(user_id=request.user_id, key=request.key).first()
        if known is not None:
            return _again(known, request)
        answer = _act(act, refuse)
        IdempotentRequest.objects.create(
            user_id=request.user_id,
            key=request.key,
            method=request.method,
            path=request.path,
            body_sha256=request.sha256,
            status=answer.status,
            answer=answer.text,
        )
    return answer


def _act(act: Callable[[], Answer], refuse: Callable[[DomainError], Answer]) -> Answer:
    try:
        with transaction.atomic():
            return act()
    except DomainError as error:
        return refuse(error)


def _again(known: IdempotentRequest, request: Request) -> Answer:
    before = (known.method, known.path, known.body_sha256)
    if before != (request.method, request.path, request.sha256):
        raise Conflict(
            "idempotency_key_reused",
            _("This Idempotency-Key was used for another request. Use a new one."),
        )
    return Answer(known.status, known.answer, replayed=True)


def forget_old_answers() -> int:
    """Delete answers older than 30 days and return how many there were; a key may be used anew."""
    old = IdempotentRequest.objects.filter(created_at__lt=timezone.now() - KEPT)
    deleted, _rows = old.delete()
    return deleted
