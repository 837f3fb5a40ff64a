"""How many requests a person, or an address without credentials, may make."""

import logging
from typing import TYPE_CHECKING

from django.conf import settings
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

if TYPE_CHECKING:  # DRF's views read the settings that name this module
    from rest_framework.views import APIView

log = logging.getLogger(__name__)


class _FailOpen(SimpleRateThrottle):
    """Counts in the cache. Without the cache requests pass: a limit must not become an outage."""

    def get_rate(self) -> str:
        rates: dict[str, str] = settings.API_THROTTLE_RATES
        return rates[str(self.scope)]

    def allow_request(self, request: Request, view: "APIView") -> bool:
        try:
            return super().allow_request(request, view)
        except (RedisError, OSError) as error:
            log.warning("requests are not counted, the cache can't be reached: %s", error)
            return True


class UserThrottle(_FailOpen, UserRateThrottle):
    """By person, over all of the person's tokens and sessions."""


class AnonymousThrottle(_FailOpen, AnonRateThrottle):
    """By address, for requests without credentials."""
