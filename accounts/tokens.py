"""API tokens: making, recognising, using and revoking them."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiToken, User
from accounts.scopes import Scope
from accounts.selectors import Viewer
from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid

PREFIX = "hpcb_"
KEY_BYTES = 32
MAX_DAYS = 366
USE_NOTED_EVERY = timedelta(minutes=1)


def create_token(
    *, user: User, name: str, scopes: Collection[str], days: int, actor: Actor
) -> tuple[ApiToken, str]:
    """Make a token and return it with its key, which is not stored and can't be shown again.

    Raises Invalid for an empty name, unknown or no scopes, or a life outside 1 to 366 days.
    """
    name, chosen = name.strip(), sorted(set(scopes))
    if not 0 < len(name) <= 100 or "\0" in name:
        raise Invalid("token_name", _("Give the token a name of up to 100 characters."))
    if not chosen or not set(chosen) <= set(Scope.values):
        raise Invalid("token_scopes", _("Choose at least one scope, and only known ones."))
    if not 1 <= days <= MAX_DAYS:
        raise Invalid(
            "token_days", _("A token lives from 1 to %(days)d days.") % {"days": MAX_DAYS}
        )
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user,
            name=name,
            digest=digest_of(key),
            scopes=chosen,
            expires_at=timezone.now() + timedelta(days=days),
        )
        record("api_token.created", actor=actor, target=token, data=_describe(token))
    return token, key


def revoke_token(*, token: ApiToken, actor: Actor) -> None:
    """Make a token useless from now on. Raises Conflict if it is revoked already."""
    with transaction.atomic():
        changed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
            revoked_at=timezone.now()
        )
        if not changed:
            raise Conflict("token_revoked", _("This token is revoked already."))
        record("api_token.revoked", actor=actor, target=token, data=_describe(token))


def valid_token(key: str) -> ApiToken | None:
    """Return the token of a key if it may be used now: neither revoked nor expired, and its owner
    active. The key has 256 random bits, so its SHA-256 needs no salt and can be looked up."""
    if not key.startswith(PREFIX):
        return None
    digest = digest_of(key)
    token = ApiToken.objects.select_related("user").filter(digest=digest).first()
    if token is None or not hmac.compare_digest(token.digest, digest):
        return None
    usable = token.revoked_at is None and token.expires_at > timezone.now()
    return token if usable and token.user.is_active else None


def note_use(token: ApiToken) -> None:
    """Keep when a token was last used, to the minute: a busy token costs one write a minute."""
    now = timezone.now()
    before = now - USE_NOTED_EVERY
    if token.last_used_at is None or token.last_used_at <= before:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def tokens_of(user: Viewer) -> QuerySet[ApiToken]:
    """Return a person's own tokens, newest first."""
    return ApiToken.objects.filter(user_id=user.pk or 0).order_by("-created_at", "-pk")


def digest_of(key: str) -> str:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _describe(token: ApiToken) -> dict[str, object]:
    return {
        "user": token.user.get_username(),
        "name": token.name,
        "scopes": token.scopes,
        "expires_at": token.expires_at,
    }
