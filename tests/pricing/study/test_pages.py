"""A study is asked for on a list's page, computed by a worker, and seen and taken along."""

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from core.actor import Actor
from core.errors import Invalid
from pricing.models import Charge, PriceList, PriceStudy
from pricing.study.content import content_digest
from pricing.study.figures import figures_from
from pricing.study.services import ask_for_study, progress_of, run_study
from pricing.tasks import resume_studies
from tests import console, scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.pricing.lists import draft, flat

pytestmark = pytest.mark.django_db


@scenes.standing
def dearer() -> PriceList:
    """A draft under which genomics pays 5.2 for what 3.4 are charged."""
    make_project("genomics")
    import_rows(make_cluster(), Row())
    return draft(flat("cpu", "1.2"), flat("mem", "0.05"))


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


def url(page: str, *args: object) -> str:
    return reverse(f"admin:pricing_{page}", args=args)


def test_from_the_form_to_the_files(clerk: Client, dearer: PriceList) -> None:
    charges = Charge.objects.count()
    form = clerk.get(f"{url('pricelist_changelist')}{dearer.pk}/study/")
    assert form.status_code == 200
    asked = {"since": "2026-10-01", "until": "2026-10-31", "cost": "4"}
    clerk.post(f"{url('pricelist_changelist')}{dearer.pk}/study/", asked)
    row = PriceStudy.objects.get()
    assert row.status == "waiting"
    assert row.created_by is not None
    assert "Waiting for a worker" in clerk.get(url("pricestudy_change", row.pk)).text
    assert clerk.get(url("pricestudy_csv", row.pk)).status_code == 404
    run_study(study_id=row.pk)
    row.refresh_from_db()
    assert row.digest == content_digest(dearer)
    assert progress_of(row.pk).done == progress_of(row.pk).total
    page = clerk.get(url("pricestudy_change", row.pk)).text
    assert "genomics" in page
    assert "130" in page, "5.2 recover 130 % of a cost of 4"
    assert "has changed since" not in page
    csv = b"".join(clerk.get(url("pricestudy_csv", row.pk))).decode()
    assert "project,genomics,Genomics,3.400000,5.200000,1.800000,52.9,THB," in csv
    pdf = clerk.get(url("pricestudy_pdf", row.pk))
    assert pdf.content.startswith(b"%PDF-")
    assert pdf.content == clerk.get(url("pricestudy_pdf", row.pk)).content
    assert AuditEvent.objects.filter(action="price_list.studied").count() == 1
    assert Charge.objects.count() == charges


def test_a_list_that_changed_since_is_told(clerk: Client, dearer: PriceList) -> None:
    row = ask_for_study(price_list_id=dearer.pk, window=OCTOBER, actor=SYSTEM)
    run_study(study_id=row.pk)
    dearer.rates.filter(resource="cpu").update(unit_price="1.3")
    assert "has changed since" in clerk.get(url("pricestudy_change", row.pk)).text


def test_the_worker_that_died_is_replaced_and_a_result_stays(dearer: PriceList) -> None:
    row = ask_for_study(price_list_id=dearer.pk, window=OCTOBER, actor=SYSTEM)
    PriceStudy.objects.filter(pk=row.pk).update(status="running")
    resume_studies()
    row.refresh_from_db()
    assert row.status == "done"
    finished = row.finished_at
    run_study(study_id=row.pk)
    row.refresh_from_db()
    assert row.finished_at == finished
    assert row.figures is not None
    assert figures_from(row.figures).total.after == Decimal("5.2")


def test_a_cost_below_nothing_is_refused(dearer: PriceList) -> None:
    with pytest.raises(Invalid, match="more than zero"):
        ask_for_study(price_list_id=dearer.pk, window=OCTOBER, actor=SYSTEM, cost=Decimal(-1))


def test_who_drafts_nothing_asks_for_nothing(dearer: PriceList) -> None:
    client = console.visitor("auditor")
    assert client.get(f"{url('pricelist_changelist')}{dearer.pk}/study/").status_code == 403
    row = ask_for_study(price_list_id=dearer.pk, window=OCTOBER, actor=Actor.system("test"))
    run_study(study_id=row.pk)
    assert "genomics" in client.get(url("pricestudy_change", row.pk)).text


def told(*arguments: str) -> str:
    out = io.StringIO()
    call_command("price_study", *arguments, stdout=out)
    return out.getvalue()


def test_the_command(dearer: PriceList, tmp_path: Path) -> None:
    window = ("--since", "2026-10", "--until", "2026-10")
    text = told(str(dearer.pk), *window, "--cost", "4")
    assert "of a cost of 4.00, after: 130.0 %, +1.20" in text
    files = {name: tmp_path / f"study.{name}" for name in ("csv", "pdf")}
    found = json.loads(
        told(
            str(dearer), *window, "--json", "--csv", str(files["csv"]), "--pdf", str(files["pdf"]),
            "--language", "th",
        )
    )  # fmt: skip
    assert found["total"]["after"] == "5.200000"
    assert "genomics" in files["csv"].read_text()
    assert files["pdf"].read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing", "--since", "2026-10", "--until", "2026-10"),
        ("{pk}", "--since", "2026-11", "--until", "2026-10"),
        ("{pk}", "--since", "soon", "--until", "2026-10"),
        ("{pk}", "--since", "2026-10", "--until", "2026-10", "--cost", "-1"),
        ("{pk}", "--since", "2026-10", "--until", "2026-10", "--cost", "much"),
    ],
)
def test_what_is_used_wrongly_exits_with_2(dearer: PriceList, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        told(*(argument.format(pk=dearer.pk) for argument in arguments))
    assert refused.value.returncode == 2
