"""The schema tells the truth: no warnings, and generated requests are answered as it says."""

import io
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client as DjangoClient
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


def generated() -> dict[str, Any]:
    text = io.StringIO()
    call_command("spectacular", format="openapi-json", stdout=text)
    found: dict[str, Any] = json.loads(text.getvalue())
    return found


def test_the_schema_is_valid_and_without_warnings() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=os.devnull)


def test_the_schema_is_for_everyone_in_yaml_and_json(client: DjangoClient, db: None) -> None:
    text = client.get("/api/schema/")
    assert text["Content-Type"].startswith("application/vnd.oai.openapi")
    assert yaml.safe_load(text.content)["openapi"].startswith("3.")
    told = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    assert set(told["paths"]) >= {"/api/v1/formula", "/api/v1/usage", "/api/v1/receipts/{id}"}
    for path in ("?version=%0a", "?lang=../..", "?lang=%00"):
        assert client.get(f"/api/schema/{path}").status_code == 400


def test_each_operation_tells_its_errors() -> None:
    for path, operations in generated()["paths"].items():
        for operation in operations.values():
            told = operation["responses"]
            assert {"400", "401", "403", "429"} <= set(told), path
            for status, answer in told.items():
                if status >= "400":
                    content = answer["content"]["application/problem+json"]
                    assert content["example"]["status"] == int(status)


def test_the_page_to_browse_the_api_has_no_script_of_its_own(client: DjangoClient) -> None:
    page = client.get("/api/docs/?lang=../..&version=%0a").content.decode()
    assert "<style" not in page
    assert re.findall(r"<script(?! src=)", page) == []
    script = client.get("/api/docs/?script=&lang=%22%3E%3Cb%3E")
    assert script["Content-Type"].startswith("application/javascript")
    assert "<b>" not in script.content.decode()


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


schema = schemathesis.openapi.from_dict(generated())
schema.app = application


@schema.parametrize()
@settings(
    max_examples=12,
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
