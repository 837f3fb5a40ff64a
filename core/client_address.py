"""From which address a request came, as far as it can be trusted."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The visitor's address: the connection's own, or what our outermost proxy saw.

    Each proxy appends the address that it was asked from to X-Forwarded-For, so with PROXY_COUNT
    proxies the entry at that place from the right was written by ours, and everything left of it by
    whoever the visitor pleases. What is missing or is no address falls back to the connection's.
    """
    direct = str(request.META.get("REMOTE_ADDR", ""))
    entries = [entry.strip() for entry in request.headers.get("X-Forwarded-For", "").split(",")]
    if not settings.PROXY_COUNT or len(entries) < settings.PROXY_COUNT:
        return direct
    try:
        return str(ip_address(entries[-settings.PROXY_COUNT]))
    except ValueError:
        return direct
