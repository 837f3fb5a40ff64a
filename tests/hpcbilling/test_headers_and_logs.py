from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from hpcbilling.log_setup import REQUEST_LOGGER, OneLineARequest


@pytest.mark.django_db
def test_the_policy_is_strict_and_relaxed_under_admin_alone(client: Client) -> None:
    strict = client.get("/no-such-page")["Content-Security-Policy"]
    assert "script-src 'self';" in f"{strict};"
    assert "unsafe" not in strict
    assert "frame-ancestors 'none'" in strict
    relaxed = client.get("/admin/login/")["Content-Security-Policy"]
    assert "'unsafe-eval'" in relaxed
    assert "frame-ancestors 'none'" in relaxed
    assert "unsafe" not in client.get("/administration")["Content-Security-Policy"]


@pytest.mark.django_db
def test_browsers_are_told_to_stay_on_https_and_out_of_frames(
    client: Client, settings: Settings
) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/admin/login/", secure=True)
    assert answer["Strict-Transport-Security"].startswith("max-age=31536000")
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert client.get("/admin/login/").status_code == 301
    assert client.get("/healthz").status_code == 200


def request_ids(client: Client, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level("INFO"):
        client.get("/admin/login/", headers={"X-Request-ID": "trace-42"})
    events = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [event["request_id"] for event in events if event["event"] == "request_finished"]


@pytest.mark.django_db
def test_each_request_has_an_id_in_its_log_line(
    client: Client, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    (first,), (second,) = request_ids(client, caplog), request_ids(client, caplog)
    assert len({first, second, "trace-42"}) == 3
    settings.DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
    assert request_ids(client, caplog) == ["trace-42"]


@pytest.mark.django_db
def test_a_request_has_one_line_with_its_duration_and_probes_have_none(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        client.get("/admin/login/?secret=1", headers={"X-Forwarded-For": "6.6.6.6"})
        client.get("/healthz")
    kept = [record for record in caplog.records if OneLineARequest().filter(record)]
    events: list[Any] = [record.msg for record in kept if record.name == REQUEST_LOGGER]
    assert [event["event"] for event in events] == ["request_finished"]
    assert events[0]["request"] == "GET /admin/login/"
    assert events[0]["milliseconds"] > 0
    assert events[0]["ip"] == "127.0.0.1"


@pytest.mark.django_db
def test_failures_are_counted_by_name_and_trusted_address(
    client: Client, settings: Settings
) -> None:
    """A lockout holds whatever address the visitor claims, and another visitor is not hit by it."""
    settings.PROXY_COUNT = 1
    form = {"username": "alice", "password": "guess"}

    def attempt(forwarded: str) -> int:
        return client.post(
            reverse(settings.LOGIN_URL), form, headers={"X-Forwarded-For": forwarded}
        ).status_code

    for number in range(settings.AUTH_LOCKOUT_FAILURES - 1):
        assert attempt(f"6.6.6.{number}, 203.0.113.9") == 200
    locked = attempt("6.6.6.6, 203.0.113.9")
    assert locked != 200
    assert attempt("6.6.6.7, 203.0.113.9") == locked
    assert attempt("203.0.113.10") == 200
