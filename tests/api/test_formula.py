"""The prices in effect, with an ETag; and new ones."""

from datetime import datetime

import pytest
from django.utils import timezone

from audit.models import AuditEvent
from core.errors import Conflict
from pricing.models import PriceList
from tests.api.conftest import Call, Site
from tests.factories import OCTOBER, approve

PRICES = {
    "tier": "mu",
    "effective_at": "2026-11-01",
    "rates": {"cpu": "0.80", "gpu": "13", "mem": "0.05"},
    "note": "Council decision",
}


def test_prices_come_with_their_units_and_the_formula(call: Call) -> None:
    told = call("alice").get("formula?tier=mu").json()
    (prices,) = told["price_lists"]
    assert (prices["tier"], prices["currency"]) == ("mu", "THB")
    assert (
        prices["rates"][0].items()
        >= {
            "resource": "cpu",
            "unit": "CPU-core-hour",
            "quantity": "cpu_seconds",
            "unit_size": 3600,
            "unit_price": "0.750000",
            "formula": "cpu_seconds ÷ 3600 × 0.750000",
            "model": "flat",
            "partition": "",
        }.items()
    )
    assert "unit_price" in told["formula"]


def test_an_unchanged_formula_is_not_sent_again(call: Call) -> None:
    caller = call("alice")
    first = caller.get("formula")
    etag = first["ETag"]
    assert etag.startswith('"')  # strong
    assert first["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(first["Vary"].replace(" ", "").split(","))
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = caller.get("formula", If_None_Match=known)
        assert again.status_code == 304, known
        assert again.content == b""
        assert again["ETag"] == etag
    assert caller.get("formula", If_None_Match='"other"').status_code == 200
    assert caller.get("formula", If_None_Match="nonsense").status_code == 200
    assert caller.get("formula?tier=mu")["ETag"] != etag
    assert caller.get("formula")["ETag"] == etag


def test_new_prices_change_the_etag_from_their_moment_on(call: Call) -> None:
    caller = call("finance")
    before, past = caller.get("formula?tier=mu"), caller.get("formula?tier=mu&at=2026-10-31")
    made = caller.post("formula", {**PRICES, "effective_at": "2026-11-02"})
    assert made.status_code == 201, made.content
    proposed = caller.get("formula?tier=mu", If_None_Match=before["ETag"])
    assert proposed.status_code == 304, "a proposal has no effect"
    approve(PriceList.objects.get(pk=made.json()["id"]))
    now = caller.get("formula?tier=mu", If_None_Match=before["ETag"])
    if timezone.now() >= datetime.fromisoformat(made.json()["effective_at"]):
        assert now.status_code == 200
        assert now.json()["price_lists"][0]["id"] == made.json()["id"]
    later = caller.get("formula?tier=mu&at=2026-11-02")
    shown = later.json()["price_lists"][0]
    assert shown.pop("published_at") is not None
    assert {**shown, "status": "submitted", "published_at": None} == made.json()
    same = caller.get("formula?tier=mu&at=2026-10-31", If_None_Match=past["ETag"])
    assert same.status_code == 304


def test_before_all_prices_there_are_none(call: Call) -> None:
    assert call("alice").get("formula?at=1999-12-31").json()["price_lists"] == []


def test_new_prices_wait_for_a_second_person(site: Site, call: Call) -> None:
    made = call("finance").post("formula", PRICES).json()
    row = PriceList.objects.get(pk=made["id"])
    assert (row.status, made["status"], made["published_at"]) == ("submitted", "submitted", None)
    assert row.submitted_by == site.people["finance"]
    with pytest.raises(Conflict, match="Someone else has to approve"):
        approve(row, site.people["finance"])
    assert timezone.localtime(row.effective_at).isoformat() == "2026-11-01T00:00:00+07:00"
    assert {rate["resource"]: rate["unit_price"] for rate in made["rates"]} == {
        "cpu": "0.800000", "gpu": "13.000000", "mem": "0.050000",
    }  # fmt: skip
    event = AuditEvent.objects.get(action="price_list.submitted", target_id=str(row.pk))
    assert event.actor_name == "finance"


@pytest.mark.usefixtures("site")
def test_prices_of_the_past_wait_for_approval_like_others(call: Call) -> None:
    early = {**PRICES, "effective_at": OCTOBER.start.isoformat()}
    answer = call("finance").post("formula", early)
    assert (answer.status_code, answer.json()["status"]) == (201, "submitted")
