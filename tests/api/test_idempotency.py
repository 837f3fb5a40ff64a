"""A POST that arrives twice counts once."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from accounts import tasks
from accounts.idempotency import KEPT, forget_old_answers
from accounts.models import IdempotentRequest
from pricing.models import PriceList
from receipts.models import Receipt
from tests.api.conftest import Call, Caller, Site, make_key
from tests.databases import Database
from tests.factories import OCTOBER, Row, import_rows, make_cluster, make_project, make_user

BODY = {
    "project": "genomics",
    "window_start": "2026-10-15",
    "window_end": "2026-11-01",
    "expected_total": "6.80",
}
PRICES = {"tier": "mu", "effective_at": "2026-12-01", "rates": {"cpu": "1.00", "mem": "0.06"}}


def test_the_same_request_again_gets_the_same_answer(call: Call) -> None:
    caller, key = call("alice"), str(uuid.uuid4())
    first = caller.post("receipts", BODY, Idempotency_Key=key)
    again = caller.post("receipts", BODY, Idempotency_Key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert Receipt.objects.filter(project__code="genomics").count() == 2


def test_the_key_of_another_request_is_refused(call: Call) -> None:
    caller, key = call("finance"), "k"
    assert caller.post("formula", PRICES, Idempotency_Key=key).status_code == 201
    other = caller.post("formula", {**PRICES, "note": "other"}, Idempotency_Key=key)
    elsewhere = caller.post("receipts", BODY, Idempotency_Key=key)
    for answer in (other, elsewhere):
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    assert PriceList.objects.filter(effective_at__year__gte=2026).count() == 1
    assert Receipt.objects.count() == 2


def test_keys_are_each_persons_own(call: Call) -> None:
    assert call("alice").post("receipts", BODY, Idempotency_Key="k").status_code == 201
    answer = call("finance").post("receipts", BODY, Idempotency_Key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_bill")


def test_a_refusal_by_a_rule_is_an_answer_too(call: Call) -> None:
    caller, wrong = call("alice"), {**BODY, "expected_total": "1.00"}
    first = caller.post("receipts", wrong, Idempotency_Key="k")
    again = caller.post("receipts", wrong, Idempotency_Key="k")
    assert (first.status_code, first.json()["code"]) == (409, "total_changed")
    assert again.content == first.content
    assert again["Content-Type"] == first["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"
    assert Receipt.objects.count() == 2


def test_a_request_that_was_not_understood_leaves_its_key_free(call: Call) -> None:
    caller = call("alice")
    assert caller.post("receipts", {}, Idempotency_Key="k").status_code == 400
    assert caller.post("receipts", BODY, Idempotency_Key="k").status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "with space", "ü"])
def test_a_malformed_key_is_400(call: Call, key: str) -> None:
    answer = call("alice").post("receipts", BODY, Idempotency_Key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key")
    assert Receipt.objects.count() == 2


def test_whoever_lost_the_project_does_not_get_the_old_answer(site: Site, call: Call) -> None:
    caller = call("alice")
    assert caller.post("receipts", BODY, Idempotency_Key="k").status_code == 201
    site.genomics.memberships.filter(user=site.people["alice"]).delete()
    assert caller.post("receipts", BODY, Idempotency_Key="k").status_code == 404


def test_answers_are_kept_for_a_month(call: Call) -> None:
    assert call("alice").post("receipts", BODY, Idempotency_Key="k").status_code == 201
    assert forget_old_answers() == 0
    with time_machine.travel(timezone.now() + KEPT + timedelta(seconds=1)):
        tasks.forget_old_answers()
    assert not IdempotentRequest.objects.exists()


@pytest.fixture
def race(committed_db: Database) -> Iterator[str]:
    """A project with a job to bill, really committed; the key of a token of its PI."""
    alice = make_user("alice")
    make_project("genomics", pi=alice)
    import_rows(make_cluster(), Row(1, end=OCTOBER.start + timedelta(days=20)))
    yield make_key(alice)
    connections.close_all()


def test_two_at_once_with_one_key_make_one_receipt(race: str) -> None:
    body = {**BODY, "expected_total": "3.40"}

    def post() -> tuple[int, bytes, str | None]:
        try:
            answer = Caller(key=race).post("receipts", body, Idempotency_Key="k")
            return answer.status_code, answer.content, answer.get("Idempotent-Replayed")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        answers = [future.result() for future in [pool.submit(post) for _ in range(6)]]
    assert {status for status, _content, _replayed in answers} == {201}
    assert len({content for _status, content, _replayed in answers}) == 1
    assert sorted(str(replayed) for *_, replayed in answers) == ["None"] + ["true"] * 5
    assert Receipt.objects.count() == 1
