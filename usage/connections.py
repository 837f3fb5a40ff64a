"""The operator's connections to Slurm, read from the TOML file that ``SLURM_CONNECTIONS`` names.

A table for each connection; its name is what a cluster's source refers to::

    [main]
    kind = "slurmrestd"
    url = "https://slurm.example.org:6820"
    user = "billing"
    token_file = "/etc/hpcbilling/slurm.jwt"

Reading the file needs no Slurm: all that can be wrong in it is said by ``manage.py check``.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from usage.sources.versions import API_VERSIONS

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
MAX_FILE_BYTES = 1 << 20
MAX_TIMEOUT_SECONDS = 6 * 3600
_WORD = re.compile(r"[^\x00-\x1f\x7f]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# A wrapper such as ssh hands them to a shell: nothing in them may mean anything to one.
_VALUE = re.compile(r"[A-Za-z0-9_./:,@%+=-]*", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ConnectionsInvalid(ValueError):
    """The file can't be used; ``problems`` has one sentence for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Address:
    """Where a slurmrestd listens: ``socket`` is the path of a unix socket, empty for TCP.

    ``path`` comes before that of the API and has no slash at its end.
    """

    secure: bool = False
    host: str = "localhost"
    port: int = 6820
    path: str = ""
    socket: str = ""


@dataclass(frozen=True, slots=True)
class SlurmrestdConnection:
    """How to reach a slurmrestd. The token is not here: it is read anew when it changes.

    ``api`` pins a version such as v0.0.41.
    """

    name: str
    address: Address = Address()
    user: str = ""
    token_env: str = ""
    token_file: str = ""
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    timeout_seconds: int = 300
    api: str = ""
    kind: str = "slurmrestd"

    @property
    def in_clear(self) -> bool:
        """Whether the token would cross a network unencrypted."""
        address = self.address
        return not (address.secure or address.socket or address.host in _LOOPBACK)


@dataclass(frozen=True, slots=True)
class SacctConnection:
    """How to run sacct: here, or through a wrapper such as ssh, as a list of words (no shell).

    ``sacctmgr`` is needed only where it is not called as sacct is.
    """

    name: str
    command: tuple[str, ...] = ("sacct",)
    sacctmgr: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    timeout_seconds: int = 900
    kind: str = "sacct"


Connection = SlurmrestdConnection | SacctConnection


def configured() -> dict[str, Connection]:
    """Return the site's connections by name; none if no file is set. Raises ConnectionsInvalid."""
    path = str(settings.SLURM_CONNECTIONS or "")
    return read_connections(Path(path)) if path else {}


