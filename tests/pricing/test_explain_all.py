"""Every kind of price, explained: the printed arithmetic gives the amount that is charged."""

import io
import json
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Project, ProjectTier, Tier, User
from core.intervals import Interval
from pricing.explain import Explanation, RateVerdict, explain_charge, explain_job
from pricing.models import Charge
from pricing.selectors import charges_visible_to
from pricing.walk import rounded
from pricing.wording import told
from receipts import explain_wording
from receipts.explain import explain_receipt
from receipts.services import create_receipt
from tests import scenes
from tests.api.conftest import Caller, make_key
from tests.factories import (
    SYSTEM,
    import_bytes,
    join,
    make_user,
)
from tests.pricing.everything import A100, START, build, hour, with_partition
from tests.pricing.test_walk import calculate
from usage.models import Cluster, Job

pytestmark = pytest.mark.django_db


everything = scenes.standing(build)


def of_job(number: int) -> Explanation:
    return explain_job(Job.objects.get(job_id=number).pk)


def text_of(explanation: Explanation) -> str:
    return "\n".join(f"{row.name}: {row.text}" for part in told(explanation) for row in part.rows)


def test_each_printed_line_of_arithmetic_gives_the_amount(everything: None) -> None:
    seen = set()
    for job in Job.objects.all():
        for step in explain_job(job.pk).charges:
            assert rounded(calculate(step.expression)) == step.amount, step
            seen.add((step.kind, step.model, step.resource.partition(":")[0]))
            if step.counter is not None:
                walk = step.counter.with_it
                assert rounded(calculate(walk.expression)) == walk.amount == step.counter.total
            if step.kind != "usage":
                continue
            made = step.made_of
            assert made is not None, step
            assert made.quantity == step.quantity
            whole = calculate(made.expression)
            assert made.whole == int(whole + Fraction(1, 2) * made.half_up), step
            parts = [calculate(part.expression) for part in made.parts]
            assert not parts or max(parts) == made.count
    assert seen == {
        ("usage", "graduated", "cpu"), ("usage", "volume", "mem"), ("usage", "package", "gpu"),
        ("usage", "flat", "cpu"), ("usage", "flat", "mem"), ("usage", "flat", "gpu"),
        ("usage", "flat", "unit"), ("minimum", "", "minimum"),
    }  # fmt: skip


def test_it_says_which_rate_won_and_why_the_others_did_not(everything: None) -> None:
    step = next(one for one in of_job(4).charges if one.resource == "gpu:a100")
    assert {rate.verdict for rate in step.rates} == {RateVerdict.WINS, RateVerdict.LESS_SPECIFIC}
    text = text_of(of_job(4))
    assert "Rate: GPU a100 (partition debug, type a100), mu 2020-01-01 r1: wins" in text
    assert "fits, but one with more limits fits too" in text
    text = text_of(of_job(1))
    assert "(partition debug, type a100), mu 2020-01-01 r1: is for another partition" in text
    text = text_of(of_job(7))
    assert "fits, but negotiated prices come first" in text
    assert "Prices of the project: solo 2020-01-01 r1: counts" in text


def test_it_tells_time_states_shares_counters_and_equivalents(everything: None) -> None:
    text = text_of(of_job(3))
    assert "33.3333 percent of the job, paid by genomics" in text
    assert "billed at 50 percent: ours" in text
    assert "36001 s, in started units of 60 s and at least 120 s: 36060 s" in text
    assert "Whole job: 4 × 36060 × 50 ÷ 100 = 72120 CPU seconds" in text
    assert "slab 1, up to 10: 10 * 2 + 5 = 25" in text_of(of_job(7))
    text = text_of(of_job(5))
    assert "the largest of CPU 4 ÷ 3 × 1, GPU a100 2 ÷ 1 × 16, Memory 32 ÷ 4 × 1: 32" in text
    assert "Memory: It is part of: Equivalents che." in text
    assert "4.500000 at least for a job" in text_of(of_job(4))
    text = text_of(of_job(6))
    assert "Not charged: The price list bills nothing of jobs that ended so: ours" in text


def test_a_reader_sees_own_shares_alone(everything: None, client: Client) -> None:
    job, alice = Job.objects.get(job_id=3), User.objects.get(username="alice")
    nobody = explain_job(job.pk, charges=charges_visible_to(make_user("carol")))
    assert (nobody.charges, nobody.elsewhere_percent) == ((), Decimal(100))
    data = Caller(key=make_key(alice)).get(f"usage/{job.pk}/explanation").json()
    assert {step["project"] for step in data["charges"]} == {"genomics"}
    assert data["elsewhere_percent"] == "66.6667"
    assert "partner" not in json.dumps(data)
    client.force_login(alice)
    page = client.get(reverse("insights:why", args=[job.pk])).text
    assert "66.6667 percent of the job are paid by other projects" in page
    assert "partner" not in page
    auditor = Caller(key=make_key(make_user("auditor", groups=("auditor",))))
    seen = auditor.get(f"usage/{job.pk}/explanation").json()
    assert {step["project"] for step in seen["charges"]} == {"genomics", "partner"}


