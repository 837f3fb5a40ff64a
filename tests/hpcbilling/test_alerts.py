"""Alert rules name series that exist, say what to do, and fire when they should."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

PROJECT = Path(__file__).resolve().parents[2]
ALERTS = PROJECT / "deploy" / "prometheus" / "alerts.yml"
SCENARIOS = Path(__file__).with_name("alerts_scenarios.yml")
WANTED = {
    "HpcbillingNotReady",
    "HpcbillingServerErrors",
    "HpcbillingNoImport",
    "HpcbillingNoWebhooks",
    "HpcbillingLoginFailures",
    "HpcbillingUnlikeSlurm",
    "HpcbillingNoComparison",
    "HpcbillingPullLate",
    "HpcbillingGap",
    "HpcbillingEmptyAnswer",
    "HpcbillingSourceFails",
    "HpcbillingMissingJobs",
    "HpcbillingBooksBroken",
    "HpcbillingBooksUnchecked",
}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    assert group["name"] == "hpcbilling"
    return list(group["rules"])


def anchor(heading: str) -> str:
    """A heading's address as Git hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    assert {rule["alert"] for rule in rules()} == WANTED
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+m", rule["for"])
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        page, _, place = rule["annotations"]["runbook"].partition("#")
        text = (PROJECT / page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert place in {anchor(heading) for heading in headings}


@pytest.mark.django_db
def test_every_series_exists(client: Client) -> None:
    text = client.get("/metrics").text
    exposed = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    named = {name for rule in rules() for name in re.findall(r"\bhpcbilling_\w+", rule["expr"])}
    assert len(named) == 15
    assert named <= exposed


@pytest.mark.django_db
def test_every_label_value_exists(client: Client) -> None:
    text = client.get("/metrics").text
    for outcome in ("failure", "locked_out"):
        assert f'hpcbilling_logins_total{{outcome="{outcome}"}}' in text
    assert 'hpcbilling_ready{check="database"}' in text


def test_they_fire_when_they_should(tmp_path: Path) -> None:
    """With Debian's `prometheus` installed, as in CI, its own tool judges rules and scenarios."""
    scenarios = yaml.safe_load(SCENARIOS.read_text(encoding="utf-8"))
    tried = {case["alertname"] for test in scenarios["tests"] for case in test["alert_rule_test"]}
    assert tried == WANTED
    promtool = shutil.which("promtool")
    if promtool:
        for path in (ALERTS, SCENARIOS):
            shutil.copy(path, tmp_path)
        commands = (["check", "rules", ALERTS.name], ["test", "rules", SCENARIOS.name])
        for command in commands:
            done = subprocess.run(
                [promtool, *command], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
