"""When signing in is refused for a while, however good the password is."""

from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_failure_limit
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest


class LockoutHandler(AxesDatabaseHandler):
    """Locks a name at an address after a few failures, and an address after many over all names.

    The second limit stops one machine from trying a common password on everybody. It is higher,
    because people behind one gateway share an address. Names that nobody has are counted alike,
    so a lockout tells nothing about who exists.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return the failures to compare with the limit for one name at one address."""
        failures = int(super().get_failures(request, credentials))
        if self._of_address(request) >= settings.AUTH_LOCKOUT_ADDRESS_FAILURES:
            return max(failures, int(get_failure_limit(request, credentials)))
        return failures

    def _of_address(self, request: HttpRequest) -> int:
        recent = AccessAttempt.objects.filter(
            ip_address=getattr(request, "axes_ip_address", None),
            attempt_time__gte=get_cool_off_threshold(request),
        )
        return int(recent.aggregate(n=Sum("failures_since_start"))["n"] or 0)


def was_refused(request: HttpRequest | None) -> bool:
    """Tell whether an attempt was turned away during a lockout, without a look at its password."""
    locked = getattr(request, "axes_locked_out", False)
    return bool(locked) and getattr(request, "axes_failures_since_start", None) is None
