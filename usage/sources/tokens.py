"""The token (JWT) that slurmrestd asks for, from a variable or a file."""

import base64
import json
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from usage.connections import SlurmrestdConnection
from usage.sources.base import SourceFailed

_MAX_BYTES = 1 << 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+", re.ASCII)


def current_token(connection: SlurmrestdConnection) -> str:
    """Return the token as it is now, empty if the connection has none.

    It is read for each request, so that one that a job of the operator's renews is used at once.
    What ``scontrol token`` prints (``SLURM_JWT=…``) may stand there as it is. Raises SourceFailed
    (code ``token``) if it is missing or has expired: Slurm would only say that it is not allowed.
    """
    if connection.token_env:
        text = os.environ.get(connection.token_env, "")
        where = f"the variable {connection.token_env}"
    elif connection.token_file:
        text = _content(Path(connection.token_file))
        where = connection.token_file
    else:
        return ""
    token = text.strip().removeprefix("SLURM_JWT=")
    if _TOKEN.fullmatch(token) is None:
        raise SourceFailed("token", f"There is no token in {where}.")
    expires = _expiry(token)
    if expires is not None and expires <= time.time():
        when = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d %H:%M UTC")
        raise SourceFailed("token", f"The token in {where} expired at {when}. Make a new one.")
    return token


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise SourceFailed("token", f"{path} can't be read: {error.strerror}.") from error


def _expiry(token: str) -> float | None:
    """When it expires (epoch), if it says so; what it says is the server's to verify."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return expires if isinstance(expires, int | float) and 0 < expires < 2**40 else None
