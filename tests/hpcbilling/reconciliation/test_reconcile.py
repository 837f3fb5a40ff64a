"""Slurm's own totals against ours: zero to the second, or each job with its cause."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditEvent
from core.intervals import Interval
from hpcbilling import metrics as _metrics  # noqa: F401 - registers the series at a scrape
from hpcbilling.reconciliation.figures import grouped
from hpcbilling.reconciliation.services import reconcile
from receipts.services import create_receipt
from tests.factories import SYSTEM, Row, import_rows, make_project
from tests.hpcbilling.reconciliation.slurm import PretendedSlurm, Stated, report_of, stated
from usage.models import Cluster, Pull, Reconciliation, Source, Window
from usage.reconciliations import unexplained_by_cluster

pytestmark = pytest.mark.django_db
OCTOBER = Interval(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
O = Reconciliation.Outcome  # noqa: E741
GPU = "cpu=4,mem=8192M,node=1,billing=4,gres/gpu=2"
RESIZED = {"State": "RESIZING"}


def compared(cluster: Cluster, period: Interval = OCTOBER, **more: Any) -> Reconciliation:
    return reconcile(cluster=cluster, period=period, actor=SYSTEM, **more)


def causes(result: Reconciliation) -> dict[int, str]:
    return {row["job_id"]: row["cause"] for row in result.differences}


def test_the_buckets_share_out_what_slurm_says(cluster: Cluster, slurm: PretendedSlurm) -> None:
    genomics = make_project("genomics")
    make_project("climate")
    rows = (
        Row(1, tres=GPU),
        Row(2, account="climate", seconds=60),
        Row(3, account="nowhere", seconds=70),
        Row(4, seconds=80, state="RUNNING"),
        Row(5, seconds=0),
        Row(6, seconds=90, extra={"AllocTRES": "cpu=4,cpu=5"}),
    )
    run = import_rows(cluster, *rows[:5]).run
    bill_until = OCTOBER.end
    create_receipt(project_id=genomics.pk, window=Interval(OCTOBER.start, bill_until), actor=SYSTEM)
    import_rows(cluster, rows[5])
    slurm.says(*(stated(row) for row in rows))
    slurm.reports(*report_of(*(stated(row) for row in rows)))
    assert run.quarantined == 0

    result = compared(cluster)

    assert (result.outcome, result.jobs_differing, result.differences) == (O.AGREED, 0, [])
    cpu = {bucket: figures["cpu_seconds"] for bucket, figures in grouped(result).items()}
    assert cpu == {
        "billed": 4 * 3600,
        "unbilled": 4 * 60,
        "running": 4 * 80,
        "exempt": 0,
        "unpriced": 4 * 70,
        "quarantined": 4 * 90,
    }
    for figures in result.figures.values():
        assert figures["slurm"] == sum(figures["buckets"].values())
        assert figures["difference"] == 0
    assert result.figures["gpu_seconds"]["slurm"] == 2 * 3600
    assert result.quarantined_rows == 1
    assert result.report["agrees"] is True
    event = AuditEvent.objects.get(action="usage.reconciled")
    assert event.target_id == str(result.pk)


def test_it_asks_for_every_attempt_in_unix_time(cluster: Cluster, slurm: PretendedSlurm) -> None:
    compared(cluster)
    sacct, sreport = slurm.asked()
    since, until = (int(edge.timestamp()) for edge in (OCTOBER.start, OCTOBER.end))
    assert "TZ=UTC %s" in sacct
    for option in ("--duplicates", "--allusers", "--truncate", "--clusters=alpha"):
        assert option in sacct
    assert f"--starttime=uts{since} --endtime=uts{until}" in sacct
    assert f"clusters=alpha start=uts{since} end=uts{until}" in sreport


def test_jobs_are_cut_at_the_edges_of_the_period(cluster: Cluster, slurm: PretendedSlurm) -> None:
    begin, end = OCTOBER.start, OCTOBER.end
    import_rows(
        cluster,
        Row(1, end=begin + timedelta(hours=1), seconds=7200),
        Row(2, end=end + timedelta(seconds=7), seconds=20),
        Row(3, end=begin - timedelta(hours=1)),
        Row(4, end=end + timedelta(hours=2)),
    )
    slurm.says(
        Stated(
            1, start=begin, submit=begin - timedelta(seconds=3660), end=begin + timedelta(0, 3600)
        ),
        Stated(2, seconds=13, end=end, submit=end - timedelta(seconds=73)),
        # Slurm lists jobs that start after the window too, with an end before their start.
        Stated(4, seconds=0, end=end, start=end + timedelta(hours=1)),
    )
    result = compared(cluster)
    assert result.outcome == O.UNEXPLAINED, "sreport said nothing"
    assert (result.jobs_differing, result.jobs_stated) == (0, 2)
    assert result.figures["cpu_seconds"]["slurm"] == 4 * (3600 + 13)


def test_each_difference_has_its_cause(cluster: Cluster, slurm: PretendedSlurm) -> None:
    end = datetime(2026, 10, 15, 12, tzinfo=UTC)
    begin = end - timedelta(hours=1)
    early = {"Submit": str(int((begin + timedelta(minutes=10)).timestamp()))}
    import_rows(
        cluster,
        Row(1),
        Row(2, state="RUNNING"),
        Row(3, extra=early),
        Row(4, extra={"ElapsedRaw": "3000"}),
        Row(5, seconds=600, state="RUNNING"),
        Row(6),
        Row(7),
        Row(8),
    )
    slurm.says(
        stated(Row(1)),
        stated(Row(2, seconds=3600)),
        Stated(3, submit=begin + timedelta(minutes=10)),
        Stated(4, seconds=3100, suspended=500),
        Stated(5, seconds=900, state="RUNNING", start=end - timedelta(seconds=600),
               submit=end - timedelta(seconds=660)),
        Stated(6, end=end + timedelta(seconds=5), seconds=3605),
        Stated(8, tres="cpu=5,mem=8192M,node=1"),
        Stated(9),
    )  # fmt: skip
    slurm.says(*(line for line in (slurm.folder / "sacct.out").read_text().splitlines()))
    result = compared(cluster)
    assert causes(result) == {
        3: "resized",
        4: "suspended",
        5: "still_runs",
        6: "changed_since",
        7: "gone",
        8: "unknown",
        9: "missing",
    }
    listed = [row["job_id"] for row in result.differences]
    assert set(listed[:3]) == {7, 8, 9}, "those that need a person come first"
    (eight,) = (row for row in result.differences if row["job_id"] == 8)
    assert eight["cpu_seconds"] == {"ours": 4 * 3600, "slurm": 5 * 3600}
    assert eight["id"] is not None
    for figures in result.figures.values():
        assert figures["difference"] == sum(figures["buckets"].values()) - figures["slurm"]
    changes = [cause["cpu_seconds"] for cause in result.causes.values()]
    assert sum(changes) == result.figures["cpu_seconds"]["difference"]


def test_a_day_that_was_not_read_is_a_known_cause(cluster: Cluster, slurm: PretendedSlurm) -> None:
    import_rows(cluster, Row(1))
    pull = Pull.objects.create(cluster=cluster, slot=OCTOBER.start.date())
    for day in (13, 31):
        start = datetime(2026, 10, day, tzinfo=UTC)
        Window.objects.create(
            cluster=cluster, pull=pull, start=start, end=start + timedelta(days=1),
            status="empty", asked_at=OCTOBER.end,
        )  # fmt: skip
    slurm.says(
        stated(Row(1)),
        Stated(2, end=datetime(2026, 10, 20, tzinfo=UTC)),
        Stated(3, end=datetime(2026, 10, 13, 5, tzinfo=UTC)),
    )
    assert causes(compared(cluster)) == {2: "not_read", 3: "missing"}


def test_sums_in_which_sreport_is_unlike_the_jobs_are_told(
    cluster: Cluster, slurm: PretendedSlurm
) -> None:
    import_rows(cluster, Row(1))
    slurm.says(stated(Row(1)))
    slurm.reports(*report_of(Stated(1, seconds=3599)))
    result = compared(cluster)
    assert (result.outcome, result.unexplained) == (O.UNEXPLAINED, 3)
    (cpu,) = (row for row in result.report["differences"] if row["resource"] == "cpu_seconds")
    assert (cpu["sreport"], cpu["jobs"]) == (4 * 3599, 4 * 3600)
    assert unexplained_by_cluster() == {"alpha": 3}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"status": 1, "error": "slurmdbd: Connection refused"}, "Connection refused"),
        ({"error": "sacct: error: slurmdbd"}, "complained"),
        ({"jobs": ("1|2|3",)}, "3 columns"),
        ({"jobs": ("x" + stated(Row(1)).line(),)}, "whole number"),
    ],
)
def test_what_could_not_be_read_is_never_taken_for_agreement(
    cluster: Cluster, slurm: PretendedSlurm, said: dict[str, Any], reason: str
) -> None:
    slurm.says(*said.pop("jobs", ()), **said)
    result = compared(cluster)
    assert result.outcome == O.FAILED
    assert reason in result.error
    assert result.figures == {}


def test_the_next_source_is_asked_when_one_fails(cluster: Cluster, slurm: PretendedSlurm) -> None:
    text = slurm.connections.read_text()
    gone = text.replace("[here]", "[gone]").replace("/sacct", "/nowhere/sacct")
    slurm.connections.write_text(gone + text)
    Source.objects.filter(cluster=cluster).update(position=2)
    Source.objects.create(cluster=cluster, kind="sacct", place="gone", position=1)
    result = compared(cluster)
    assert result.outcome == O.AGREED
    assert result.source.startswith("sacct here; not sacct gone: not_started")


def call(*args: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("reconcile", *args, stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}", error.returncode
    return out.getvalue(), 0


def test_exit_codes_are_for_scripts(cluster: Cluster, slurm: PretendedSlurm) -> None:
    import_rows(cluster, Row(1))
    slurm.says(stated(Row(1)))
    slurm.reports(*report_of(stated(Row(1))))
    said, code = call("alpha", "2026-10", "--json")
    told = json.loads(said)
    assert (code, told["outcome"], told["jobs"]) == (0, "agreed", 1)
    assert told["difference"] == dict.fromkeys(told["slurm"], 0)
    assert told["buckets"]["unpriced"]["cpu_seconds"] == 4 * 3600
    said, code = call("alpha", "2026-10-15")
    assert code == 0
    assert "difference" in said
    slurm.says(stated(Row(1, seconds=3600, tres="cpu=8,node=1")))
    said, code = call("alpha", "2026-10")
    assert code == 1
    assert "1 (unknown): cpu -14,400 s" in said
    slurm.says(status=1)
    assert call("alpha", "2026-10")[1] == 3
    assert call("beta", "2026-10")[1] == 2
    assert call("alpha", "soon")[1] == 2
    assert call("alpha", "2026-10", "--until", "2026-12-01T00:00:00Z")[1] == 2
    Source.objects.update(is_enabled=False)
    said, code = call("alpha", "2026-10")
    assert code == 2
    assert "No source" in said
    assert Reconciliation.objects.count() == 4


@pytest.mark.parametrize(("used", "unexplained"), [(1000, 0), (3600, 0), (0, 0), (3601, 1)])
def test_a_job_suspended_at_the_periods_edge_explains_sreports_cpu_time(
    cluster: Cluster, slurm: PretendedSlurm, used: int, unexplained: int
) -> None:
    """sreport knows when it was suspended, the job's record doesn't; it can't have used more than
    it held."""
    end = datetime(2026, 11, 1, tzinfo=UTC)
    job = Stated(1, end=end, seconds=2000, suspended=1600, state="SUSPENDED")
    import_rows(cluster, Row(1, state="SUSPENDED", end=end))
    slurm.says(job, stated(Row(2)))
    lines = report_of(job, stated(Row(2)))
    slurm.reports(*(line.replace("|cpu|8000", f"|cpu|{4 * used}") for line in lines))
    result = compared(cluster)
    (line,) = result.report["differences"]
    assert (line["resource"], line["cause"]) == (
        "cpu_seconds",
        "" if unexplained else "suspended",
    )
    assert result.report["unexplained"] == unexplained
