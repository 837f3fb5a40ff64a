"""Signing in to the API with a token."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.tokens import note_use, valid_token


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer hpcb_…``; ``request.auth`` is then the token.

    A request with a token that does not hold is refused, also if it has a session: 401 says the
    same whether the token is unknown, expired, revoked or its owner inactive.
    """

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _space, key = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        token = valid_token(key.strip())
        if token is None:
            raise AuthenticationFailed(_("This token is not valid (any more)."))
        note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Make the answer to a request without credentials 401, not 403."""
        return self.keyword


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema tells of tokens."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "hpcb_…",
            "description": "A token made on the page “API tokens”. It works within its scopes.",
        }
