from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from django.db import connection
from django.test import Client, override_settings

from hpcbilling import health

NOWHERE = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
    }
}


def test_healthz_needs_no_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_reports_each_check(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.json()
    assert set(answer.json()["checks"]) == {"database", "redis", "migrations"}
    assert answer["Cache-Control"].startswith("max-age=0")


@pytest.mark.django_db
@override_settings(CACHES=NOWHERE)
def test_readyz_without_redis_is_unavailable(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["redis"] == {"status": "failed", "error": "ConnectionError"}
    assert answer.json()["checks"]["database"]["status"] == "ok"


@pytest.mark.django_db
def test_readyz_without_database_is_unavailable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ConnectionRefusedError("postgres://user:secret@db is down")

    monkeypatch.setitem(health.CHECKS, "database", refuse)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "secret" not in answer.text


@pytest.mark.django_db
def test_readyz_with_a_pending_migration_is_unavailable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "django.db.migrations.recorder.MigrationRecorder.applied_migrations", lambda _self: {}
    )
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"]["error"] == "MigrationsPendingError"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


class Probed(BaseHTTPRequestHandler):
    """Stands for the web server of a container; answers as the class attribute says."""

    status = 200
    hosts: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_containers_probe_follows_readyz(
    status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probed, "status", status)
    server = HTTPServer(("127.0.0.1", 0), Probed)
    monkeypatch.setenv("PORT", str(server.server_port))
    monkeypatch.setenv("ALLOWED_HOSTS", "billing.example,other.example")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(server.handle_request)
        assert health.main() == code
    server.server_close()
    assert Probed.hosts[-1] == "billing.example"
    assert health.main() == 1
