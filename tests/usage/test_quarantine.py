"""The quarantine: seen, settled by itself, dismissed by a named person, and read again."""

import io
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from audit.models import AuditEvent
from core.actor import Actor
from core.errors import Conflict, Invalid
from hpcbilling.workflows import finish_import, import_usage, release_and_rate, resume_imports
from pricing.models import Charge
from tests.factories import (
    SYSTEM,
    Row,
    import_bytes,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    sacct,
)
from usage.models import (
    Cluster,
    Job,
    QuarantineDecision,
    QuarantinedRow,
    Window,
)
from usage.quarantine import dismiss, read_again, reopen
from usage.quarantine_states import is_settled, open_rows, unsettled, with_state
from usage.reasons import Reason

pytestmark = pytest.mark.django_db

BAD = Row(2, extra={"ElapsedRaw": "-5"})


def states() -> list[str]:
    return list(with_state().order_by("pk").values_list("state", flat=True))


def person(name: str = "clerk") -> Actor:
    return Actor.of(make_user(name))


def test_a_row_is_open_until_its_job_was_imported_well_by_a_later_run() -> None:
    make_project("genomics")
    cluster = make_cluster()
    run = import_rows(cluster, Row(1), BAD).run
    row = QuarantinedRow.objects.get()
    assert states() == ["open"]
    assert (row.job_id, row.submit) == (2, Row(2).end - timedelta(seconds=3660))
    assert len(row.advice) > 40
    assert not is_settled(run)
    import_rows(cluster, Row(2), Row(3))
    assert states() == ["resolved"]
    assert is_settled(run)
    assert not Charge.objects.filter(job__job_id=1).exists()
    release_and_rate(run_id=run.pk, actor=person(), reason="row 2 came well")
    assert Charge.objects.filter(job__job_id=1).exists()


def test_a_job_in_another_run_that_is_held_back_resolves_nothing() -> None:
    cluster = make_cluster()
    import_rows(cluster, Row(1), BAD)
    import_rows(cluster, Row(2), Row(7, extra={"State": "what"}))
    assert states() == ["open", "open"]


def test_rows_that_were_not_read_at_all_have_no_identity() -> None:
    """A guess could resolve a row by another one's job."""
    cluster = make_cluster()
    content = sacct(Row(1), Row(2), "3|3|alice", Row(4, name="a\0b"))[:-1]
    stream = io.BytesIO(content)
    import_usage(cluster=cluster, stream=stream, origin="x", actor=SYSTEM)
    assert QuarantinedRow.objects.filter(submit=None).count() > 1
    assert set(QuarantinedRow.objects.values_list("job_id", flat=True)) == {None}


def test_every_reason_says_what_to_do() -> None:
    row = QuarantinedRow()
    for reason in Reason:
        row.reason = reason.value
        assert len(row.advice) > 40
        assert row.explanation not in ("", reason.value)


def test_dismissing_needs_a_name_and_a_reason_and_is_kept() -> None:
    import_rows(make_cluster(), Row(1), BAD)
    row = QuarantinedRow.objects.get()
    clerk = person()
    for actor, reason in ((SYSTEM, "why"), (clerk, " ")):
        with pytest.raises(Invalid):
            dismiss(row_ids=[row.pk], actor=actor, reason=reason)
    assert dismiss(row_ids=[row.pk], actor=clerk, reason=" a test job ") == 1
    assert dismiss(row_ids=[row.pk], actor=clerk, reason="again") == 0
    decision = QuarantineDecision.objects.get()
    assert (decision.number, decision.reason, decision.author_id) == (
        1,
        "a test job",
        clerk.user_id,
    )
    assert states() == ["dismissed"]
    assert AuditEvent.objects.filter(action="quarantine.dismissed").count() == 1
    assert not open_rows().exists()


def test_undoing_is_a_decision_too() -> None:
    import_rows(make_cluster(), Row(1), BAD)
    row, clerk = QuarantinedRow.objects.get(), person()
    assert reopen(row_ids=[row.pk], actor=clerk, reason="nothing to undo") == 0
    for number in (1, 3):
        assert dismiss(row_ids=[row.pk], actor=clerk, reason="no") == 1
        assert reopen(row_ids=[row.pk], actor=clerk, reason="yes") == 1
        assert QuarantineDecision.objects.count() == number + 1
        assert states() == ["open"]
    assert AuditEvent.objects.filter(action="quarantine.reopened").count() == 2


def test_the_same_row_that_comes_again_is_one_thing_to_do() -> None:
    cluster = make_cluster()
    import_rows(cluster, Row(1), BAD)
    import_rows(cluster, Row(1), BAD, Row(3))
    assert states() == ["again", "open"]
    other = make_cluster("beta")
    import_rows(other, BAD)
    assert states() == ["again", "open", "open"]
    dismiss(row_ids=[open_rows().filter(run__cluster=cluster).get().pk], actor=person(), reason="x")
    assert states() == ["dismissed", "dismissed", "open"]


