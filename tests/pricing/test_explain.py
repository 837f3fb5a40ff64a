"""Why a job costs what it costs: every step can be followed, and computed again by hand."""

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import ProjectTier, Tier
from core.money import charge_amount
from hpcbilling.workflows import rate_pending
from pricing.explain import Explanation, PaidBy, explain_charge, explain_job
from pricing.models import Charge, RatingReason
from pricing.walk import cut_off
from pricing.wording import told
from receipts.services import create_receipt
from tests import console
from tests.api.conftest import Caller, make_key
from tests.campus import GPU, Campus, october
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_bytes,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    publish_prices,
    sacct,
)
from usage.models import AccountMapping, Cluster, Job
from usage.stages import Stage

pytestmark = pytest.mark.django_db
MIDDLE = datetime(2026, 10, 10, tzinfo=UTC)


def of_job(job_id: int) -> Explanation:
    return explain_job(Job.objects.get(job_id=job_id).pk)


def text_of(explanation: Explanation) -> str:
    return "\n".join(f"{row.name}: {row.text}" for part in told(explanation) for row in part.rows)


def test_each_charge_is_seconds_times_count_times_price(people: Campus) -> None:
    explanation = of_job(2)
    assert [step.resource for step in explanation.charges] == ["cpu", "gpu", "mem"]
    for step in explanation.charges:
        made = step.made_of
        assert made is not None
        assert step.unit_price is not None
        assert made.count * made.seconds == step.quantity
        with localcontext(prec=50):
            typed = Decimal(eval(step.expression.replace("/", "*1.0/")))
            exact = Fraction(step.quantity, step.unit_size) * Fraction(step.unit_price)
            assert abs(typed - step.amount) < Decimal("0.0000006")
            assert Decimal(step.unrounded) == Decimal(exact.numerator) / exact.denominator
    text = text_of(explanation)
    assert "Quantity: 4 × 7200 s = 28800 CPU seconds" in text
    assert "Arithmetic: 28800 ÷ 3600 × 0.75 = 6" in text
    assert "Amount: 6.000000 THB" in text
    assert f"= {explanation.total:f} THB" in text
    assert "line 3 of test.psv" in text
    assert explanation.source.sha256 in text
    assert "its code is the job's Slurm account" in text


@given(st.integers(1, 10**15), st.decimals(0, 10**6, places=6), st.sampled_from([3600, 3686400]))
def test_the_result_before_rounding_rounds_to_the_amount(
    quantity: int, price: Decimal, size: int
) -> None:
    for signed in (quantity, -quantity):
        exact = Fraction(signed) * Fraction(price) / size
        shown, is_exact = cut_off(exact)
        assert is_exact == (exact * 10**6 == int(exact * 10**6))
        assert abs(exact - Fraction(shown)) < Fraction(1, 10**12)
        with localcontext(prec=60):
            amount = charge_amount(signed, price, size)
            assert Decimal(shown).quantize(Decimal("0.000001"), ROUND_HALF_UP) == amount


def test_the_winning_list_and_why_the_others_lost(people: Campus) -> None:
    publish_prices("mu", MIDDLE, cpu="1", gpu="1", mem="1")
    publish_prices("mu", MIDDLE, cpu="2", gpu="1", mem="1")
    publish_prices("mu", datetime(2027, 1, 1, tzinfo=UTC), cpu="3")
    import_rows(people.cluster, Row(20, end=october(20)))
    explanation = of_job(20)
    assert [(step.revision, step.verdict.value) for step in explanation.lists] == [
        (1, "older"), (1, "replaced"), (2, "counts"), (1, "begins_later"),
    ]  # fmt: skip
    (counting,) = explanation.counting
    assert {step.price_list for step in explanation.charges} == {counting.price_list}
    assert not explanation.outdated
    text = text_of(explanation)
    assert "mu 2026-10-10 r2: counts: the latest that had begun when the job ended" in text
    assert "mu 2027-01-01 r1: begins after the job ended" in text


