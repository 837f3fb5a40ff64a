"""The API's limits for pages that need no login."""

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.views import APIView

from core.rest.throttling import AnonymousThrottle


def is_over_limit(request: HttpRequest) -> bool:
    """Whether an address has asked too often without logging in; counts this request."""
    if request.user.is_authenticated:
        return False
    return not AnonymousThrottle().allow_request(Request(request), APIView())