def test_who_pays_a_share_is_told_the_prices_of_the_share(everything: None, client: Client) -> None:
    job, carol = Job.objects.get(job_id=3), make_user("carol")
    partner, genomics = (Project.objects.get(code=code) for code in ("partner", "genomics"))
    join(partner, carol, Membership.Role.PI)
    ProjectTier.objects.create(
        project=genomics, tier=Tier.objects.get(code="mu"), starts_at=START - timedelta(days=9),
        override=True, reason="a secret favour",
    )  # fmt: skip
    caller = Caller(key=make_key(carol))
    usage = caller.get(f"usage/{job.pk}/explanation").json()
    charge = Charge.objects.filter(job=job, project=partner).earliest("pk")
    for seen in (usage, caller.get(f"charges/{charge.pk}/explanation").json()):
        assert (seen["project"], seen["prices_of"], seen["tier"]["code"]) == (
            "genomics",
            "partner",
            "gov",
        )
        assert {one["layer"] + one["name"][:4] for one in seen["lists"]} == {"tiergov "}
        assert "secret" not in json.dumps(seen)
        assert seen["outdated"] is False
    client.force_login(carol)
    page = client.get(reverse("insights:why", args=[job.pk])).text
    assert "mu 2020-01-01 r1" not in page
    assert "secret" not in page
    assert "partner pays this share" in page
    nothing = explain_job(job.pk, charges=Charge.objects.none(), reader=carol)
    assert (nothing.prices_of, nothing.tier, nothing.lists) == ("", None, ())
    client.force_login(User.objects.get(username="alice"))
    page = client.get(reverse("insights:why", args=[job.pk])).text
    assert "mu 2020-01-01 r1" in page
    assert "secret" not in page
    auditor = Caller(key=make_key(make_user("auditor", groups=("auditor",))))
    seen = auditor.get(f"usage/{job.pk}/explanation").json()
    assert (seen["prices_of"], seen["tier"]["override_reason"]) == ("genomics", "a secret favour")


def test_what_was_taken_back_leaves_a_charge_without_a_job(everything: None) -> None:
    less = A100.replace("cpu=4", "cpu=2")
    changed = with_partition((hour(1, seconds=3601, tres=less), "gpu"))
    later = START + timedelta(days=10)
    import_bytes(Cluster.objects.get(), changed, as_of=later)
    (first, *_others) = Charge.objects.filter(job=None)
    step, explanation = explain_charge(first.pk)
    assert (explanation, step.kind) == (None, "adjustment")
    assert rounded(calculate(step.expression)) == step.amount
    out = io.StringIO()
    call_command("explain", "charge", str(first.pk), stdout=out)
    assert f"charge #{first.pk}" in out.getvalue()
    caller = Caller(key=make_key(make_user("auditor", groups=("auditor",))))
    data = caller.get(f"charges/{first.pk}/explanation").json()
    assert (data["charge"], data["kind"]) == (first.pk, "adjustment")
    for step in explain_job(Job.objects.get(job_id=1).pk).charges:
        assert rounded(calculate(step.expression)) == step.amount
    assert "was taken back" not in text_of(of_job(1))


def october() -> Interval:
    return Interval(START - timedelta(days=4), START + timedelta(days=20))


def test_a_receipt_is_computed_anew(everything: None, client: Client) -> None:
    project = Project.objects.get(code="genomics")
    receipt = create_receipt(project_id=project.pk, window=october(), actor=SYSTEM)
    found = explain_receipt(receipt)
    assert found.agrees
    assert (found.total, found.digest) == (receipt.total, receipt.sha256)
    assert calculate(found.net_expression) == found.net == receipt.net_amount
    assert calculate(found.total_expression) == receipt.total
    out = io.StringIO()
    call_command("explain", "receipt", str(receipt.number), stdout=out)
    text = out.getvalue()
    assert "The document says just that." in text
    for key in (str(receipt.pk), str(receipt.public_id)):
        again = io.StringIO()
        call_command("explain", "receipt", key, stdout=again)
        assert again.getvalue() == text
    alice = User.objects.get(username="alice")
    data = Caller(key=make_key(alice)).get(f"receipts/{receipt.public_id}/explanation").json()
    assert (data["agrees"], data["total"]) == (True, f"{receipt.total.normalize():f}")
    out = io.StringIO()
    call_command("explain", "receipt", str(receipt.number), "--json", stdout=out)
    assert json.loads(out.getvalue()) == data
    client.force_login(alice)
    address = reverse("receipts:why", args=[receipt.public_id])
    assert address in client.get(reverse("receipts:detail", args=[receipt.public_id])).text
    assert receipt.sha256 in client.get(address).text
    client.force_login(make_user("carol"))
    assert client.get(address).status_code == 404
    with pytest.raises(CommandError, match="no receipt"):
        call_command("explain", "receipt", "nope")


def test_a_receipt_that_was_changed_is_told(everything: None) -> None:
    project = Project.objects.get(code="solo")
    receipt = create_receipt(project_id=project.pk, window=october(), actor=SYSTEM)
    line = receipt.lines.get(position=1)
    found = explain_receipt(receipt)
    step = next(one for one in found.lines if one.line == line)
    step.line.amount += 1
    assert not step.agrees
    assert not found.agrees
    assert "The document says otherwise" in "".join(
        row.text for part in explain_wording.told(found) for row in part.rows
    )
