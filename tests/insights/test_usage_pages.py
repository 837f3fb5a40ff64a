"""Usage pages: each person's own data and nobody else's, filters in the address, exact figures."""

import csv
import io
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.models import AuditEvent
from core.actor import Actor
from core.spreadsheet import BOM
from insights.buckets import Bucket
from insights.selectors import JobRow
from pricing.models import Charge
from receipts.services import create_receipt, draft_receipt
from tests.campus import FORMULA, Campus, october
from tests.factories import OCTOBER, Row, import_bytes, import_rows, sacct
from usage.models import AccountMapping, Job

IN_OCTOBER = {"first": "2026-10-01", "last": "2026-10-31"}
UNTIL_NOW = {"first": "2026-10-01", "last": "2030-12-31"}


def seen_by(client: Client, viewer: User, **filters: str) -> list[int]:
    """The raw ids of the jobs that the usage page lists for a person."""
    client.force_login(viewer)
    answer = client.get("/usage/", {**UNTIL_NOW, **filters})
    assert answer.status_code == 200
    return sorted(row.job.job_id for row in answer.context["rows"])


def table(client: Client, user: User, **filters: str) -> list[dict[str, str]]:
    """The rows of the CSV for a person."""
    client.force_login(user)
    answer = client.get("/usage/usage.csv", {**UNTIL_NOW, **filters})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined] # it streams
    assert text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BOM))))


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("alice", [1, 2, 5, 6]),
        ("bob", [2, 4, 6]),
        ("charlie", [3, 4]),
        ("clerk", []),
        ("auditor", []),
    ],
)
def test_everyone_sees_own_jobs_and_leaders_their_projects(
    client: Client, people: Campus, name: str, jobs: list[int]
) -> None:
    user = User.objects.get(username=name)
    assert seen_by(client, user) == jobs
    assert sorted(int(row["raw_job_id"]) for row in table(client, user)) == jobs
    latest = client.get("/").context["overview"].latest
    assert sorted(row.job.job_id for row in latest) == [job for job in jobs if job != 6]
    for job in Job.objects.all():
        status = client.get(f"/usage/jobs/{job.pk}/").status_code
        assert status == (200 if job.job_id in jobs else 404)


