"""The month end by one command: closed and drafted, or refused with what to do."""

import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Period, Project
from hpcbilling import tasks
from hpcbilling.closing import month_end
from hpcbilling.schedule import ENTRIES
from hpcbilling.workflows import rate_pending
from pricing.models import Charge
from receipts.models import BillingProfile, BillingRun, Receipt, RunEntry, TaxProfile
from tests.databases import Database
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    exempt,
    import_rows,
    make_cluster,
    make_project,
    make_user,
)
from tests.pricing.lists import flat, publish
from tests.racing import race, times
from usage.models import Cluster

MONTH = date(2026, 10, 1)


def build(*extra: Row) -> Cluster:
    """Two projects with jobs in October, one of which promised 1,000 a month."""
    publish(
        flat("cpu", "1"), flat("mem", "0"), at=datetime(2026, 9, 1, tzinfo=UTC), commitment=1000
    )
    make_project("genomics")
    make_project("climate", tier="gov")
    cluster = make_cluster()
    import_rows(
        cluster,
        Row(1, end=OCTOBER.start + timedelta(days=1)),
        Row(2, account="climate", end=OCTOBER.start + timedelta(days=2)),
        *extra,
    )
    rate_pending(actor=SYSTEM)
    return cluster


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("close_period", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as refusal:
        command(*arguments)
    assert refusal.value.returncode == 2
    return str(refusal.value)


@pytest.mark.django_db
def test_a_month_is_closed_trued_up_and_drafted() -> None:
    build()
    said = command("2026-10")
    assert "2026-10 is closed." in said
    assert Period.objects.get(month=MONTH).is_closed
    receipts = {receipt.project.code: receipt for receipt in Receipt.objects.all()}
    assert set(receipts) == {"genomics", "climate"}
    assert receipts["genomics"].net_amount == 1000
    assert f"to be approved: {sum(r.total for r in receipts.values())} THB" in said


@pytest.mark.django_db
def test_again_changes_nothing() -> None:
    build()
    first = json.loads(command("2026-10", "--json"))
    assert (first["status"], first["entries"]) == ("done", {"drafted": 2})
    charges = Charge.objects.count()
    assert json.loads(command("2026-10", "--json")) == first
    assert (Charge.objects.count(), Receipt.objects.count()) == (charges, 2)


@pytest.mark.django_db
def test_what_is_unexplained_is_told_with_what_to_do() -> None:
    build(Row(5, account="nowhere", end=OCTOBER.start + timedelta(days=3)))
    said = refused("2026-10")
    assert "1 job has no price. Give it a project" in said
    assert "/admin/pricing/jobrating/" in said
    assert "--override REASON --as USER" in said
    assert not Period.objects.filter(status="closed").exists()
    assert not BillingRun.objects.exists()
    assert "no active user" in refused("2026-10", "--override", "tests", "--as", "nobody")
    assert "name of a person" in refused("2026-10", "--override", "it is a test job")
    make_user("clerk", groups=("finance",))
    command("2026-10", "--override", "it is a test job", "--as", "clerk")
    period = Period.objects.get(month=MONTH)
    assert period.override_reason == "it is a test job"
    assert period.closed_by is not None
    assert period.closed_by.username == "clerk"


@pytest.mark.django_db
def test_findings_are_data_too(capsys: pytest.CaptureFixture[str]) -> None:
    build(Row(5, account="nowhere", end=OCTOBER.start + timedelta(days=3)))
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("close_period", "2026-10", "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert found["status"] == "refused"
    assert [(one["code"], one["count"]) for one in found["findings"]] == [("unpriced", 1)]


@pytest.mark.django_db
def test_a_dry_run_tells_and_changes_nothing() -> None:
    build()
    before = Charge.objects.count()
    found = json.loads(command("2026-10", "--dry-run", "--json"))
    assert (found["status"], found["entries"], found["findings"]) == ("dry_run", 2, [])
    assert float(found["true_ups"]["THB"]) > 900
    assert Charge.objects.count() == before
    assert not BillingRun.objects.exists()
    assert "nothing was changed" in command("2026-10", "--dry-run")


@pytest.mark.django_db
@pytest.mark.parametrize(("month", "says"), [("2026-13", "2026-10"), ("2099-01", "not ended yet")])
def test_no_month_to_close(month: str, says: str) -> None:
    assert says in refused(month)


@pytest.mark.django_db
def test_an_entry_with_a_problem_does_not_stop_the_others() -> None:
    build()
    profile = TaxProfile.objects.create(code="vat", name="VAT without a rate yet")
    BillingProfile.objects.create(project=Project.objects.get(code="climate"), tax_profile=profile)
    found = json.loads(command("2026-10", "--json"))
    assert found["entries"] == {"drafted": 1, "failed": 1}
    assert [(one["project"], one["code"]) for one in found["problems"]] == [
        ("climate", "no_tax_rate")
    ]
    assert "Add one in the console." in command("2026-10")


@pytest.mark.django_db
def test_the_schedule_closes_last_month_only_where_a_site_switched_it_on() -> None:
    (entry,) = [one for one in ENTRIES if one.task == "hpcbilling.close_last_month"]
    assert entry.enabled is False


@pytest.mark.django_db
def test_the_schedule_closes_the_month_that_ended_and_tells_what_stops_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = build()
    monkeypatch.setattr(month_end, "month_to_close", lambda: MONTH)
    import_rows(cluster, Row(5, account="nowhere", end=OCTOBER.start + timedelta(days=3)))
    tasks.close_last_month()
    assert not Period.objects.filter(status="closed").exists()
    Project.objects.create(code="nowhere", name="nowhere")
    exempt(cluster, account="nowhere", starts_at=OCTOBER.start)
    rate_pending(actor=SYSTEM)
    tasks.close_last_month()
    tasks.close_last_month()
    assert Period.objects.get(month=MONTH).is_closed
    assert BillingRun.objects.get().entries.count() == 2


def test_two_beats_make_each_document_once(committed_db: Database) -> None:
    build()
    done = race(*times(4, lambda: month_end.close_and_draft(period=MONTH, actor=SYSTEM).pk))
    run = BillingRun.objects.get()
    # One closes; another one that came in between is told so, and finds the run the next time.
    assert set(done) <= {str(run.pk), "closed_already"}
    assert month_end.close_and_draft(period=MONTH, actor=SYSTEM) == run
    assert Receipt.objects.count() == 2
    assert {entry.state for entry in run.entries.all()} == {RunEntry.State.DRAFTED}
    assert Charge.objects.filter(kind="true_up").count() == 1