def test_an_override_of_the_tier_is_told_with_its_reason(people: Campus) -> None:
    ProjectTier.objects.create(
        project=people.genomics, tier=Tier.objects.get(code="gov"), override=1,
        reason="joint grant", starts_at=october(19), ends_at=october(25),
    )  # fmt: skip
    import_rows(people.cluster, Row(20, end=october(20)))
    explanation = of_job(20)
    assert explanation.tier is not None
    assert (explanation.tier.code, explanation.tier.override_reason) == ("gov", "joint grant")
    assert "An override, because: joint grant" in text_of(explanation)


def test_who_pays_is_told_by_how_they_were_found(people: Campus) -> None:
    assert of_job(1).paid_by is PaidBy.ACCOUNT
    AccountMapping.objects.create(
        cluster=people.cluster, account="elsewhere", project=people.genomics
    )
    own = make_project("own-work")
    type(own).objects.filter(pk=own.pk).update(owner=people.bob)
    import_rows(
        people.cluster,
        Row(20, account="elsewhere", end=october(20)),
        Row(21, user="bob", account="", end=october(20)),
    )
    assert (of_job(20).paid_by, of_job(20).project) == (PaidBy.MAPPING, "genomics")
    assert (of_job(21).paid_by, of_job(21).project) == (PaidBy.OWNER, "own-work")
    AccountMapping.objects.create(
        cluster=people.cluster, account="genomics", project=people.climate
    )
    assert (of_job(1).paid_by, of_job(1).project) == (PaidBy.STORED, "genomics")


def test_what_is_not_charged_says_why(people: Campus) -> None:
    make_project("untiered", tier="")
    Tier.objects.create(code="new", name="New")
    make_project("unlisted", tier="new")
    publish_prices("private", MIDDLE, cpu="1")
    make_project("seeds", tier="private")
    import_rows(
        people.cluster,
        Row(20, account="untiered", end=october(20)),
        Row(21, account="unlisted", end=october(20)),
        Row(22, account="seeds", end=october(20), tres=GPU),
        Row(23, end=october(20), seconds=0),
    )
    import_rows(make_cluster("beta"), Row(24), Row(25, extra={"End": "rubbish"}))
    found = {n: of_job(n) for n in (5, 6, 20, 21, 22, 23, 24)}
    assert {n: item.reason for n, item in found.items()} == {
        5: RatingReason.NO_PROJECT, 6: "", 20: RatingReason.NO_TIER, 21: RatingReason.NO_LIST,
        22: RatingReason.NO_RATE, 23: RatingReason.NO_USAGE, 24: "",
    }  # fmt: skip
    assert (found[6].stage, found[24].stage) == (Stage.RUNNING, Stage.HELD)
    assert found[22].missing_rates == ("gpu", "mem")
    assert all(not item.charges and item.total == 0 for item in found.values())
    for number, words in {
        5: "No project is found", 6: "has not ended", 20: "had no tier", 21: "no published",
        22: "GPU, Memory", 23: "used nothing", 24: "import is incomplete",
    }.items():  # fmt: skip
        assert words in text_of(found[number]), number


def test_a_billed_job_of_other_prices_says_that_it_waits(people: Campus) -> None:
    create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
    publish_prices("mu", october(1), cpu="1", gpu="1", mem="1")
    assert (of_job(1).outdated, of_job(1).to_correct) == (True, False)
    rate_pending(actor=SYSTEM)
    assert of_job(1).to_correct
    assert "document has to be corrected first" in text_of(of_job(1))


def test_a_changed_job_tells_its_earlier_charges(people: Campus) -> None:
    changed = sacct(Row(1, end=october(5), tres="cpu=2,mem=8192M,node=1"))
    import_bytes(people.cluster, changed, as_of=october(12))
    explanation = of_job(1)
    assert explanation.source.revision == 2
    first, second = explanation.earlier[0], explanation.charges[0]
    assert (first.resource, first.quantity, first.made_of) == ("cpu", 14400, None)
    assert second.quantity == 7200
    reversal = next(step for step in explanation.earlier if step.reverses == first.charge)
    assert first.reversed_by == reversal.charge
    assert (reversal.quantity, reversal.amount) == (-14400, -first.amount)
    text = text_of(explanation)
    assert "14400 ÷ 3600 × 0.75 = 3.000000 THB (mu 2000-01-01 r1), taken back by" in text
    assert f"the reversal of charge #{first.charge}" in text
    step, same = explain_charge(first.charge)
    assert same is not None
    assert (step, same.job) == (first, explanation.job)


