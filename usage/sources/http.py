"""One HTTP exchange with a slurmrestd: a request, and an answer that is streamed.

The standard library's client does just what is needed here and nothing behind our back: it follows
no redirect, asks no proxy and no netrc of the environment, unpacks nothing, and speaks over a unix
socket as well. What it lacks is a limit on the whole exchange, which a drip of bytes would outlast.
"""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import AF_UNIX, SHUT_RDWR, SOCK_STREAM, socket

from usage.connections import Address
from usage.sources.base import SourceFailed

CONNECT_SECONDS = 20.0
_BLOCK = 1 << 16


class TimedOut(SourceFailed):
    """The answer didn't come in time."""


class Transient(SourceFailed):
    """A failure that may be gone at the next try."""


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, *, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX, SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Watch:
    """Ends an exchange that takes too long, wherever it hangs, by closing its socket."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._seconds = seconds
        self._sock: socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def start(self, sock: socket) -> None:
        self._sock = sock
        sock.settimeout(self._seconds)
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()

    def refuse_late(self) -> None:
        """Raise TimedOut if time was up."""
        if self.expired:
            raise TimedOut("timeout", f"The answer was not there in {self._seconds:g} seconds.")

    def _expire(self) -> None:
        self.expired = True
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(SHUT_RDWR)


class Answer:
    """An answer whose body is read from it; it is whole once ``read`` returned nothing.

    Raises Transient if the connection was cut before the length that was announced, TimedOut if
    it was because time was up.
    """

    def __init__(self, response: HTTPResponse, watch: _Watch) -> None:
        self.status = response.status
        self.length = response.length
        self._watch = watch
        self._response = response
        self._left = response.length

    def read(self, size: int = -1, /) -> bytes:
        block = self._response.read1(_BLOCK if size < 0 else min(size, _BLOCK))
        if not block:
            self._watch.refuse_late()
        if self._left is not None:
            self._left -= len(block)
            if not block and size and self._left:
                raise Transient("cut_off", f"The connection was cut {self._left} bytes too early.")
        return block


def tls_context(ca_file: str, certificate: str, key: str) -> ssl.SSLContext:
    """Return what a TLS connection checks and shows. Raises SourceFailed (code ``tls``)."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise SourceFailed("tls", f"The certificates can't be used: {error}.") from error
    return context


@contextmanager
def get(
    address: Address,
    target: str,
    headers: Mapping[str, str],
    *,
    seconds: float,
    context: ssl.SSLContext | None = None,
) -> Iterator[Answer]:
    """Ask for a target and yield the answer; all of it must be read within ``seconds``.

    Raises TimedOut, Transient for what may be gone at the next try, else SourceFailed.
    """
    connection, watch = _connection(address, context), _Watch(seconds)
    try:
        _connect(connection, address)
        watch.start(connection.sock)
        connection.request("GET", address.path + target, headers=dict(headers))
        yield Answer(connection.getresponse(), watch)
        watch.refuse_late()
    except TimeoutError:
        watch.expired = True
        watch.refuse_late()
    except (HTTPException, OSError) as error:
        watch.refuse_late()
        told = str(error) or type(error).__name__
        raise Transient("cut_off", f"The connection broke: {told}.") from None
    except SourceFailed:
        watch.refuse_late()
        raise
    finally:
        watch.stop()
        connection.close()


def _connection(address: Address, context: ssl.SSLContext | None) -> HTTPConnection:
    if address.socket:
        return _UnixConnection(address.socket, timeout=CONNECT_SECONDS)
    if address.secure:
        return HTTPSConnection(address.host, address.port, timeout=CONNECT_SECONDS, context=context)
    return HTTPConnection(address.host, address.port, timeout=CONNECT_SECONDS)


def _connect(connection: HTTPConnection, address: Address) -> None:
    try:
        connection.connect()
    except ssl.SSLError as error:
        raise SourceFailed("tls", f"No secure connection: {error.reason or error}.") from None
    except OSError as error:
        where = address.socket or f"{address.host}:{address.port}"
        raise Transient("unreachable", f"{where} can't be reached: {error}.") from None
