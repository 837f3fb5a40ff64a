"""The schema tells the truth: no warnings, and generated requests are answered as it says."""

import io
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.test import Client

from hpcbilling.wsgi import application
from tests.api.conftest import Site, make_key

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_the_schema_is_valid_and_without_warnings() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=os.devnull)


@pytest.fixture
def wire(site: Site) -> Iterator[Site]:
    """The site for requests through the WSGI door: they must not end the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield site
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("charset", ["zlib", "hex", "utf-7", "utf-16", "x"])
def test_the_claimed_charset_of_an_address_does_not_matter(wire: Site, charset: str) -> None:
    headers = {
        "Authorization": f"Bearer {make_key(wire.people['finance'])}",
        "Content-Type": f"application/json; charset={charset}",
    }
    client = Client(application)
    found = client.get("/api/v1/usage?user=%C3%B6%2B2AA-", headers=headers)
    assert found.status_code == 200
    refused = client.post("/api/v1/formula", data=b'{"note": "\xff"}', headers=headers)
    assert refused.status_code == 400
    assert json.loads(refused.text)["code"] == "parse_error"


@pytest.fixture
def key(wire: Site) -> str:
    """Of the person who may do most."""
    return make_key(wire.people["finance"])


def generated() -> dict[str, Any]:
    text = io.StringIO()
    call_command("spectacular", format="openapi-json", stdout=text)
    found: dict[str, Any] = json.loads(text.getvalue())
    return found


schema = schemathesis.openapi.from_dict(generated())
schema.app = application


@schema.parametrize()
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_generated_requests_are_answered_as_the_schema_says(
    case: schemathesis.Case[Any], key: str
) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)