@pytest.mark.parametrize("path", ["/", "/usage/", "/usage/usage.csv", "/usage/jobs/1/"])
def test_strangers_are_sent_to_the_login(client: Client, people: Campus, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/?next=")
    client.force_login(people.alice)
    assert client.post(path).status_code == 405


def test_filters_can_not_reach_other_peoples_data(client: Client, people: Campus) -> None:
    assert seen_by(client, people.alice, project="climate") == [1, 2, 5, 6]  # refused, so not set
    assert "Select a valid choice" in client.get("/usage/", {"project": "climate"}).text
    assert seen_by(client, people.alice, user="charlie") == []
    assert seen_by(client, people.bob, user="alice") == [2, 4, 6]  # members have no such filter
    assert seen_by(client, people.bob, project="genomics") == [2, 6]
    text = client.get("/usage/", UNTIL_NOW).text
    assert "charlie" not in text
    assert "alice" not in text.replace("alice</span>", "")


def test_filters_narrow_what_is_shown(client: Client, people: Campus) -> None:
    alice = people.alice
    assert seen_by(client, alice, user="bob") == [2, 6]
    assert seen_by(client, alice, state="FAILED") == [2]
    assert seen_by(client, alice, cluster="alpha", project="genomics") == [1, 2, 6]
    assert seen_by(client, alice, first="2026-10-06", last="2026-10-06") == [2]
    assert seen_by(client, alice, **IN_OCTOBER) == [1, 2, 5]  # what runs belongs to today


def test_days_are_those_of_the_sites_time_zone(client: Client, people: Campus) -> None:
    late = october(19).replace(hour=17, minute=30)  # 00:30 on the 20th in Bangkok
    import_rows(people.cluster, Row(50, user="alice", end=late))
    assert 50 in seen_by(client, people.alice, first="2026-10-20", last="2026-10-20")
    assert 50 not in seen_by(client, people.alice, first="2026-10-19", last="2026-10-19")
    figure = client.get("/usage/", {"first": "2026-10-20", "last": "2026-10-20"}).context["plots"][
        0
    ]
    assert figure.figure.table[0][0] == "20 Oct"


@pytest.mark.parametrize(
    "filters",
    [
        {"first": "2026-10-31", "last": "2026-10-01"},
        {"first": "yesterday"},
        {"first": "0001-01-01", "last": "9999-12-31"},
        {"first": "1975-01-01", "last": "2026-01-01"},
        {
            "cluster": "x\x00y",
            "state": "NONE",
            "status": "nothing",
            "page": "-3",
            "sort": "password",
        },
        {"period": "aeon", "measure": "love", "stack": "user'--", "page": "nine"},
    ],
)
def test_nonsense_in_the_address_is_answered(
    client: Client, people: Campus, filters: dict[str, str]
) -> None:
    client.force_login(people.alice)
    assert client.get("/usage/", filters).status_code == 200
    assert client.get("/usage/usage.csv", filters, follow=True).status_code == 200


def test_every_job_is_in_one_bucket_and_each_filter_finds_its_own(
    client: Client, people: Campus
) -> None:
    actor = Actor.of(people.alice)
    import_rows(people.cluster, Row(7, end=october(20)), Row(8, end=october(25)))
    never_placed = {"NodeList": "None assigned", "Start": "Unknown"}
    import_rows(
        people.cluster,
        Row(9, end=october(26), tres="", seconds=0, state="CANCELLED", extra=never_placed),
    )
    import_bytes(people.cluster, sacct(Row(10, end=october(27)), Row(11, tres="cpu=x")))
    window = {n: type(OCTOBER)(october(n), october(n + 1)) for n in (6, 20)}
    create_receipt(project_id=people.genomics.pk, window=window[6], actor=actor)
    draft_receipt(project_id=people.genomics.pk, window=window[20], actor=actor)
    expected = {
        "unbilled": [1, 8], "billed": [2], "review": [7], "unpriced": [5], "exempt": [9],
        "held": [10], "running": [6], "pending": [],
    }  # fmt: skip
    found = {bucket: seen_by(client, people.alice, status=bucket) for bucket in Bucket.values}
    assert found == expected
    for row in table(client, people.alice):
        assert int(row["raw_job_id"]) in expected[row["status"]]


def test_the_csv_has_exact_figures_and_no_formulas(client: Client, people: Campus) -> None:
    rows = {row["raw_job_id"]: row for row in table(client, people.alice)}
    first = rows["1"]
    assert first["name"] == f"'{FORMULA}"
    assert (first["cpu_seconds"], first["mem_mib_seconds"]) == ("14400", str(8192 * 3600))
    assert first["ended"] == "2026-10-05T12:00:00+07:00"
    sums = Charge.objects.filter(job=people.job(1))
    assert Decimal(first["amount"]) == sum(charge.amount for charge in sums)
    assert rows["5"]["reason"] == "no_project"
    assert rows["5"]["amount"] == ""
    event = AuditEvent.objects.get(action="export.made")
    assert event.actor_name == "alice"
    assert event.content["data"]["filters"] == UNTIL_NOW


def test_the_receipts_number_is_for_its_project_alone(client: Client, people: Campus) -> None:
    receipt = create_receipt(
        project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.alice)
    )
    assert {row["receipt"] for row in table(client, people.alice, project="genomics")} == {
        receipt.number, "",
    }  # fmt: skip
    assert {row["receipt"] for row in table(client, people.bob)} == {""}
    page = client.get(f"/usage/jobs/{people.job(2).pk}/").text
    assert "Billed" in page
    assert str(receipt.number) not in page


