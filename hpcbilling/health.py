"""/healthz: the process answers. /readyz: what it needs answers too.

`python -m hpcbilling.health` asks the server in the same container, for health checks of Docker.
"""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """The process is up. Touches nothing else, so that a lost database does not restart it."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when every check passes, else 503; what each check found is in the answer."""
    checks = readiness()
    ready = all(found["status"] == "ok" for found in checks.values())
    return JsonResponse(
        {"status": "ok" if ready else "unavailable", "checks": checks}, status=200 if ready else 503
    )


def readiness() -> dict[str, dict[str, str | float]]:
    """What each check found, by its name."""
    return {name: _outcome(check) for name, check in CHECKS.items()}


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    cache.get("readyz")


class MigrationsPendingError(Exception):
    """The code expects a newer database than it finds."""


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise MigrationsPendingError


CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "redis": _redis,
    "migrations": _migrations,
}


def _outcome(check: Callable[[], None]) -> dict[str, str | float]:
    """What `check` found. The page is public, so an error is named by its kind alone."""
    start = time.perf_counter()
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the answer is "not ready"
        return {"status": "failed", "error": type(error).__name__}
    return {"status": "ok", "milliseconds": round((time.perf_counter() - start) * 1000, 1)}


def main() -> int:
    """Ask the server on this machine whether it is ready; 0 when it is."""
    host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0]
    request = urllib.request.Request(
        f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/readyz", headers={"Host": host}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - own address
            print(answer.read().decode())  # noqa: T201 - a command's answer
    except urllib.error.URLError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
