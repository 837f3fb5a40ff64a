"""What every endpoint does before its own work."""

from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.views import APIView


class Endpoint(APIView):
    """Base of the API's views. ``read_scope`` and ``write_scope`` say which tokens it admits."""

    read_scope: str | None = None
    write_scope: str | None = None

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Read parameters as UTF-8, whatever charset the request claims for its body."""
        request.encoding = "utf-8"
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Keep the body as it came, for the digest of an idempotent request."""
        if request.method == "POST":
            self.raw_body = bytes(request.body)
        super().initial(request, *args, **kwargs)