def test_memory_of_no_whole_mib_and_suspended_time_add_up(people: Campus) -> None:
    import_rows(
        people.cluster, Row(20, end=october(20), seconds=1001, tres="cpu=3,mem=100.5M,node=1")
    )
    cpu, mem = of_job(20).charges
    assert cpu.made_of is not None
    assert mem.made_of is not None
    assert (mem.made_of.count, mem.quantity) == (Fraction(201, 2), 100600)
    assert not cpu.is_exact or Decimal(cpu.unrounded) == cpu.amount
    assert "…" in text_of(of_job(20))


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("explain", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_a_job_a_charge_and_the_row(people: Campus) -> None:
    job = people.job(2)
    charge = Charge.objects.filter(job=job).earliest("pk")
    text = run("job", str(job.pk))
    assert run("job", "alpha:2") == run("charge", str(charge.pk)) == text
    assert "28800 ÷ 3600 × 0.75" in text
    assert "|bob|genomics|FAILED|" in text
    data = json.loads(run("charge", str(charge.pk), "--json"))
    assert data["charges"][0]["expression"] == "28800 / 3600 * 0.75"
    for arguments in (("job", "999"), ("charge", "999"), ("job", "alpha:999")):
        with pytest.raises(CommandError, match="no ") as caught:
            run(*arguments)
        assert caught.value.returncode == 1


def test_the_api_answers_to_who_may_see_the_job(people: Campus) -> None:
    job, mine = people.job(4), Caller(key=make_key(people.bob))
    answer = mine.get(f"usage/{job.pk}/explanation")
    assert (answer.status_code, answer.json()["project"]) == (200, "climate")
    told_by_api = answer.json()
    assert told_by_api == json.loads(run("job", str(job.pk), "--json"))
    charge = told_by_api["charges"][0]["charge"]
    assert mine.get(f"charges/{charge}/explanation").json() == told_by_api
    stranger = Caller(key=make_key(people.alice))
    assert stranger.get(f"usage/{job.pk}/explanation").status_code == 404
    assert stranger.get(f"charges/{charge}/explanation").status_code == 404
    auditor = Caller(key=make_key(people.auditor))
    assert auditor.get(f"usage/{job.pk}/explanation").json() == told_by_api
    assert Caller().get(f"usage/{job.pk}/explanation").status_code == 401


def test_the_page_is_for_who_may_see_the_job(people: Campus, client: Client) -> None:
    job = people.job(4)
    address = reverse("insights:why", args=[job.pk])
    client.force_login(people.bob)
    page = client.get(address)
    assert "14400 ÷ 3600 × 1.5 = 6" in page.content.decode()
    assert address in client.get(reverse("insights:job", args=[job.pk])).content.decode()
    client.force_login(people.alice)
    assert client.get(address).status_code == 404


def test_the_console_explains_jobs_and_charges(people: Campus) -> None:
    job = people.job(4)
    address = reverse("admin:pricing_charge_why", args=[job.pk])
    clerk = console.visitor("finance")
    assert address in clerk.get(console.url(job, "change", job.pk)).content.decode()
    charge = Charge.objects.filter(job=job).earliest("pk")
    page = clerk.get(console.url(charge, "explain", charge.pk), follow=True)
    assert page.redirect_chain[-1][0] == address
    assert "14400 ÷ 3600 × 1.5 = 6" in page.content.decode()
    assert clerk.get(reverse("admin:pricing_charge_why", args=[10**9])).status_code == 404
    operator = console.visitor("operator")
    assert operator.get(address).status_code == 403
    assert address not in operator.get(console.url(job, "change", job.pk)).content.decode()


def test_a_charge_that_is_not_the_readers_is_not_told(people: Campus) -> None:
    make_user("eve")
    nobody = Charge.objects.none()
    with pytest.raises(Charge.DoesNotExist):
        explain_charge(Charge.objects.earliest("pk").pk, charges=nobody)
    assert explain_job(people.job(1).pk, charges=nobody).charges == ()
    assert Cluster.objects.count() == 1
    assert timedelta(0) < october(6) - october(5)
