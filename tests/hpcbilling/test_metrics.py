import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from core.actor import Actor
from hpcbilling import health, metrics
from hpcbilling.workflows import import_usage
from tests.rules.scene import RECORDING
from usage.models import Cluster
from usage.services import create_cluster

pytestmark = pytest.mark.django_db

PROGRAM = """
import sys
from core import metrics
metrics.LOGINS.labels(outcome="success").inc(int(sys.argv[1]))
print(metrics.exposition().decode())
"""


def samples(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
    return {name: float(value) for name, _, value in lines}


def test_series_are_present_before_anything_happened(client: Client) -> None:
    found = samples(client.get("/metrics").text)
    for outcome in metrics.LOGIN_OUTCOMES:
        assert f'hpcbilling_logins_total{{outcome="{outcome}"}}' in found
    for status in metrics.IMPORT_STATUSES:
        assert f'hpcbilling_import_runs_total{{status="{status}"}}' in found
    assert 'hpcbilling_receipt_transitions_total{from_status="issued",to_status="paid"}' in found
    assert 'hpcbilling_webhooks_total{outcome="mismatch",provider="dummy"}' in found


def test_only_our_own_series_are_shown(client: Client) -> None:
    names = {name.split("{")[0] for name in samples(client.get("/metrics").text)}
    assert names
    assert all(name.startswith("hpcbilling_") for name in names)


def test_requests_are_counted_by_route_name_and_probes_are_not(client: Client) -> None:
    series = 'hpcbilling_http_requests_total{method="GET",route="login",status="200"}'
    before = samples(client.get("/metrics").text).get(series, 0)
    client.get("/login/?next=/secret/")
    client.get("/healthz")
    text = client.get("/metrics").text
    assert samples(text)[series] == before + 1
    assert "secret" not in text
    assert 'route="healthz"' not in text


def test_unknown_paths_and_methods_do_not_make_new_series(client: Client) -> None:
    client.generic("BREW", "/no/such/page/1")
    text = client.get("/metrics").text
    assert 'method="OTHER",route="unmatched",status="404"' in text
    assert "BREW" not in text
    assert "such" not in text


def test_failed_logins_are_counted(client: Client) -> None:
    series = 'hpcbilling_logins_total{outcome="failure"}'
    before = samples(client.get("/metrics").text)[series]
    client.post("/login/", {"username": "mallory", "password": "guess"})
    assert samples(client.get("/metrics").text)[series] == before + 1


def test_a_token_guards_the_page(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "t" * 40
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    right = client.get("/metrics", headers={"Authorization": f"Bearer {'t' * 40}"})
    assert right.status_code == 200


def test_production_without_token_shows_nothing(client: Client, settings: Settings) -> None:
    settings.PRODUCTION = True
    assert client.get("/metrics").status_code == 403


def test_each_enabled_cluster_tells_when_it_was_last_imported(client: Client) -> None:
    actor = Actor.system("test")
    heard, silent, off = (
        create_cluster(name=name, time_zone="UTC", actor=actor) for name in ("a_b", "c", "d")
    )
    Cluster.objects.filter(pk=off.pk).update(is_enabled=False)
    run = import_usage(
        cluster=heard, stream=io.BytesIO(RECORDING.read_bytes()), origin="x", actor=actor
    ).run
    found = samples(client.get("/metrics").text)
    name = 'hpcbilling_last_import_timestamp_seconds{cluster="%s"}'
    assert run.finished_at
    assert found[name % "a_b"] == pytest.approx(run.finished_at.timestamp())
    assert found[name % "c"] == pytest.approx(silent.created_at.timestamp())
    assert name % "d" not in found


def test_a_failing_check_is_seen_and_the_page_still_answers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert samples(client.get("/metrics").text)['hpcbilling_ready{check="database"}'] == 1

    def broken() -> None:
        raise ConnectionError

    monkeypatch.setitem(health.CHECKS, "database", broken)
    found = samples(client.get("/metrics").text)
    assert found['hpcbilling_ready{check="database"}'] == 0
    assert found['hpcbilling_ready{check="redis"}'] == 1
    assert 'hpcbilling_logins_total{outcome="success"}' in found


def test_processes_that_share_the_directory_are_summed(tmp_path: Path) -> None:
    variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "new")}
    for amount in ("3", "4"):
        answer = subprocess.run(
            [sys.executable, "-c", PROGRAM, amount],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    found = samples(answer)
    assert found['hpcbilling_logins_total{outcome="success"}'] == 7
