"""The two servers together: throw-away, or kept in `.services/` of the project."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from hpcbilling.embedded import servers
from hpcbilling.embedded.account import can_reach, drop_to
from hpcbilling.embedded.process import Server
from hpcbilling.environment import STATE_FILE, running_services, services_directory

PROJECT = Path(__file__).resolve().parent.parent.parent


@contextlib.contextmanager
def throw_away(variables: Mapping[str, str] = os.environ) -> Iterator[dict[str, str]]:
    """Services that vanish afterwards; yields the variables that reach them.

    What `variables` already names is used as it is and not touched.
    """
    directory = Path(tempfile.mkdtemp(prefix="hpcbilling-", dir=_short_temporary_directory()))
    account = drop_to()
    if account:
        account.owns(directory)
    place = servers.Place(directory, account, throw_away=True)
    try:
        with _running(place, variables) as found:
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def kept(
    variables: Mapping[str, str] = os.environ,
    project: Path = PROJECT,
    also: Mapping[str, str] | None = None,
) -> Iterator[dict[str, str]]:
    """The project's own services, whose data stays; already running ones are shared.

    While they run, `.services/state.json` (0600) tells `manage.py` how to reach them,
    together with the variables in `also`.
    """
    running = answering(project)
    if running and not variables.get("DATABASE_URL"):
        yield running
        return
    state = services_directory(project) / STATE_FILE
    state.parent.mkdir(mode=0o700, exist_ok=True)
    place = servers.Place(_kept_directory(project), drop_to(), throw_away=False)
    with _running(place, variables) as found:
        descriptor = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            json.dump(
                {"pid": os.getpid(), "environment": {**(also or {}), **found}}, handle, indent=2
            )
        try:
            yield found
        finally:
            state.unlink(missing_ok=True)


def forget(project: Path = PROJECT) -> None:
    """Delete the kept data. Refused while the services run."""
    if answering(project):
        raise RuntimeError("The services are running: stop `make demo` first, then reset.")
    shutil.rmtree(_kept_directory(project), ignore_errors=True)
    shutil.rmtree(services_directory(project), ignore_errors=True)


def answering(project: Path = PROJECT) -> dict[str, str]:
    """The kept services' addresses if both servers answer, else nothing."""
    found = running_services(project)
    if found and servers.answers(found["DATABASE_URL"], found["REDIS_URL"]):
        return found
    return {}


def _short_temporary_directory() -> str:
    """The plain one: macOS's own is long and closed to other users."""
    return "/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108


def _kept_directory(project: Path) -> Path:
    """`.services/` of the project; for root under a closed home, one that the servers can reach."""
    account = drop_to()
    inside = services_directory(project) / "data"
    if can_reach(inside.parent, account):
        inside.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The servers' user must pass; what lies in it stays private by its own mode.
        inside.parent.chmod(0o711 if account else 0o700)
    else:
        name = hashlib.sha256(str(services_directory(project)).encode()).hexdigest()[:16]
        inside = Path("/var/tmp") / f"hpcbilling-{name}"  # noqa: S108 - created 0700, owner checked
        inside.mkdir(mode=0o700, exist_ok=True)
    if account:
        account.owns(inside)
    return inside


@contextlib.contextmanager
def _running(place: servers.Place, variables: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Start what `variables` does not name; stop it, in reverse order, whatever happens."""
    found: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if not variables.get("DATABASE_URL"):
            server, port = servers.start_postgres(place)
            stack.callback(server.stop)
            servers.create_roles(place, port)
            found |= servers.database_urls(place, port)
        if not variables.get("REDIS_URL"):
            server, url = servers.start_redis(place)
            stack.callback(server.stop)
            found["REDIS_URL"] = url
        yield found


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an ordinary exit, so that servers are stopped on the way out.

    SIGINT raises KeyboardInterrupt also in a background job of a script, which starts ignoring it.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    handlers = {signal.SIGTERM: leave, signal.SIGHUP: leave, signal.SIGINT: _interrupt}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["Server", "answering", "forget", "kept", "stopped_by_signals", "throw_away"]