def test_sums_and_figures_agree_with_the_charges(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    context = client.get("/usage/", IN_OCTOBER).context
    charges = Charge.objects.filter(project=people.genomics)
    total = sum((charge.amount for charge in charges), Decimal(0))
    assert context["totals"].amounts == {"THB": total}
    assert context["totals"].jobs == 3
    for plot in context["plots"]:
        assert sum(row[2] for row in plot.figure.table) == total
    assert [plot.key for plot in context["plots"]] == ["by-day", "by-project", "by-resource"]
    assert len(context["plots"][0].figure.labels) == 31


@pytest.mark.parametrize(
    ("measure", "hours"), [("cpu", 4 + 8 + 4), ("gpu", 4), ("mem", 8 + 16 + 8)]
)
def test_hours_count_jobs_without_price_too(
    client: Client, people: Campus, measure: str, hours: int
) -> None:
    client.force_login(people.alice)
    asked = {**IN_OCTOBER, "measure": measure, "stack": "user"}
    plots = client.get("/usage/", asked).context["plots"]
    assert [plot.key for plot in plots] == ["by-day", "by-project", "by-user"]
    for plot in plots:
        assert sum(row[2] for row in plot.figure.table) == hours
    assert set(plots[0].figure.names) <= {"alice", "bob"}


def test_long_periods_are_drawn_by_month(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    asked = {"first": "2026-07-15", "last": "2026-10-31"}
    figure = client.get("/usage/", asked).context["plots"][0].figure
    assert list(figure.labels) == ["Jul 2026", "Aug 2026", "Sep 2026", "Oct 2026"]


def test_figures_are_on_the_page_as_data_and_as_a_table(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    text = client.get("/usage/", IN_OCTOBER).text
    found = re.search(r'<script id="plot-by-day" type="application/json">(.*?)</script>', text)
    assert found
    data = json.loads(found[1])
    assert [series["name"] for series in data["series"]] == ["genomics"]
    assert "<script>" not in text
    assert " style=" not in text
    assert "The figures as a table" in text


@pytest.mark.parametrize("sort", ["end", "-cpu", "amount", "-amount", "project", "-user", "job"])
def test_the_table_can_be_sorted(client: Client, people: Campus, sort: str) -> None:
    client.force_login(people.alice)
    rows = client.get("/usage/", {**IN_OCTOBER, "sort": sort}).context["rows"]
    values: dict[str, Callable[[JobRow], Any]] = {
        "end": lambda row: row.job.end,
        "cpu": lambda row: row.job.cpu_seconds,
        "amount": lambda row: row.amount,
        "project": lambda row: row.project and row.project.code,
        "user": lambda row: row.job.user_name,
        "job": lambda row: row.job.job_id,
    }
    found = [values[sort.lstrip("-")](row) for row in rows]
    known = [item for item in found if item is not None]
    assert known == sorted(known, reverse=sort.startswith("-"))
    assert found[: len(known)] == known  # what has no value comes last


def test_the_number_of_queries_does_not_grow_with_the_rows(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    actor = Actor.of(people.alice)
    create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=actor)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/usage/", UNTIL_NOW).status_code == 200
        return len(captured)

    few = queries()
    import_rows(people.cluster, *(Row(100 + n, end=october(11), seconds=60 + n) for n in range(45)))
    create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=actor)
    assert queries() == few
    assert few <= 30  # six of them are for what running jobs come to so far


def test_pages_keep_the_filters(client: Client, people: Campus) -> None:
    import_rows(people.cluster, *(Row(100 + n, end=october(11)) for n in range(60)))
    client.force_login(people.alice)
    asked = {**IN_OCTOBER, "project": "genomics", "sort": "job"}
    first = client.get("/usage/", asked)
    assert "first=2026-10-01&amp;last=2026-10-31&amp;project=genomics&amp;sort=job&amp;page=2" in (
        first.text
    )
    second = client.get("/usage/", {**asked, "page": "2"})
    together = [row.job.job_id for page in (first, second) for row in page.context["rows"]]
    assert together == [1, 2, *range(100, 160)]


def test_the_job_page_shows_the_arithmetic_and_the_evidence(client: Client, people: Campus) -> None:
    client.force_login(people.bob)
    job = people.job(2)
    text = client.get(f"/usage/jobs/{job.pk}/").text
    text = re.sub(r"\s+", " ", text.replace("&nbsp;", " "))
    assert "28,800 CPU seconds ÷ 3,600 × 0.75" in text
    assert "14,400 GPU seconds ÷ 3,600 × 12.00" in text
    assert "6.000000" in text
    assert "line 3" in text
    assert job.run.evidence.sha256 in text
    assert "|genomics|FAILED|" in text
    assert "revision 1" in text


def test_job_pages_say_why_there_is_no_price(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    unpriced = client.get(f"/usage/jobs/{people.job(5).pk}/").text
    assert "No project has this Slurm account" in unpriced
    running = client.get(f"/usage/jobs/{people.job(6).pk}/").text
    assert "The job has not ended" in running


def test_a_mapped_account_shows_running_jobs_to_its_project_alone(
    client: Client, people: Campus
) -> None:
    AccountMapping.objects.create(
        cluster=people.cluster, account="genomics", project=people.climate
    )
    import_rows(people.cluster, Row(70, user="dao", state="RUNNING", end=october(12)))
    assert 70 in seen_by(client, people.charlie)
    assert 70 not in seen_by(client, people.alice)


def test_a_charged_job_stays_with_its_project_when_its_account_is_mapped_elsewhere(
    client: Client, people: Campus
) -> None:
    AccountMapping.objects.create(
        cluster=people.cluster, account="genomics", project=people.climate
    )
    assert 1 in seen_by(client, people.alice)
    assert 1 not in seen_by(client, people.charlie)


def test_the_overview_adds_up(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    overview = client.get("/").context["overview"]
    total = sum((c.amount for c in Charge.objects.filter(project=people.genomics)), Decimal(0))
    assert overview.unbilled == {"THB": total}
    assert [item.project.code for item in overview.projects] == ["genomics"]
    receipt = create_receipt(
        project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.alice)
    )
    page = client.get("/")
    assert page.context["overview"].due == {"THB": receipt.total}
    assert page.context["overview"].unbilled == {"THB": 0}
    assert str(receipt.number) in page.text
    client.force_login(people.bob)
    page = client.get("/")
    assert str(receipt.number) not in page.text
    assert [item.unbilled for item in page.context["overview"].projects] == [None]
    client.force_login(people.clerk)
    assert "You don’t take part in a project" in client.get("/").text


def test_the_demo_says_what_it_shows(client: Client, people: Campus, settings: object) -> None:
    settings.DEMO = True  # type: ignore[attr-defined]
    assert "real rows recorded from a Slurm cluster" in client.get("/login/").text
    settings.DEMO = False  # type: ignore[attr-defined]
    assert "real rows recorded" not in client.get("/login/").text
