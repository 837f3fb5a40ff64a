"""What the API says: exact figures, stable pages, clear refusals."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries, Settings
from redis.exceptions import ConnectionError as NoRedis

from core.actor import Actor
from core.money import charge_amount
from core.rest.throttling import UserThrottle
from pricing.models import Charge, PriceList
from receipts.models import Receipt
from tests.api.conftest import FIRST_HALF, Call, Site
from tests.factories import OCTOBER, Row, import_rows, make_cluster
from usage.models import Cluster, Job
from usage.services import release_import

LATER = OCTOBER.start + timedelta(days=25)


def results(call: Call, name: str, path: str) -> list[dict[str, Any]]:
    answer = call(name).get(path)
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows


def test_a_job_tells_its_quantities_and_what_became_of_it(site: Site, call: Call) -> None:
    job = site.job_of("alice")
    told = call("alice").get(f"usage/{job.pk}").json()
    assert told["cluster"] == "alpha"
    assert told["project"] == "genomics"
    assert (told["status"], told["reason"]) == ("rated", "")
    assert (told["cpu_seconds"], told["mem_mib_seconds"]) == (4 * 3600, 8192 * 3600)
    assert datetime.fromisoformat(told["end"]) == job.end
    assert told["end"].endswith("+07:00")
    stored = job.run.evidence
    assert told["evidence"] == {
        "run": job.run_id,
        "origin": "test.psv",
        "sha256": stored.sha256,
        "line": job.line,
        "offset": job.raw_offset,
        "size": job.raw_size,
    }
    unpriced = results(call, "bob", "usage?status=unpriced")
    assert [(row["account"], row["reason"]) for row in unpriced] == [("nobodys", "no_project")]
    assert unpriced[0]["project"] is None


def test_each_job_has_one_status(site: Site, call: Call) -> None:
    cluster = Cluster.objects.get()
    import_rows(cluster, Row(20, end=LATER, state="RUNNING"), Row(21, end=LATER, seconds=0))
    import_rows(cluster, Row(22, end=LATER), Row(23, end=LATER, tres=""))  # the last is unreadable
    released = Job.objects.get(job_id=22)
    import_rows(make_cluster("beta"), Row(24, end=LATER), Row(25, end=LATER, tres=""))
    finance = Actor.of(site.people["finance"])
    release_import(run_id=released.run_id, actor=finance, reason="the rest is known")
    by_status = {
        status: {row["id"] for row in results(call, "finance", f"usage?status={status}")}
        for status in ("running", "held", "pending", "rated", "exempt", "unpriced")
    }
    assert sum(len(ids) for ids in by_status.values()) == Job.objects.count()
    assert set().union(*by_status.values()) == set(Job.objects.values_list("pk", flat=True))
    assert all(by_status.values()), by_status
    for row in results(call, "finance", "usage"):
        assert row["id"] in by_status[row["status"]]


def test_a_charge_can_be_computed_again_from_what_is_told(site: Site, call: Call) -> None:
    rows = results(call, "alice", "charges")
    assert len(rows) == 8
    for row in rows:
        again = charge_amount(row["quantity"], Decimal(row["unit_price"]), row["unit_size"])
        assert row["amount"] == str(again)
    billed = results(call, "alice", f"charges?receipt={site.receipt.public_id}")
    assert {row["status"] for row in billed} == {"billed"}
    assert sum(Decimal(row["amount"]) for row in billed) == site.receipt.net_amount


def test_each_charge_has_one_status(site: Site, call: Call) -> None:
    job = site.job_of("charlie")
    late = Job.objects.get(user_name="alice", job_id=2)
    import_rows(Cluster.objects.get(), Row(2, "alice", end=late.end or LATER, tres="cpu=8,node=1"))
    assert job.charges.exists()
    by_status = {
        status: {row["id"] for row in results(call, "finance", f"charges?status={status}")}
        for status in ("unbilled", "billed", "reversed", "reversal")
    }
    assert all(by_status.values())
    assert sum(len(ids) for ids in by_status.values()) == Charge.objects.count()
    for row in results(call, "finance", "charges"):
        assert row["id"] in by_status[row["status"]]


def test_a_receipt_tells_its_arithmetic(site: Site, call: Call) -> None:
    told = call("alice").get(f"receipts/{site.receipt.public_id}").json()
    assert told["number"] == site.receipt.number
    assert told["total"] == told["net_amount"] == "6.80"
    assert told["tax_amount"] == "0.00"
    assert [(line["resource"], line["amount"]) for line in told["lines"]] == [
        ("cpu", "6.00"),
        ("mem", "0.80"),
    ]
    assert told["parties"]["buyer"]["project"] == "genomics"
    assert datetime.fromisoformat(told["window_start"]) == FIRST_HALF.start
    assert told["overdue"] is False
    listed = results(call, "alice", "receipts")[0]
    assert "lines" not in listed
    assert {name: told[name] for name in listed} == listed


def test_a_receipt_is_overdue_after_its_due_date(site: Site, call: Call) -> None:
    assert site.receipt.due_on is not None
    for days, overdue in ((0, False), (1, True)):
        day = site.receipt.due_on + timedelta(days=days)
        noon = datetime(day.year, day.month, day.day, 5, tzinfo=UTC)
        with time_machine.travel(noon, tick=False):
            (told,) = results(call, "alice", "receipts")
        assert told["overdue"] is overdue


def test_a_payment_tells_its_receipt(site: Site, call: Call) -> None:
    told = call("alice").get(f"payments/{site.payment.public_id}").json()
    assert (told["amount"], told["currency"], told["status"]) == ("6.80", "THB", "pending")
    assert told["receipt"] == str(site.receipt.public_id)
    assert told["receipt_number"] == site.receipt.number
    assert told["project"] == "genomics"


def test_the_preview_is_what_the_receipt_will_say(call: Call) -> None:
    window = "project=genomics&window_start=2026-10-15&window_end=2026-11-01"
    seen = call("alice").get(f"receipts/preview?{window}").json()
    assert (seen["total"], seen["jobs"]) == ("6.80", 2)
    body = {
        "project": "genomics",
        "window_start": "2026-10-15",
        "window_end": "2026-11-01",
        "expected_total": seen["total"],
    }
    made = call("alice").post("receipts", body).json()
    assert made["status"] == "issued"
    for name in ("resource", "quantity", "unit_size", "unit_price", "amount", "jobs"):
        assert [line[name] for line in made["lines"]] == [line[name] for line in seen["lines"]]
    again = call("alice").post("receipts", body)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_bill")


def test_a_receipt_of_another_total_than_seen_is_refused(call: Call) -> None:
    body = {
        "project": "genomics",
        "window_start": "2026-10-15",
        "window_end": "2026-11-01",
        "expected_total": "6.79",
    }
    answer = call("alice").post("receipts", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "total_changed")
    assert answer["Content-Type"] == "application/problem+json"
    assert Receipt.objects.count() == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("usage?project=genomics", 4),
        ("usage?project=none", 0),
        ("usage?cluster=alpha&user=bob", 3),
        ("usage?cluster=beta", 0),
        ("usage?state=COMPLETED&account=physics", 1),
        ("usage?job_id=5", 1),
        ("usage?from=2026-10-03&to=2026-10-04", 3),
        ("usage?from=2026-10-03T00:00:00Z&to=2026-10-03T00:00:00.000001Z", 3),
        ("usage?to=2026-10-03T00:00:00Z", 0),
        ("charges?project=physics&resource=mem", 1),
        ("charges?from=2026-10-15", 4),
        ("charges?cluster=alpha&user=charlie", 2),
        ("receipts?project=physics&status=issued", 1),
        ("receipts?status=paid", 0),
        ("receipts?from=2000-01-01&to=2100-01-01", 2),
        ("receipts?to=2000-01-01", 0),
        ("payments?status=pending&provider=dummy", 2),
        ("payments?project=genomics&from=2000-01-01", 1),
    ],
)
def test_filters(call: Call, path: str, expected: int) -> None:
    assert len(results(call, "finance", path)) == expected


def test_pages_stay_the_same_while_rows_arrive(site: Site, call: Call) -> None:
    expected = list(Job.objects.order_by("-pk").values_list("pk", flat=True))
    caller, seen, pages = call("finance"), list[int](), 0
    first = page = caller.get("usage?limit=2").json()
    while True:
        seen += [row["id"] for row in page["results"]]
        pages += 1
        if page["next"] is None:
            break
        import_rows(Cluster.objects.get(), Row(100 + pages, end=LATER))
        page = caller.get(page["next"].partition("/api/v1/")[2]).json()
    assert seen == expected
    assert pages == 3
    back = caller.get(page["previous"].partition("/api/v1/")[2]).json()
    assert [row["id"] for row in back["results"]] == expected[2:4]
    assert first["previous"] is None


BAD = [
    "usage?limit=0",
    "usage?limit=501",
    "usage?limit=many",
    "usage?limit=99999999999999999999999",
    "usage?limit=%D9%A3",
    "usage?cursor=%00",
    "usage?cursor=cD1hYmM%3D",  # p=abc
    "usage?cursor=cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",  # p=9999…
    "usage?cursor=bz0tMQ%3D%3D",  # o=-1
    "usage?cursor=%E0%B8%81",
    "usage?project=a%00b",
    "usage?cluster=%00",
    "usage?job_id=-1",
    "usage?job_id=9223372036854775808",
    "usage?job_id=" + "9" * 5000,
    "usage?job_id=1.5",
    "usage?job_id=NaN",
    "usage?status=lost",
    "usage?from=yesterday",
    "usage?from=2026-02-30",
    "usage?from=0001-01-01T00:00:00%2B14:00",
    "usage?from=9999-12-31T23:59:59-12:00",
    "usage?from=9999-12-31",
    "usage?from=2026-10-01T00:00:00",
    "usage?from=2026-10-01T00:00:00%2B99:99",
    "usage?from=%D9%A2026-10-01",
    "usage?from=2026-10-02&to=2026-10-01",
    "usage?form=2026-10-01",
    "usage?%00=1",
    "usage/1?x=1",
    "charges?receipt=1",
    "charges?resource=time",
    "charges?job=1e5",
    "receipts?status=lost",
    "receipts?from=2026-13-01",
    "payments?receipt=%00",
    "formula?tier=none",
    "formula?tier=%00",
    "formula?at=soon",
    "formula?at=2026-10-01&tiers=mu",
    "receipts/preview",
    "receipts/preview?project=genomics&window_start=2026-10-02&window_end=2026-10-02",
    "receipts/preview?project=%00&window_start=2026-10-01&window_end=2026-10-02",
]


@pytest.mark.parametrize("path", BAD)
def test_bad_parameters_are_400(call: Call, path: str) -> None:
    answer = call("finance").get(path)
    assert answer.status_code == 400, answer.content
    told = answer.json()
    assert told["status"] == 400
    assert told["code"] == "invalid"
    assert told["detail"]
    assert told["errors"]


@pytest.mark.parametrize(
    "path",
    [
        "usage/99999999999999999999",
        "usage/0",
        "usage/",
        "usage/%00",
        "receipts/1",
        "nothing",
        "payments/00000000-0000-4000-8000-000000000000",
    ],
)
def test_what_does_not_exist_is_404_in_json(call: Call, path: str) -> None:
    answer = call("finance").get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


GOOD = {"tier": "mu", "effective_at": "2026-12-01", "rates": {"cpu": "1.00"}, "note": "x"}
BAD_PRICES = [
    {**GOOD, "tier": "none"},
    {**GOOD, "tier": None},
    {**GOOD, "tier": {"a": 1}},
    {**GOOD, "effective_at": 5},
    {**GOOD, "effective_at": "2026-12-01T00:00:00"},
    {**GOOD, "effective_at": None},
    {**GOOD, "currency": "baht"},
    {**GOOD, "currency": "TH\u0e3f"},
    {**GOOD, "rates": {}},
    {**GOOD, "rates": []},
    {**GOOD, "rates": {"time": "1"}},
    {**GOOD, "rates": {"cpu\x00": "1"}},
    {**GOOD, "rates": {"cpu": 1.5}},
    {**GOOD, "rates": {"cpu": True}},
    {**GOOD, "rates": {"cpu": "-1"}},
    {**GOOD, "rates": {"cpu": "NaN"}},
    {**GOOD, "rates": {"cpu": "1e999999"}},
    {**GOOD, "rates": {"cpu": "1e-999999"}},
    {**GOOD, "rates": {"cpu": "0.0000001"}},
    {**GOOD, "rates": {"cpu": "9" * 5000}},
    {**GOOD, "note": "a\x00b"},
    {**GOOD, "note": "\ud800"},
    {**GOOD, "note": "x" * 201},
    {**GOOD, "note": {}},
    [],
    "text",
    None,
    5,
]


@pytest.mark.parametrize("body", BAD_PRICES, ids=str)
def test_bad_bodies_are_400(call: Call, body: Any) -> None:
    before = PriceList.objects.count()
    answer = call("finance").post("formula", body)
    assert answer.status_code == 400, answer.content
    assert answer.json()["detail"]
    assert PriceList.objects.count() == before


@pytest.mark.parametrize(
    "body",
    [b" ", b"{", b"\xff\xfe", b"[" * 100_000, b'{"tier": NaN}', b'{"rates": ' + b"9" * 5000 + b"}"],
    ids=["blank", "cut off", "not UTF-8", "deep", "NaN", "long number"],
)
def test_what_is_not_json_is_400(call: Call, body: bytes) -> None:
    answer = call("finance").post("formula", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


def test_other_media_types_are_refused(call: Call) -> None:
    answer = call("finance").post("formula", "tier=mu", content_type="text/plain")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert call("finance").get("usage", Accept="text/html").status_code == 406


def test_a_body_that_is_too_large_is_413(call: Call, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = call("finance").post("formula", {**GOOD, "note": "x" * 100})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_person_may_make_so_many_requests(call: Call, settings: Settings) -> None:
    settings.API_THROTTLE_RATES = {"user": "2/min", "anon": "1/min"}
    alice, again, bob = call("alice"), call("alice"), call("bob")
    assert [c.get("formula").status_code for c in (alice, again, alice, bob)] == [
        200, 200, 429, 200,
    ]  # fmt: skip
    refused = alice.get("formula")
    assert refused.json()["code"] == "throttled"
    assert 0 < int(refused["Retry-After"]) <= 60


def test_requests_pass_when_they_cannot_be_counted(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down:
        def get(self, *_args: Any) -> None:
            raise NoRedis("refused")

    monkeypatch.setattr(UserThrottle, "cache", Down())
    assert call("alice").get("formula").status_code == 200


@pytest.mark.parametrize("path", ["usage", "charges", "receipts", "payments"])
def test_lists_cost_the_same_however_long(
    site: Site, call: Call, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    caller = call("finance")
    caller.get(path)
    with django_assert_max_num_queries(6):
        assert len(caller.get(path).json()["results"]) > 1
