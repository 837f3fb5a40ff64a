"""Settings come from the environment alone, and a site without secrets does not start."""

import json
import os
import secrets
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from hpcbilling import environment

PROJECT = Path(__file__).resolve().parents[2]
GOOD_SECRET = secrets.token_urlsafe(48)
SITE = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": GOOD_SECRET,
    "DATABASE_URL": "postgres://app:secret@db.example/billing",
    "REDIS_URL": "redis://redis.example/0",
    "ALLOWED_HOSTS": "billing.example",
    "SITE_BASE_URL": "https://billing.example",
}
SHOW = (
    "import json; from django.conf import settings as s;"
    "print(json.dumps({n: str(getattr(s, n)) for n in json.loads(__import__('sys').argv[1])}))"
)


def start(variables: dict[str, str], *names: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process that sees `variables` alone; prints the settings `names`."""
    return subprocess.run(
        [sys.executable, "-c", SHOW, json.dumps(names)],
        env={
            **{name: value for name, value in os.environ.items() if name.startswith("COV")},
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "hpcbilling.settings",
            **variables,
        },
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_complete_site_starts_with_safe_settings() -> None:
    done = start(SITE, "DEBUG", "PAYMENT_PROVIDERS", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "DEBUG": "False",
        "PAYMENT_PROVIDERS": "['manual']",
        "SECURE_SSL_REDIRECT": "True",
        "SESSION_COOKIE_SECURE": "True",
    }


@pytest.mark.parametrize("missing", sorted(SITE.keys() - {"ENVIRONMENT", "DATABASE_URL"}))
def test_a_site_without_a_required_variable_does_not_start(missing: str) -> None:
    done = start({name: value for name, value in SITE.items() if name != missing}, "DEBUG")
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {missing} is missing. Set" in done.stderr


def test_a_forgotten_environment_is_production() -> None:
    without = {name: value for name, value in SITE.items() if name != "ENVIRONMENT"}
    assert json.loads(start(without, "PRODUCTION").stdout) == {"PRODUCTION": "True"}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY has only 5 characters"),
        ({"SECRET_KEY": "change-me-" + "x" * 60}, "SECRET_KEY is a published default"),
        ({"SECRET_KEY": "django-insecure-" + "x" * 60}, "SECRET_KEY is a published default"),
        ({"DEBUG": "true"}, "DEBUG shows secrets"),
        ({"PAYMENT_PROVIDERS": "manual,dummy"}, "PAYMENT_PROVIDERS has 'dummy'"),
        ({"ENVIRONMENT": "prod"}, "ENVIRONMENT is 'prod'"),
    ],
)
def test_a_dangerous_value_is_refused_by_name(extra: dict[str, str], said: str) -> None:
    done = start(SITE | extra, "DEBUG")
    assert done.returncode != 0
    assert said in done.stderr


def test_the_development_key_is_refused_in_production() -> None:
    published = environment.secret({}, "SECRET_KEY", environment.DEVELOPMENT)
    with pytest.raises(ImproperlyConfigured, match="published default"):
        environment.secret({"SECRET_KEY": published}, "SECRET_KEY", environment.PRODUCTION)


def test_development_needs_nothing() -> None:
    done = start({}, "ENVIRONMENT", "PAYMENT_PROVIDERS")
    assert json.loads(done.stdout) == {
        "ENVIRONMENT": "development",
        "PAYMENT_PROVIDERS": "['manual', 'dummy']",
    }


def test_running_services_are_read_from_the_state_file(tmp_path: Path) -> None:
    assert environment.running_services(tmp_path) == {}
    state = environment.services_directory(tmp_path) / environment.STATE_FILE
    state.parent.mkdir()
    state.write_text("not json", encoding="utf-8")
    assert environment.running_services(tmp_path) == {}
    state.write_text(json.dumps({"environment": {"PORT": 8001}}), encoding="utf-8")
    assert environment.running_services(tmp_path) == {"PORT": "8001"}


def test_a_command_without_database_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "showmigrations"],
        env={
            **{name: value for name, value in os.environ.items() if name.startswith("COV")},
            "PATH": os.environ["PATH"],
            "DATABASE_URL": environment.NO_DATABASE_URL,
            "ENVIRONMENT": "development",
        },
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "make demo" in done.stderr
    assert "Traceback" not in done.stderr


def test_amounts_are_by_currency() -> None:
    done = start(
        {"ENVIRONMENT": "test", "ADJUSTMENT_LIMIT": "USD=30.50, 1000, JPY=3000"},
        "ADJUSTMENT_LIMIT",
        "CORRECTION_THRESHOLD",
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["ADJUSTMENT_LIMIT"] == str(
        {"USD": Decimal("30.50"), "THB": Decimal(1000), "JPY": Decimal(3000)}
    )
    assert shown["CORRECTION_THRESHOLD"] == "{'THB': Decimal('100')}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no amount of 0 or more"),
        ("a lot", "'a lot' is no amount"),
        ("-1", "'-1' is no amount"),
        ("NaN", "'NaN' is no amount"),
        ("THB=1000,", "'' is no amount"),
        ("usd=30", "'usd=30' is no amount"),
        ("BAHT=30", "'BAHT=30' is no amount"),
        ("JPY=30.5", "'JPY=30.5' is no amount"),
        ("1000,THB=30", "says THB twice"),
    ],
)
def test_a_site_with_wrong_amounts_does_not_start(text: str, said: str) -> None:
    for name in ("ADJUSTMENT_LIMIT", "CORRECTION_THRESHOLD"):
        with pytest.raises(ImproperlyConfigured, match=f"^{name}.*{said}"):
            environment.amounts_by_currency(text, name, "THB")


def test_the_settings_say_which_amount_is_wrong() -> None:
    done = start(SITE | {"CORRECTION_THRESHOLD": "XYZ=1"}, "DEBUG")
    assert done.returncode != 0
    assert "CORRECTION_THRESHOLD: 'XYZ=1' is no amount of 0 or more in a currency" in done.stderr
