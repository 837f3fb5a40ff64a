"""Each endpoint as each person: nobody sees anyone else's data, and a token stays in its scopes."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken
from accounts.tokens import revoke_token
from receipts.models import Receipt
from tests.api.conftest import Call, Caller, Site, make_key
from tests.factories import SYSTEM

PEOPLE = ("alice", "bob", "charlie", "finance", "auditor", "operator")
SEEN = {
    "usage": {"alice": 4, "bob": 3, "charlie": 1, "finance": 6, "auditor": 6, "operator": 6},
    "charges": {"alice": 8, "bob": 4, "charlie": 2, "finance": 10, "auditor": 10, "operator": 0},
    "receipts": {"alice": 1, "bob": 0, "charlie": 1, "finance": 2, "auditor": 2, "operator": 0},
    "payments": {"alice": 1, "bob": 0, "charlie": 1, "finance": 2, "auditor": 2, "operator": 0},
}
SCOPES = {
    "formula": "prices:read",
    "usage": "usage:read",
    "charges": "charges:read",
    "receipts": "receipts:read",
    "receipts/preview?project=genomics&window_start=2026-10-15&window_end=2026-11-01": (
        "receipts:read"
    ),
    "payments": "payments:read",
}


@pytest.mark.parametrize("path", SEEN)
def test_lists_have_what_each_person_may_see(site: Site, path: str) -> None:
    seen = {
        name: len(Caller(user=site.people[name]).get(path).json()["results"]) for name in PEOPLE
    }
    assert seen == SEEN[path]


@pytest.mark.parametrize("path", SCOPES)
def test_without_credentials_there_is_nothing(site: Site, path: str) -> None:
    answer = Caller().get(path)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("name", PEOPLE)
def test_everyone_who_signs_in_may_know_the_prices(call: Call, name: str) -> None:
    answer = call(name).get("formula")
    assert answer.status_code == 200
    assert [row["tier"] for row in answer.json()["price_lists"]] == ["gov", "mu", "private"]


def details(site: Site) -> dict[str, dict[str, int]]:
    """Addresses of alice's things, and how each person's request for them ends."""
    hers = {"alice": 200, "bob": 404, "charlie": 404, "finance": 200, "auditor": 200}
    job = site.job_of("alice")
    return {
        f"usage/{job.pk}": {**hers, "operator": 200},
        f"usage/{site.job_of('bob').pk}": {**hers, "bob": 200, "operator": 200},
        f"charges/{job.charges.earliest('pk').pk}": {**hers, "operator": 404},
        f"receipts/{site.receipt.public_id}": {**hers, "operator": 404},
        f"payments/{site.payment.public_id}": {**hers, "operator": 404},
        "receipts/preview?project=genomics&window_start=2026-10-15&window_end=2026-11-01": {
            **hers,
            "auditor": 404,  # sees documents, but can't make any
            "operator": 404,
        },
    }


@pytest.mark.parametrize("name", PEOPLE)
def test_details_are_404_for_whoever_may_not_see_them(site: Site, call: Call, name: str) -> None:
    for path, expected in details(site).items():
        assert call(name).get(path).status_code == expected[name], path


@pytest.mark.parametrize(("path", "scope"), SCOPES.items())
def test_a_token_works_within_its_scopes_alone(call: Call, path: str, scope: str) -> None:
    assert call("alice", scope).get(path).status_code == 200
    others = sorted({*SCOPES.values(), "receipts:write", "prices:write"} - {scope})
    refused = call("alice", *others).get(path)
    assert refused.status_code == 403
    assert refused.json()["code"] == "permission_denied"


def test_filters_of_others_projects_find_nothing(call: Call) -> None:
    for path in ("usage", "charges", "receipts", "payments"):
        assert call("charlie").get(f"{path}?project=genomics").json()["results"] == []


@pytest.mark.parametrize("how", ["expired", "revoked", "inactive", "unknown", "mangled"])
def test_a_token_that_does_not_hold_is_refused_even_beside_a_session(site: Site, how: str) -> None:
    alice = site.people["alice"]
    key = make_key(alice)
    caller = Caller(user=alice, key=key)
    assert caller.get("usage").status_code == 200
    if how == "revoked":
        revoke_token(token=ApiToken.objects.get(user=alice), actor=SYSTEM)
    if how == "inactive":
        alice.is_active = False
        alice.save()
    if how == "unknown":
        caller.headers = {"Authorization": "Bearer hpcb_" + "x" * 43}
    if how == "mangled":
        caller.headers = {"Authorization": f"Bearer {key[5:]}"}
    later = timedelta(days=1) if how == "expired" else timedelta(0)
    with time_machine.travel(timezone.now() + later, tick=False):
        answer = caller.get("usage")
    assert answer.status_code == 401
    assert answer.json()["code"] == "authentication_failed"


def test_what_a_token_was_used_for_last_is_kept_to_the_minute(site: Site) -> None:
    caller = Caller(key=make_key(site.people["alice"]))
    start = timezone.now()
    seen = []
    for seconds in (0, 30, 61):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            caller.get("formula")
            seen.append(ApiToken.objects.get().last_used_at)
    assert seen == [start, start, start + timedelta(seconds=61)]


NEW_RECEIPT = {"project": "genomics", "window_start": "2026-10-15", "window_end": "2026-11-01"}
EXPECTED_TOTAL = "6.80"  # two jobs, each 4 core-hours at 0.75 and 8 GB-hours at 0.05


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("alice", 201), ("bob", 404), ("charlie", 404), ("finance", 201), ("auditor", 404),
        ("operator", 404), ("anonymous", 401),
    ],
)  # fmt: skip
def test_who_may_make_a_receipt(call: Call, name: str, status: int) -> None:
    body = {**NEW_RECEIPT, "expected_total": EXPECTED_TOTAL}
    answer = call(name).post("receipts", body)
    assert answer.status_code == status, answer.content
    assert Receipt.objects.count() == 2 + (status == 201)


def test_making_a_receipt_needs_the_scope_to_write(call: Call) -> None:
    body = {**NEW_RECEIPT, "expected_total": EXPECTED_TOTAL}
    assert call("alice", "receipts:read").post("receipts", body).status_code == 403
    assert call("alice", "receipts:write").get("receipts").status_code == 403
    assert call("alice", "receipts:write").post("receipts", body).status_code == 201


PRICES = {"tier": "mu", "effective_at": "2026-12-01", "rates": {"cpu": "1.00", "mem": "0.06"}}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("alice", 403), ("bob", 403), ("charlie", 403), ("finance", 201), ("auditor", 403),
        ("operator", 403), ("anonymous", 401),
    ],
)  # fmt: skip
def test_who_may_publish_prices(call: Call, name: str, status: int) -> None:
    assert call(name).post("formula", PRICES).status_code == status


def test_publishing_prices_needs_the_scope_to_write(call: Call) -> None:
    assert call("finance", "prices:read").post("formula", PRICES).status_code == 403
    assert call("finance", "prices:write").post("formula", PRICES).status_code == 201


def test_a_session_writes_with_a_csrf_token_alone(site: Site) -> None:
    caller = Caller(user=site.people["finance"])
    refused = caller.post("formula", PRICES)
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    caller.client.get("/api/docs/?script=")
    token = caller.client.cookies["csrftoken"].value
    assert caller.post("formula", PRICES, X_CSRFToken=token).status_code == 201


def test_methods_that_do_not_exist_are_refused(site: Site) -> None:
    headers = {"Authorization": f"Bearer {make_key(site.people['finance'])}"}
    for path in ("usage", "charges", "payments", f"receipts/{site.receipt.public_id}", "formula"):
        for method in ("put", "patch", "delete"):
            call = getattr(Client(), method)
            assert call(f"/api/v1/{path}", headers=headers).status_code == 405, (method, path)


def test_what_an_address_can_do_is_told(site: Site) -> None:
    for name in ("alice", "auditor"):
        headers = {"Authorization": f"Bearer {make_key(site.people[name])}"}
        for path in ("usage", "charges", "receipts", "receipts/preview", "payments", "formula"):
            answer = Client().options(f"/api/v1/{path}", headers=headers)
            assert answer.status_code == 200, (name, path)
            assert "GET" in answer["Allow"]
