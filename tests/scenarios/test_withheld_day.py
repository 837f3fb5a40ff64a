"""A cluster added in the console imports from a running slurmrestd; a day that was withheld shows
as a gap, then heals by itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from core.actor import Actor
from hpcbilling.pulls import running
from pricing.models import Charge
from tests import console
from tests.factories import make_project
from tests.nights import pull_cluster
from tests.usage.sources.history import History, slurm
from usage.models import Cluster, Job, Pull

pytestmark = pytest.mark.django_db
BEAT = Actor.system("beat")


@pytest.fixture
def history(tmp_path: Path, settings: LazySettings) -> Iterator[History]:
    found = History(days=10)
    with slurm(found, tmp_path) as connections:
        settings.SLURM_CONNECTIONS = str(connections)
        yield found


def form(history: History, **changes: str) -> dict[str, str]:
    return {
        **console.CLUSTER_FORM,
        "name": "erawan",
        "time_zone": "UTC",
        "reads_from": str(history.today - timedelta(days=8)),
        "overlap_days": "2",
        "sources-TOTAL_FORMS": "1",
        "sources-0-kind": "slurmrestd",
        "sources-0-place": "main",
        "sources-0-position": "1",
        "sources-0-is_enabled": "on",
        **changes,
    }


def states(client: Client, cluster: Cluster) -> dict[str, str]:
    """What the calendar's pages show, by day."""
    found: dict[str, str] = {}
    url = console.url(cluster, "calendar", cluster.pk)
    for back in (0, 31):
        month = timezone.now() - timedelta(days=back)
        page = client.get(url, {"month": f"{month:%Y-%m}"})
        found |= {str(field["day"]): str(field["state"]) for field in page.context["days"]}
    return found


def work(pull: Pull) -> None:
    """What the worker does with the message that the page sent."""
    while running.advance(pull_id=pull.pk, actor=BEAT):
        pass


def test_a_day_that_slurm_withheld_shows_as_a_gap_then_heals(history: History) -> None:
    operator = console.visitor("operator")
    make_project("genomics")
    page = operator.post(console.url(Cluster, "add"), form(history, **{"sources-0-place": "mian"}))
    assert "The operator configured: main." in page.text
    operator.post(console.url(Cluster, "add"), form(history))
    cluster = Cluster.objects.get(name="erawan")

    (source,) = cluster.sources.all()
    trial = operator.post(console.url(cluster, "trial", cluster.pk, source.pk)).text
    assert "Answers" in trial
    assert "slurmrestd v0.0.41 (main)" in trial

    lost = history.today - timedelta(days=5)
    history.withheld = {lost}
    sent = operator.post(console.url(cluster, "pull_now", cluster.pk))
    pull = Pull.objects.get()
    assert sent["Location"] == console.url(pull, "change", pull.pk)
    work(pull)
    shown = operator.get(sent["Location"]).text
    assert "Not all was read" in operator.get(console.url(Pull)).text
    assert "error_answer" in shown
    found = states(operator, cluster)
    assert found[str(lost)] == "missing"
    assert (
        found[str(lost - timedelta(days=1))] == found[str(lost + timedelta(days=1))] == "complete"
    )
    assert Job.objects.count() == 7 * 3
    home = operator.get("/admin/").text
    assert "Days not read" in home

    # The next night, far behind its overlap, the gap is filled: nobody does anything.
    history.withheld = set()
    night = pull_cluster(cluster, BEAT)
    assert night is not None
    # Late in the day today looks suspicious, too: nothing has run yet.
    assert str(lost) not in night.error
    assert states(operator, cluster)[str(lost)] == "complete"
    assert Job.objects.count() == 8 * 3
    assert Charge.objects.values("job").distinct().count() == 8 * 3
    day = operator.get(console.url(cluster, "day", cluster.pk, lost.isoformat())).text
    assert "slurmrestd v0.0.41 (main)" in day
    run = night.windows.filter(start__date=lost).get().run
    assert run is not None
    page_of_run = operator.get(console.url(run, "change", run.pk)).text
    assert "Windows that this import answers" in page_of_run
    assert "Failed" in day  # what was tried before is still told


def test_a_renamed_cluster_is_asked_by_slurms_own_name(history: History) -> None:
    operator = console.visitor("operator")
    operator.post(console.url(Cluster, "add"), form(history))
    cluster = Cluster.objects.get()
    (source,) = cluster.sources.all()
    kept = {"sources-INITIAL_FORMS": "1", "sources-0-id": str(source.pk), "sources-0-cluster": "1"}
    operator.post(
        console.url(cluster, "change", cluster.pk),
        form(history, name="big-one", **{**kept, "sources-0-cluster": str(cluster.pk)}),
    )
    cluster.refresh_from_db()
    assert (cluster.name, cluster.slurm_name) == ("big-one", "erawan")
    assert console.last_event("cluster.changed")["changes"]["slurm_name"] == ["", "erawan"]
    operator.post(console.url(cluster, "day", cluster.pk, str(history.today - timedelta(days=2))))
    pull = Pull.objects.get()
    work(pull)
    assert Job.objects.filter(cluster=cluster).count() == 3


def test_who_may_not_import_begins_nothing(history: History) -> None:
    console.visitor("operator").post(console.url(Cluster, "add"), form(history))
    cluster = Cluster.objects.get()
    auditor = console.visitor("auditor")
    day = str(history.today - timedelta(days=2))
    assert auditor.get(console.url(cluster, "calendar", cluster.pk)).status_code == 200
    assert auditor.post(console.url(cluster, "pull_now", cluster.pk)).status_code == 403
    assert auditor.post(console.url(cluster, "day", cluster.pk, day)).status_code == 403
    assert auditor.get(console.url(cluster, "sources", cluster.pk)).status_code == 403
    (source,) = cluster.sources.all()
    trial = console.url(cluster, "trial", cluster.pk, source.pk)
    assert auditor.post(trial).status_code == 403
    assert not Pull.objects.exists()


def test_one_slurm_is_not_read_as_two_clusters(history: History) -> None:
    operator = console.visitor("operator")
    operator.post(console.url(Cluster, "add"), form(history))
    twin = form(history, name="twin", slurm_name="erawan")
    page = operator.post(console.url(Cluster, "add"), twin)
    assert "The cluster erawan reads the same accounting from slurmrestd main" in page.text
    assert not Cluster.objects.filter(name="twin").exists()
