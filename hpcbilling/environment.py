"""How the process learns where it runs: pure functions over environment variables.

The rule: without `ENVIRONMENT`, a process that was given a `DATABASE_URL` is in production, and
one that was not is in development, where only the embedded services of this directory can be
reached. So a forgotten variable can never turn a production site into a development one.
"""

import json
import os
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from babel.numbers import is_currency
from django.core.exceptions import ImproperlyConfigured

from core.money import round_money

DEVELOPMENT = "development"
PRODUCTION = "production"
TEST = "test"
ENVIRONMENTS = (DEVELOPMENT, PRODUCTION, TEST)

DEVELOPMENT_PREFIX = "development-only-"
SECRET_MIN_LENGTH = 32

# Nothing listens on port 1: when no database is known, commands that need none still run.
NO_DATABASE_URL = "postgres://nobody:nothing@127.0.0.1:1/nothing"
NO_REDIS_URL = "redis://127.0.0.1:1/0"

STATE_FILE = "state.json"


def services_directory(project_root: Path) -> Path:
    """Where the demo keeps its data: DEMO_DIRECTORY, else `.services/` of the project."""
    return Path(os.environ.get("DEMO_DIRECTORY") or project_root / ".services")


def running_services(project_root: Path) -> dict[str, str]:
    """The addresses that `make demo` or `make services` of this directory left, or nothing."""
    state_file = services_directory(project_root) / STATE_FILE
    try:
        state = json.loads(state_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = state.get("environment", {})
    return {str(key): str(value) for key, value in found.items()}


def which_environment(variables: Mapping[str, str]) -> str:
    """Development, production or test; see the module's rule for the default."""
    default = PRODUCTION if variables.get("DATABASE_URL") else DEVELOPMENT
    name = variables.get("ENVIRONMENT") or default
    if name not in ENVIRONMENTS:
        raise ImproperlyConfigured(
            f"ENVIRONMENT is {name!r}: set it to one of {', '.join(ENVIRONMENTS)}."
        )
    return name


def secret(variables: Mapping[str, str], name: str, environment: str) -> str:
    """The secret `name`; outside production a fixed value stands in for a missing one.

    In production a missing, short or well-known value is refused, so that nobody can sign
    sessions or payment events with a key that is in the source.
    """
    value = variables.get(name, "")
    if environment != PRODUCTION:
        return value or f"{DEVELOPMENT_PREFIX}{name.lower().replace('_', '-')}-{'x' * 40}"
    advice = (
        f"Set {name} to a random text of at least {SECRET_MIN_LENGTH} characters, for example from "
        "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`, or set "
        "ENVIRONMENT=development if this is your own machine."
    )
    if not value:
        raise ImproperlyConfigured(f"{name} is missing. {advice}")
    if value.startswith((DEVELOPMENT_PREFIX, "django-insecure", "change-me")):
        raise ImproperlyConfigured(f"{name} is a published default. {advice}")
    if len(value) < SECRET_MIN_LENGTH:
        raise ImproperlyConfigured(f"{name} has only {len(value)} characters. {advice}")
    return value


def required(variables: Mapping[str, str], name: str, environment: str, stand_in: str) -> str:
    """The variable `name`, which production must set; elsewhere `stand_in` takes its place."""
    value = variables.get(name, "")
    if value:
        return value
    if environment == PRODUCTION:
        raise ImproperlyConfigured(f"{name} is missing. Set it as .env.example shows.")
    return stand_in


def amounts_by_currency(text: str, name: str, site_currency: str) -> dict[str, Decimal]:
    """Read amounts of 0 or more, as `THB=1000,USD=30`; a bare number is in the site's currency.

    Raises ImproperlyConfigured, naming the variable, for what is no amount of a known currency, or
    where a currency is there twice.
    """
    found: dict[str, Decimal] = {}
    for part in text.split(","):
        left, equals, right = part.partition("=")
        currency, number = (left.strip(), right) if equals else (site_currency, left)
        amount = _amount(number, currency)
        if amount is None:
            raise ImproperlyConfigured(
                f"{name}: {part.strip()!r} is no amount of 0 or more in a currency. Use a number in"
                f" {site_currency}, or amounts by currency such as THB=1000,USD=30."
            )
        if currency in found:
            raise ImproperlyConfigured(f"{name} says {currency} twice.")
        found[currency] = amount
    return found


def _amount(text: str, currency: str) -> Decimal | None:
    """Read an amount that the currency can have, or return None."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        return None
    if not (is_currency(currency) and amount.is_finite() and 0 <= amount < 10**12):
        return None
    return amount if amount == round_money(amount, currency) else None


def explain_no_database(error: Exception) -> str:
    """What a person at a terminal should do when the database can't be reached."""
    return (
        f"The database cannot be reached: {str(error).strip()}\n"
        "Start one with `make demo` or `make services` in another terminal of this directory, run "
        "this command against a throw-away one with `python -m hpcbilling.embedded python "
        "manage.py …`, or set DATABASE_URL."
    )