def read_connections(path: Path) -> dict[str, Connection]:
    """Read a file of connections. Raises ConnectionsInvalid."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConnectionsInvalid([f"{path} can't be read: {error.strerror}."]) from error
    if len(content) > MAX_FILE_BYTES:
        raise ConnectionsInvalid([f"{path} is larger than {MAX_FILE_BYTES} bytes."])
    try:
        tables = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConnectionsInvalid([f"{path} is not TOML: {error}."]) from error
    return parse_connections(tables)


def parse_connections(tables: Mapping[str, object]) -> dict[str, Connection]:
    """Make connections of TOML tables. Raises ConnectionsInvalid with all that is wrong."""
    found: dict[str, Connection] = {}
    problems: list[str] = []
    for name, table in tables.items():
        reader = _Table(name, table)
        made = _connection(reader)
        problems += reader.problems
        if made is not None and not reader.problems:
            found[name] = made
    if problems:
        raise ConnectionsInvalid(problems)
    return found


def remarks(connections: Mapping[str, Connection]) -> Iterator[str]:
    """Yield what works but is unwise: tokens in clear, secrets that others on the machine read."""
    for connection in connections.values():
        if not isinstance(connection, SlurmrestdConnection):
            continue
        if connection.in_clear:
            yield (
                f"[{connection.name}] sends its token unencrypted to {connection.address.host}."
                " Use https, a unix socket, or a tunnel to this machine."
            )
        for path in filter(None, (connection.token_file, connection.client_key)):
            yield from _readable_by_others(connection.name, Path(path))


def _readable_by_others(name: str, path: Path) -> Iterator[str]:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield f"[{name}] {path} can't be read: {error.strerror}."
        return
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield f"[{name}] {path} can be read or changed by everybody on this machine: chmod o= it."
    elif not os.access(path, os.R_OK):
        yield f"[{name}] {path} can't be read by this user."


class _Table:
    """Takes the values of one table out by name and notes what is wrong with them."""

    def __init__(self, name: str, table: object) -> None:
        self.name = name
        self.problems: list[str] = []
        self._values: dict[str, object] = dict(table) if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            self.wrong("is not a table: begin it with a line such as [main]")
        elif NAME.fullmatch(name) is None:
            self.wrong("is no good name: use up to 64 letters, digits and . _ -")

    def wrong(self, what: str) -> None:
        self.problems.append(f"[{self.name}] {what}.")

    def text(self, key: str) -> str:
        value = self._values.pop(key, "")
        if isinstance(value, str) and (not value or _WORD.fullmatch(value)):
            return value
        self.wrong(f"{key} must be a text on one line")
        return ""

    def file(self, key: str) -> str:
        value = self.text(key)
        if value and not Path(value).is_absolute():
            self.wrong(f"{key} must be an absolute path")
        return value

    def seconds(self, default: int) -> int:
        value = self._values.pop("timeout_seconds", default)
        if type(value) is int and 1 <= value <= MAX_TIMEOUT_SECONDS:
            return value
        self.wrong(f"timeout_seconds must be a whole number from 1 to {MAX_TIMEOUT_SECONDS}")
        return default

    def words(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        if key not in self._values:
            return default
        value = self._values.pop(key)
        if isinstance(value, list) and value and all(_is_word(word) for word in value):
            return tuple(value)
        self.wrong(f'{key} must be a list of words, such as ["ssh", "login1", "sacct"]')
        return default

    def variables(self, key: str) -> tuple[tuple[str, str], ...]:
        value = self._values.pop(key, {})
        if isinstance(value, dict) and all(_is_variable(*item) for item in value.items()):
            return tuple(sorted(value.items()))
        self.wrong(
            f"{key} must be a table of names and texts, in which only letters, digits and"
            " _ . / : , @ % + = - may stand"
        )
        return ()

    def finish(self) -> None:
        for key in self._values:
            self.wrong(f"{key!r} is not known here")


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _is_variable(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and _VARIABLE.fullmatch(name) is not None
        and _VALUE.fullmatch(value) is not None
    )


def _connection(table: _Table) -> Connection | None:
    kind = table.text("kind")
    made: Connection
    if kind == "slurmrestd":
        made = _slurmrestd(table)
    elif kind == "sacct":
        made = SacctConnection(
            name=table.name,
            command=table.words("command", ("sacct",)),
            sacctmgr=table.words("sacctmgr", ()),
            environment=table.variables("environment"),
            timeout_seconds=table.seconds(SacctConnection(table.name).timeout_seconds),
        )
    else:
        if not table.problems:
            table.wrong('kind must be "slurmrestd" or "sacct"')
        return None
    table.finish()
    return made


def _slurmrestd(table: _Table) -> SlurmrestdConnection:
    made = SlurmrestdConnection(
        name=table.name,
        address=_address(table),
        user=table.text("user"),
        token_env=table.text("token_env"),
        token_file=table.file("token_file"),
        ca_file=table.file("ca_file"),
        client_certificate=table.file("client_certificate"),
        client_key=table.file("client_key"),
        timeout_seconds=table.seconds(SlurmrestdConnection(table.name).timeout_seconds),
        api=table.text("api"),
    )
    if made.user and _VALUE.fullmatch(made.user) is None:
        table.wrong("user is not a user name")
    if made.token_env and made.token_file:
        table.wrong("token_env and token_file are both given: which one holds the token?")
    if not (made.address.socket or made.token_env or made.token_file):
        table.wrong("needs token_env or token_file")
    if (made.token_env or made.token_file) and not made.user:
        table.wrong("needs the user whose token it is")
    if made.client_key and not made.client_certificate:
        table.wrong("client_key needs client_certificate")
    if (made.ca_file or made.client_certificate) and not made.address.secure:
        table.wrong("ca_file and client_certificate need an https address")
    if made.api and made.api not in API_VERSIONS:
        table.wrong(f"api must be one of {', '.join(API_VERSIONS)}")
    return made


def _address(table: _Table) -> Address:
    url = table.text("url")
    if url.startswith("unix:"):
        path = url.removeprefix("unix:")
        if not Path(path).is_absolute():
            table.wrong("url must be unix: and an absolute path")
        return Address(socket=path)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not _is_address(parts):
        table.wrong(
            "url must be like https://slurm.example.org:6820, http://localhost:6820 or"
            " unix:/run/slurmrestd.socket, without user name and query"
        )
    secure = parts.scheme == "https"
    return Address(
        secure=secure,
        host=parts.hostname or "",
        port=port or (443 if secure else 80),
        path=parts.path.rstrip("/"),
    )


def _is_address(parts: SplitResult) -> bool:
    extra = parts.query or parts.fragment or parts.username or parts.password
    good_path = _VALUE.fullmatch(parts.path) is not None
    return parts.scheme in ("http", "https") and bool(parts.hostname) and good_path and not extra
