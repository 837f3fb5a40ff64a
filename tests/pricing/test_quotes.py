"""Estimates: by the engine that charges, for figures and scripts, by tier or by project."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Tier
from core.errors import Invalid
from core.money import total
from pricing.models import Charge
from pricing.quotes import MOST_STEPS, Note, Payer, Quote, Remark, Wanted, quote
from tests.api.conftest import Caller, make_key
from tests.campus import GPU, Campus
from tests.factories import (
    LONG_AGO,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    publish_prices,
)
from tests.pricing.lists import flat, publish, slabs, split
from usage.models import Cluster

pytestmark = pytest.mark.django_db
GB = 2**20
END = datetime(2026, 10, 15, 12, tzinfo=UTC)
HOUR = Wanted(seconds=3600, cpus=4, mem_kib=8 * GB)
SCRIPT = """#!/bin/bash
#SBATCH --ntasks=4 --mem=8G --time=2:00:00
#SBATCH --gres=gpu:2 --array=1-10
srun ./model
"""


def of_tier(*jobs: Wanted, cluster: Cluster | None = None, tier: str = "mu") -> Quote:
    payer = Payer(tier=Tier.objects.get(code=tier))
    return quote(jobs, payer=payer, moment=END, cluster=cluster)


def amounts(found: Quote) -> dict[str, Decimal]:
    return {line.resource: line.amount for part in found.parts for line in part.lines}


def test_it_says_what_the_job_is_charged_later(people: Campus) -> None:
    job, written = people.job(2), Charge.objects.count()
    assert job.tres == GPU
    found = of_tier(Wanted(seconds=7200, cpus=4, mem_kib=8 * GB, gpus=(("", 2),)))
    charged = Charge.objects.filter(job=job)
    assert amounts(found) == {charge.resource: charge.amount for charge in charged}
    assert found.total == total(charge.amount for charge in charged)
    assert [one.pk for one in found.lists] == [c.prices_from.pk for c in charged[:1]]
    assert Charge.objects.count() == written


def test_many_jobs_are_each_rounded(people: Campus) -> None:
    publish_prices("gov", LONG_AGO.replace(year=2021), cpu="0.0001", gpu="1", mem="0")
    assert amounts(of_tier(Wanted(seconds=1, cpus=1, jobs=1000), tier="gov"))["cpu"] == 0
    found = of_tier(Wanted(seconds=20, cpus=1, jobs=1000), tier="gov")
    assert amounts(found)["cpu"] == Decimal("0.001000")


SLABS = slabs("cpu", ("10", "2", "5"), (None, "1"))


def graduated() -> None:
    publish(SLABS, flat("mem", "0"), at=LONG_AGO.replace(year=2022))


def test_a_rate_by_the_month_begins_where_the_project_stands(people: Campus) -> None:
    graduated()
    found = of_tier(Wanted(seconds=3600, cpus=4, jobs=3))
    assert amounts(found)["cpu"] == 5 + 20 + 2
    assert Remark.FROM_ZERO in {note.remark for note in found.notes}
    line = found.parts[0].lines[0]
    assert (line.counter_before, line.quantity) == (0, 43200)


def test_jobs_that_must_be_looked_at_one_by_one_are_not_millions(people: Campus) -> None:
    publish(SLABS, flat("mem", "0"), at=LONG_AGO.replace(year=2022), minimum_per_job=Decimal(1))
    many = Wanted(seconds=36, cpus=1, jobs=MOST_STEPS // 2)
    with pytest.raises(Invalid) as caught:
        of_tier(many, many, many)
    assert caught.value.code == "too_large"


def test_the_second_kind_of_job_comes_on_top_of_the_first(people: Campus) -> None:
    graduated()
    first, second = of_tier(
        Wanted(seconds=3600, cpus=8), Wanted(seconds=3600, cpus=8)
    ).parts  # fmt: skip
    assert [line.amount for line in first.lines if line.resource == "cpu"] == [5 + 16]
    assert [line.amount for line in second.lines if line.resource == "cpu"] == [4 + 6]


def test_the_minimum_is_of_each_job(people: Campus) -> None:
    terms = {"minimum_per_job": Decimal(3)}
    publish(flat("cpu", "1"), flat("mem", "0"), at=LONG_AGO.replace(year=2022), **terms)
    assert amounts(of_tier(Wanted(seconds=3600, cpus=1, jobs=10)))["minimum"] == 20
    assert "minimum" not in amounts(of_tier(Wanted(seconds=3600, cpus=5, jobs=10)))
    volume = slabs("cpu", ("2", "2"), (None, "1"), model="volume")
    publish(volume, at=LONG_AGO.replace(year=2023), **terms)
    # 1 h: 2; 2 h: 4; 3 h: 3, a step down of -1; 4 h: 4. The minima: 1, 1, 4, 2.
    found = of_tier(Wanted(seconds=3600, cpus=1, jobs=4))
    assert amounts(found) == {"cpu": 4, "minimum": 8}


def test_prices_of_a_cluster_and_of_equivalents(people: Campus) -> None:
    counts = {"cpu": ("1", "1"), "mem": ("1", "4"), "gpu": ("16", "1")}
    publish(
        flat("unit:che", "2", cluster=people.cluster, partition="gpu"),
        *(flat(code, "1") for code in counts),
        at=LONG_AGO.replace(year=2022),
        equivalents={"che": counts},
    )
    job = Wanted(seconds=3600, cpus=4, mem_kib=32 * GB, gpus=(("", 1),), partition="gpu")
    assert amounts(of_tier(job)) == {"unit:che": 32}
    other = make_cluster("beta")
    assert set(amounts(of_tier(job, cluster=other))) == {"cpu", "mem", "gpu"}
    found = of_tier(job)
    assert (found.cluster, [note.remark for note in found.notes]) == (None, [Remark.NO_CLUSTER])


def test_negotiated_prices_are_for_the_project(people: Campus) -> None:
    publish(flat("cpu", "0.1"), project=people.genomics)
    found = quote([HOUR], payer=Payer(project=people.genomics), moment=END)
    assert amounts(found)["cpu"] == Decimal("0.4")
    assert amounts(found)["mem"] == amounts(of_tier(HOUR))["mem"]
    assert [str(one).split()[0] for one in found.lists] == ["genomics", "mu"]


def test_a_project_is_told_its_own_part_of_split_costs(people: Campus) -> None:
    split(people.genomics, (people.genomics, "25"), (people.climate, "75"))
    found = quote([HOUR], payer=Payer(project=people.genomics), moment=END)
    assert amounts(found)["cpu"] == amounts(of_tier(HOUR))["cpu"] / 4
    assert Note(Remark.SPLIT, "25") in found.notes
    import_rows(people.cluster, Row(70, end=END))
    job = people.job(70)
    mine = Charge.objects.filter(job=job, project=people.genomics)
    assert amounts(found) == {charge.resource: charge.amount for charge in mine}
    other = make_project("other")
    split(other, (people.climate, "100"))
    found = quote([HOUR], payer=Payer(project=other), moment=END)
    assert found.total == 0
    assert found.notes[0] == Note(Remark.SPLIT, "0")


@pytest.mark.parametrize(
    ("job", "tier", "code"),
    [
        (Wanted(seconds=1, cpus=1, gpus=(("", 1),)), "private", "no_rate"),
        (Wanted(seconds=1, cpus=1), "bare", "no_list"),
        (Wanted(seconds=10**7, cpus=10**7, jobs=10**6), "mu", "too_large"),
        (Wanted(seconds=1, cpus=2**31), "mu", "request"),
    ],
)
def test_what_has_no_price_says_why(people: Campus, job: Wanted, tier: str, code: str) -> None:
    Tier.objects.create(code="bare", name="Bare")
    publish_prices("private", LONG_AGO.replace(year=2022), cpu="1")
    with pytest.raises(Invalid) as refused:
        of_tier(job, tier=tier)
    assert refused.value.code == code


def test_a_project_without_a_tier_has_no_price(people: Campus) -> None:
    with pytest.raises(Invalid) as refused:
        quote([HOUR], payer=Payer(project=make_project("untiered", tier="")), moment=END)
    assert refused.value.code == "no_tier"


BODY = {"tier": "mu", "cpus": 4, "memory_gb": "8", "hours": "1", "date": "2026-10-15"}


def test_the_api_answers_as_the_selector(people: Campus) -> None:
    caller = Caller(key=make_key(people.bob, "prices:read"))
    found = caller.post("pricing/estimate", {**BODY, "gpus": 2, "hours": "2"})
    assert found.status_code == 200, found.json()
    told = found.json()
    expected = of_tier(Wanted(seconds=7200, cpus=4, mem_kib=8 * GB, gpus=(("", 2),)))
    assert told["total"] == f"{expected.total:f}"
    lines = told["requests"][0]["lines"]
    assert [line["resource"] for line in lines] == ["cpu", "gpu", "mem"]
    assert lines[0]["unit_price"] == "0.750000"
    assert [note["code"] for note in told["notes"]] == ["one_cluster"]
    scripted = caller.post("pricing/estimate", {"tier": "mu", "script": SCRIPT}).json()
    assert scripted["requests"][0]["jobs"] == 10
    assert Decimal(scripted["total"]) == expected.total * 10


def test_the_api_refuses_what_makes_no_sense(people: Campus) -> None:
    caller = Caller(key=make_key(people.bob, "prices:read"))
    for body, code in (
        ({**BODY, "tier": "nope"}, "invalid"),
        ({**BODY, "project": "genomics"}, "invalid"),
        ({**BODY, "hours": 1}, "invalid"),
        ({**BODY, "jobs": 0}, "invalid"),
        ({**BODY, "cluster": "nope"}, "cluster"),
        ({**BODY, "date": "1999-01-01"}, "no_list"),
        ({"cpus": 1, "hours": "1"}, "payer"),
        ({"tier": "mu", "script": "#SBATCH -n 2"}, "no_time"),
        ({"tier": "mu", "script": "#SBATCH \0"}, "invalid"),
    ):
        found = caller.post("pricing/estimate", body)
        assert (found.status_code, found.json()["code"]) == (400, code), body
    assert Caller(key=make_key(people.bob, "usage:read")).post(
        "pricing/estimate", BODY
    ).status_code == 403  # fmt: skip


def test_projects_of_others_don_t_exist(people: Campus) -> None:
    body = {**BODY, "project": "genomics"}
    del body["tier"]
    for user, status in ((people.alice, 200), (people.bob, 200), (people.charlie, 400)):
        found = Caller(key=make_key(user, "prices:read")).post("pricing/estimate", body)
        assert found.status_code == status
    assert Caller(key=make_key(people.clerk)).post("pricing/estimate", body).status_code == 200


@pytest.mark.parametrize("public", [False, True])
def test_who_is_not_logged_in_asks_for_tiers_where_the_site_allows(
    people: Campus, settings: object, client: Client, *, public: bool
) -> None:
    settings.ESTIMATE_PUBLIC = public  # type: ignore[attr-defined]
    assert Caller().post("pricing/estimate", BODY).status_code == (200 if public else 401)
    body = {**BODY, "project": "genomics"}
    del body["tier"]
    assert Caller().post("pricing/estimate", body).status_code == (400 if public else 401)
    page = client.get(reverse("pricing:estimate"))
    assert page.status_code == (200 if public else 302)
    if public:
        assert "genomics" not in page.text
        assert "tier:mu" in page.text


def test_pages_without_a_login_are_limited(people: Campus, settings: object) -> None:
    settings.ESTIMATE_PUBLIC = True  # type: ignore[attr-defined]
    settings.API_THROTTLE_RATES = {"user": "2/min", "anon": "2/min"}  # type: ignore[attr-defined]
    client = Client()
    found = [client.get(reverse("pricing:estimate")).status_code for _ in range(3)]
    assert found == [200, 200, 429]


def page(client: Client, **asked: str | int) -> str:
    values: dict[str, str | int] = {
        "payer": "tier:mu", "cpus": 4, "memory_gb": 8, "gpus": 0, "nodes": 1, "hours": 1, "jobs": 1,
        **asked,
    }  # fmt: skip
    return client.get(reverse("pricing:estimate"), values).text


def test_the_page_shows_lines_total_and_list(people: Campus, client: Client) -> None:
    client.force_login(people.bob)
    text = page(client, gpus=2, hours=2, jobs=10)
    expected = of_tier(Wanted(seconds=7200, cpus=4, mem_kib=8 * GB, gpus=(("", 2),), jobs=10))
    assert f"{expected.total:,.2f}" in text
    assert "80.00 CPU-core-hour" in text
    assert "For the cluster alpha, the only one there is." in text
    assert "project:genomics" in text
    assert "project:climate" not in text
    assert "Enter a number" not in page(client, payer="project:genomics")
    refused = page(client, payer="project:climate")
    assert "is not one of the available choices" in refused
    assert "no price list on that day" in page(client, day="1999-01-01")


def test_the_page_reads_a_pasted_script(people: Campus, client: Client) -> None:
    client.force_login(people.alice)
    script = SCRIPT.replace("\n", "\r\n") + "#SBATCH --nodes=5\r\n<script>alert(1)</script>"
    data = {"payer": "project:genomics", "script": script}
    text = client.post(reverse("pricing:estimate"), data).text
    assert "10 × (4 CPUs, 8 GB, 2 GPUs for 02:00:00)" in text
    assert "Line 5: “#SBATCH --nodes=5” stands after the first command" in text
    assert "<script>alert" not in text
    data["script"] = "#!/bin/sh\n#SBATCH -n 2\n"
    assert "Say how many hours it runs" in client.post(reverse("pricing:estimate"), data).text


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("estimate", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_reads_a_script(people: Campus, tmp_path: object) -> None:
    path = f"{tmp_path}/job.sh"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(SCRIPT)
    text = command("--sbatch", path, "--tier", "mu")
    assert "10 × (4 CPUs, 8 GB, 2 GPUs for 02:00:00)" in text
    assert "It does not say how many CPUs a task has; one is taken." in text
    told = json.loads(command("--sbatch", path, "--project", "genomics", "--json"))
    assert told["project"] == "genomics"
    assert f"{told['total']} THB" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--tier", "mu", "--hours", "1", "--date", "1999-01-01"), 1),
        (("--tier", "nope", "--hours", "1"), 2),
        (("--tier", "mu"), 2),
        (("--tier", "mu", "--hours", "-1"), 2),
        (("--tier", "mu", "--hours", "NaN"), 2),
        (("--tier", "mu", "--hours", "1", "--cpus", "-1"), 2),
        (("--tier", "mu", "--hours", "1", "--date", "soon"), 2),
        (("--tier", "mu", "--sbatch", "/nowhere/job.sh"), 2),
    ],
)
def test_the_command_says_what_is_wrong(
    people: Campus, arguments: tuple[str, ...], code: int
) -> None:
    with pytest.raises(CommandError) as refused:
        command(*arguments)
    assert refused.value.returncode == code


def test_a_day_of_the_form_is_one_of_the_site(people: Campus, client: Client) -> None:
    client.force_login(make_user("dora"))
    assert Project.objects.filter(members__username="dora").count() == 0
    assert "Enter a valid date." in page(client, day="1066-10-14")
