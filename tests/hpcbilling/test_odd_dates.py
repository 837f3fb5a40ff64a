"""Days from the ends of the calendar in addresses and forms: never an error of the server."""

from datetime import date

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.test import Client

from core.errors import Invalid
from tests import console
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from usage.models import (
    Cluster,
    Evidence,
    ImportRun,
    Job,
    MissingJob,
    Pull,
    Reconciliation,
    Source,
    Window,
)
from usage.pulls import plan_backfill, plan_manual

pytestmark = pytest.mark.django_db

DAYS = ("0001-01-01", "0001-01-02", "1969-12-31", "2200-01-01", "9999-12-31", "10000-01-01", "x")
MONTHS = (*(day[:-3] for day in DAYS[:-2]), "0000-01", "2026-13", "-1", "")


@pytest.fixture
def cluster(settings: LazySettings) -> Cluster:
    settings.SITE_TIME_ZONE = "Asia/Bangkok"
    made = make_cluster()
    Cluster.objects.update(time_zone="Asia/Bangkok")
    Source.objects.create(cluster=made, kind="sacct", place="login")
    made.refresh_from_db()
    import_rows(made, Row(1))
    return made


def test_the_calendar_shows_the_present_month_instead(cluster: Cluster) -> None:
    operator = console.visitor("operator")
    page = console.url(cluster, "calendar", cluster.pk)
    present = operator.get(page).context["month"]
    for month in MONTHS:
        answer = operator.get(page, {"month": month})
        assert answer.status_code == 200
        assert answer.context["month"] == present
    assert operator.get(page, {"month": "1971-01"}).context["before"] == ""


def test_such_a_day_of_a_cluster_is_not_found(cluster: Cluster) -> None:
    operator = console.visitor("operator")
    for day in DAYS:
        path = f"/admin/usage/cluster/{cluster.pk}/day/{day}/"
        assert operator.get(path).status_code == 404
        assert operator.post(path).status_code == 404


def test_no_form_stumbles_over_one(cluster: Cluster) -> None:
    client, pi, researcher = console.visitor("admin"), make_user("pi"), Client()
    make_project("chem", pi=pi)
    researcher.force_login(pi)
    for day in DAYS:
        fill_in(client, researcher, cluster, day)


def fill_in(client: Client, researcher: Client, cluster: Cluster, day: str) -> None:
    comparison = {"cluster": cluster.pk, "month": day[:-3], "confirm": "1"}
    assert client.post("/admin/usage/reconciliation/compare/", comparison).status_code == 200
    days = {"since": day, "until": day, "first": day, "last": day, "confirm": "1"}
    path = console.url(cluster, "backfill", cluster.pk)
    assert client.post(path, days).status_code in (200, 302)
    for page in ("/usage/", "/", "/receipts/", "/receipts/create/"):
        assert researcher.get(page, {**days, "project": "chem", "period": "days"}).status_code < 500
    posted = {**days, "project": "chem", "period": "days"}
    assert researcher.post("/receipts/create/", posted).status_code < 500


@pytest.mark.parametrize("model", [Job, ImportRun, Window, Pull, MissingJob, Evidence])
def test_no_list_by_date_stumbles_over_a_year(cluster: Cluster, model: type[Model]) -> None:
    fields = {Job: "end", Window: "start", Pull: "slot", ImportRun: "created_at"}
    field = {**fields, MissingJob: "noticed_at", Evidence: "received_at"}[model]
    admin, page = console.visitor("admin"), console.url(model)
    for year in ("0", "1", "9999", "10000", "99999999999", "x"):
        assert admin.get(page, {f"{field}__year": year}).status_code < 500


def test_services_and_commands_refuse_them(cluster: Cluster) -> None:
    for plan in (plan_manual, plan_backfill):
        with pytest.raises(Invalid):
            plan(cluster=cluster, since=date.min, until=date.min, actor=SYSTEM)
    for arguments in (
        ("reconcile", cluster.name, "0001-01"),
        ("reconcile", cluster.name, "9999-12-31"),
        ("usage_totals", cluster.name, "--since", "0001-01-01", "--until", "0001-01-02"),
        ("pull", cluster.name, "--since", "0001-01-01", "--until", "0001-01-02"),
        ("backfill", cluster.name, "--since", "0001-01-01", "--until", "0001-01-02"),
    ):
        with pytest.raises(CommandError):
            call_command(*arguments)
    assert not Reconciliation.objects.exists()
