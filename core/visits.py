"""How often an address may ask for a public page."""

import logging
import time

from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from core.client_address import client_address

log = logging.getLogger(__name__)

_SECONDS = 60


def too_many(request: HttpRequest, page: str, most: int) -> bool:
    """Count a visit and tell whether its address made more than ``most`` of a page in a minute.

    Without the cache nothing is counted: a limit must not become an outage.
    """
    minute = int(time.time()) // _SECONDS
    key = f"visits:{page}:{client_address(request)}:{minute}"
    try:
        cache.add(key, 0, timeout=2 * _SECONDS)
        return cache.incr(key) > most
    except (RedisError, OSError, ValueError) as error:  # ValueError: it expired in between
        log.warning("visits are not counted: %s", error)
        return False
