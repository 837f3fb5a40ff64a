"""Middleware of the project itself."""

from collections.abc import Callable

import structlog
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django_structlog.middlewares import RequestMiddleware

from core.client_address import client_address


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """The strict policy everywhere; under /admin/ the directives that unfold needs are relaxed."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/") and not report_only:
            parts.replace = {**settings.CONTENT_SECURITY_POLICY_ADMIN, **(parts.replace or {})}
        return parts


class PrintableAddressMiddleware:
    """Answers 400 to an address with a NUL, which no text in the database may have: the pages that
    look for a text of their address would break."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path_info:
            return HttpResponseBadRequest()
        return self.get_response(request)


class RequestLogMiddleware(RequestMiddleware):
    """One line a request, without the query, which can name people and carry tokens."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        structlog.contextvars.bind_contextvars(ip=client_address(request))