def test_a_dismissed_row_does_not_hold_back_the_next_night() -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(1), BAD)
    clerk = person()
    dismiss(row_ids=[QuarantinedRow.objects.get().pk], actor=clerk, reason="a test job")
    night = import_rows(cluster, Row(1), BAD, Row(3))
    assert night.run.status == "released"
    assert night.run.released_by_id == clerk.user_id
    assert "a test job" in night.run.release_reason
    assert Charge.objects.filter(job__job_id=3).exists()
    # Something else is wrong in the night after: that waits for someone.
    after = import_rows(cluster, BAD, Row(4), Row(5, extra={"State": "what"}))
    assert (after.run.status, after.rating.rated) == ("incomplete", 0)
    reopen(row_ids=[QuarantinedRow.objects.first().pk], actor=clerk, reason="it was none")  # type: ignore[union-attr]
    assert import_rows(cluster, BAD, Row(6)).run.status == "incomplete"


def test_dismissing_the_last_row_makes_the_run_ready_but_releases_nothing_by_itself() -> None:
    make_project("genomics")
    cluster = make_cluster()
    run = import_rows(cluster, Row(1), BAD, Row(7, extra={"State": "what"})).run
    first, second = QuarantinedRow.objects.order_by("pk")
    clerk = person()
    dismiss(row_ids=[first.pk], actor=clerk, reason="x")
    assert [row.pk for row in unsettled(run)] == [second.pk]
    dismiss(row_ids=[second.pk], actor=clerk, reason="y")
    run.refresh_from_db()
    assert (run.status, is_settled(run)) == ("incomplete", True)
    assert not Charge.objects.exists()


def test_a_file_that_lacks_its_end_is_not_settled_by_its_rows() -> None:
    cluster = make_cluster()
    run = import_bytes(cluster, sacct(Row(1), Row(2))[:-25]).run
    assert run.truncated
    dismiss(row_ids=[QuarantinedRow.objects.get().pk], actor=person(), reason="x")
    assert states() == ["dismissed"]
    assert not is_settled(run)
    assert import_bytes(cluster, sacct(Row(8), Row(2))[:-25]).run.status == "incomplete"


def test_reading_again_finds_what_the_settings_now_let_in() -> None:
    make_project("genomics")
    cluster = make_cluster()
    lines = sacct(Row(1), Row(2)).decode().splitlines()
    content = "\n".join(
        [f"Cluster|{lines[0]}", f"alpha|{lines[1]}", f"moved|{lines[2]}", ""]
    ).encode()
    first = import_bytes(cluster, content).run
    assert (first.status, first.jobs_new, first.quarantined) == ("incomplete", 1, 1)
    # Nothing changed: the same row is wrong in the second reading, and only there it is open.
    second = read_again(run_id=first.pk, actor=person())
    with pytest.raises(Conflict):
        read_again(run_id=first.pk, actor=SYSTEM)
    assert finish_import(run_id=second.pk, actor=SYSTEM).run.status == "incomplete"
    assert states() == ["again", "open"]
    Cluster.objects.update(slurm_name="moved")
    third = finish_import(run_id=read_again(run_id=second.pk, actor=SYSTEM).pk, actor=SYSTEM).run
    assert (third.jobs_unchanged, third.jobs_new, third.quarantined) == (0, 1, 1)


def test_a_whole_second_reading_settles_everything() -> None:
    make_project("genomics")
    cluster = make_cluster()
    future = Row(2, end=datetime.now(UTC) + timedelta(minutes=20), seconds=60)
    run = import_rows(cluster, Row(1), future).run
    assert QuarantinedRow.objects.get().reason == "future_end"
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        again = read_again(run_id=run.pk, actor=person())
    assert resume_imports(actor=SYSTEM) == 1
    again.refresh_from_db()
    assert (again.status, again.jobs_new, again.jobs_unchanged) == ("complete", 1, 1)
    assert states() == ["resolved"]
    assert Job.objects.filter(run=again).count() == 2
    assert Charge.objects.count() == 4
    with pytest.raises(Conflict):
        read_again(run_id=again.pk, actor=SYSTEM)


def test_a_later_whole_reading_of_the_window_settles_its_rows() -> None:
    cluster = make_cluster()
    run = import_rows(cluster, Row(1), Row(2, extra={"JobIDRaw": "x"})).run
    day, asked = datetime(2026, 10, 15, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC)
    values = {"cluster": cluster, "status": "read", "asked_at": asked}
    Window.objects.create(start=day, end=day + timedelta(hours=1), run=run, **values)
    later = import_rows(cluster, Row(1), Row(2)).run
    assert states() == ["open"]
    Window.objects.create(start=day, end=day + timedelta(days=1), run=later, **values)
    assert states() == ["resolved"]
