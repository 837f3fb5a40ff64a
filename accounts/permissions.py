"""What a token's scopes and a person's rights allow in the API."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken
from accounts.scopes import Scope

if TYPE_CHECKING:  # DRF's views read the settings that name this module
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """A token needs the view's ``read_scope``, or ``write_scope`` to change anything.

    A view without the scope admits no token but one with ``*``. A session has no scopes: the
    person may do everything that the person may do.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        token = request.auth
        if not isinstance(token, ApiToken):
            return True
        kind = "read_scope" if request.method in SAFE_METHODS else "write_scope"
        return bool({Scope.ALL, getattr(view, kind, None)} & set(token.scopes))
