"""What every endpoint does before its own work."""

from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView


class Endpoint(APIView):
    """Base of the API's views. ``read_scope`` and ``write_scope`` say which tokens it admits."""

    read_scope: str | None = None
    write_scope: str | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Keep the body as it came, for the digest of an idempotent request."""
        if request.method == "POST":
            self.raw_body = bytes(request.body)
        super().initial(request, *args, **kwargs)
