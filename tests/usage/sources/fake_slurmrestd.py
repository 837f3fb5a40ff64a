"""A slurmrestd that isn't one: the recorded shapes, and every way to fail that was seen or feared.

It listens on loopback TCP, TLS or a unix socket. A test sets what it knows (versions, clusters,
users) and may put one of the faults below in place of its answer about jobs.
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_UNIX
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

UNAUTHORIZED = b"Authentication failure"
NO_SUCH_PATH = b"Unable find requested URL. Please view /openapi/v3 for API reference."


@dataclass
class State:
    """What the fake knows, and what it was asked: a path, its query and the headers."""

    versions: tuple[str, ...] = ("v0.0.41",)
    clusters: tuple[str, ...] = ("demo25",)
    users: dict[str, Any] = field(default_factory=lambda: {"billing": ["Operator"]})
    tokens: dict[str, str] = field(default_factory=lambda: {"billing": "good"})
    jobs: bytes = b""
    hangs: bool = False
    fault: "Callable[[Handler], None] | None" = None
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def targets(self) -> list[str]:
        return [path for path, _query, _headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    """Answers as slurmrestd does."""

    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, *args: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.state.asked.append((parts.path, query, dict(self.headers)))
        way = parts.path.removeprefix("/site").strip("/").split("/")
        token = self.headers.get("X-SLURM-USER-TOKEN", "")
        user = self.headers.get("X-SLURM-USER-NAME", "")
        if self.state.tokens and self.state.tokens.get(user) != token:
            self.give(401, UNAUTHORIZED, "text/plain")
        elif len(way) < 3 or way[0] != "slurmdb" or way[1] not in self.state.versions:
            self.give(404, NO_SUCH_PATH, "text/plain")
        elif self.state.hangs:
            hang(self)
        elif way[2] == "clusters":
            self.tell({"clusters": [{"name": name} for name in self.state.clusters]})
        elif way[2] == "user":
            self._user(way[3], way[1])
        elif self.state.fault is not None:
            self.state.fault(self)
        elif query.get("cluster") not in self.state.clusters:
            self.give(200, b'{"jobs": [], "errors": [], "warnings": [{"description": "nothing"}]}')
        else:
            self.give(200, self.state.jobs)

    def _user(self, name: str, version: str) -> None:
        if name in self.state.users:
            level = self.state.users[name]
            self.tell({"users": [{"name": name, "administrator_level": level}]})
        elif version == "v0.0.38":
            self.tell({"users": [], "errors": [{"error_number": 9003}]}, 500)
        else:
            self.tell({"users": []})

    def tell(self, body: dict[str, Any], status: int = 200) -> None:
        self.give(status, json.dumps({"errors": [], "meta": {}} | body).encode())

    def give(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


class Server(ThreadingHTTPServer):
    """The server; a client that goes away is no news."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing."""


class UnixServer(Server):
    """The server on a unix socket."""

    address_family = AF_UNIX

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


@contextmanager
def running(
    state: State, *, socket: Path | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Run the fake and yield its address, as a connection's ``url``."""
    handler = type("Here", (Handler,), {"state": state})
    server: Server
    if socket is not None:
        server = UnixServer(str(socket), handler)  # type: ignore[arg-type]  # a path, for AF_UNIX
        url = f"unix:{socket}"
    else:
        server = Server(("127.0.0.1", 0), handler)
        url = f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield url
    finally:
        state.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


# --- Faults ---------------------------------------------------------------------------------------


def status(number: int, body: bytes = b"", kind: str = "application/json") -> Any:
    """An answer with a status of its own."""
    return lambda handler: handler.give(number, body, kind)


def errors(number: int, text: str, code: int = 200) -> Any:
    """An answer that reports an error, beside the list of jobs as it would be."""

    def fault(handler: Handler) -> None:
        body = json.loads(handler.state.jobs or b'{"jobs": []}')
        body["errors"] = [{"error_number": number, "error": text, "source": "slurmdb_jobs_get"}]
        handler.give(code, json.dumps(body).encode())

    return fault


def hang(handler: Handler) -> None:
    """No answer at all."""
    handler.state.closing.wait(30)


def drip_body(handler: Handler) -> None:
    """A body that comes byte by byte, each in time."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(handler.state.jobs)))
    handler.end_headers()
    _drip(handler, handler.state.jobs)


def drip_headers(handler: Handler) -> None:
    """Headers that come byte by byte."""
    _drip(handler, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" * 1000)


def _drip(handler: Handler, data: bytes) -> None:
    for byte in data:
        if handler.state.closing.wait(0.05):
            return
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()


def cut(handler: Handler) -> None:
    """A connection that ends before the length that was announced."""
    body = handler.state.jobs
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def cut_without_length(handler: Handler) -> None:
    """The same, where no length was announced: only the JSON shows it."""
    body = handler.state.jobs
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def chunked(handler: Handler) -> None:
    """A whole answer in chunks."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    body = handler.state.jobs
    for start in range(0, len(body), 5000):
        block = body[start : start + 5000]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
    handler.wfile.write(b"0\r\n\r\n")


def redirect(handler: Handler) -> None:
    """Sent to another address, with the token in the hope that it is sent along."""
    handler.send_response(307)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def times(count: int, fault: "Callable[[Handler], None]") -> Any:
    """A fault that is gone after so many answers."""
    left = [count]

    def once(handler: Handler) -> None:
        if left[0]:
            left[0] -= 1
            fault(handler)
        else:
            handler.give(200, handler.state.jobs)

    return once


def endless(handler: Handler) -> None:
    """An answer that never ends."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    record = b'{"job_id": 1},' * 1000
    handler.wfile.write(b'{"jobs": [')
    while not handler.state.closing.is_set():
        handler.wfile.write(record)
