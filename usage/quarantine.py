"""Writing the quarantine: rows that come in, what people decide about them, and second readings."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.canonical import sha256_of
from core.errors import Conflict, Invalid
from core.locks import Space, hold_until_commit, lock_rows
from core.queue import after_commit
from core.transitions import transition
from usage.models import ImportRun, Pull, QuarantineDecision, QuarantinedRow, Window
from usage.pulls import plan_manual, send_readers
from usage.quarantine_states import State, dismissals_of, is_settled, with_state
from usage.runs import RUN_TASK, STEPS
from usage.sources.formats import Reader
from usage.sources.identity import identity_of
from usage.sources.sacct import Parsed
from usage.times import Clock

MAX_ROWS = 10_000
"""So many rows are decided about in one step."""
Kind = QuarantineDecision.Kind
S = ImportRun.Status


def quarantined(run: ImportRun, reader: Reader, bad: Iterable[Parsed]) -> list[QuarantinedRow]:
    """Return the bad rows of a run's input as they are kept."""
    columns = getattr(reader, "columns", ())
    clock = Clock(ZoneInfo(run.time_zone), run.created_at.astimezone(UTC))
    return [_kept(run, row, columns, clock) for row in bad]


def _kept(run: ImportRun, row: Parsed, columns: Collection[str], clock: Clock) -> QuarantinedRow:
    job_id, submit = identity_of(row, tuple(columns), clock) or (None, None)
    return QuarantinedRow(
        run=run,
        line=row.line,
        reason=row.reason,
        detail=row.detail[:500],
        raw=row.raw,
        digest=sha256(row.raw.encode()).hexdigest(),
        job_id=job_id,
        submit=submit,
    )


def dismiss(*, row_ids: Collection[int], actor: Actor, reason: str) -> int:
    """Let quarantined rows be left out, on a named person's word. Returns how many were open.

    The same rows are dismissed wherever and whenever they come for that cluster. Rows that are
    settled already are passed over. Raises Invalid without a person or a reason.
    """
    return _decide(row_ids, kind=Kind.DISMISSED, actor=actor, reason=reason)


def reopen(*, row_ids: Collection[int], actor: Actor, reason: str) -> int:
    """Take dismissals back. Returns how many rows are open again because of it."""
    return _decide(row_ids, kind=Kind.REOPENED, actor=actor, reason=reason)


_FROM = {
    Kind.DISMISSED: (State.OPEN, State.AGAIN),
    Kind.REOPENED: (State.DISMISSED,),
}


def _decide(row_ids: Collection[int], *, kind: Kind, actor: Actor, reason: str) -> int:
    reason = reason.strip()[:200]
    if actor.user_id is None or not reason:
        raise Invalid("reason", _("A decision on a quarantined row needs a name and a reason."))
    if len(row_ids) > MAX_ROWS:
        raise Invalid(
            "too_many", _("At most %(rows)s rows are decided about at once.") % {"rows": MAX_ROWS}
        )
    with transaction.atomic():
        found = QuarantinedRow.objects.filter(pk__in=row_ids)
        clusters = found.order_by("run__cluster").values_list("run__cluster", flat=True).distinct()
        for cluster_id in list(clusters):
            hold_until_commit(Space.QUARANTINE, cluster_id)
        rows = {
            (row.run.cluster_id, row.digest): row
            for row in with_state(found)
            .filter(state__in=_FROM[kind])
            .select_related("run")
            .order_by("-pk")
        }
        _write(rows, kind, actor.user_id, reason)
        if rows:
            record(
                f"quarantine.{kind.value}",
                actor=actor,
                target=next(iter(rows.values())) if len(rows) == 1 else None,
                data={
                    "reason": reason,
                    "rows": len(rows),
                    "runs": sorted({row.run_id for row in rows.values()})[:100],
                    "digest": sha256_of(sorted(digest for _cluster, digest in rows)),
                },
            )
    return len(rows)


def _write(
    rows: dict[tuple[int, str], QuarantinedRow], kind: Kind, author_id: int, reason: str
) -> None:
    before = QuarantineDecision.objects.filter(
        digest__in=[digest for _cluster, digest in rows]
    ).values_list("cluster", "digest")
    numbers = {
        (cluster, digest): number
        for cluster, digest, number in before.annotate(number_=Max("number")).order_by()
    }
    QuarantineDecision.objects.bulk_create(
        QuarantineDecision(
            row=row,
            cluster_id=cluster_id,
            digest=digest,
            number=numbers.get((cluster_id, digest), 0) + 1,
            kind=kind,
            reason=reason,
            author_id=author_id,
        )
        for (cluster_id, digest), row in rows.items()
    )


def release_if_dismissed(run: ImportRun) -> bool:
    """End a run that just became incomplete as released, if all that is wrong with it are rows that
    someone dismissed before: their word holds for the same rows, so nobody is asked every night.

    Within the caller's transaction; returns whether it was released.
    """
    if not is_settled(run):
        return False
    last = dismissals_of(run).select_related("author").first()
    if last is None:
        return False
    run.released_at, run.released_by = timezone.now(), last.author
    run.release_reason, run.released_by_decision = last.reason, last
    transition(
        ImportRun.objects.all(),
        table=STEPS,
        pk=run.pk,
        before=S.INCOMPLETE,
        after=S.RELEASED,
        released_at=run.released_at,
        released_by=run.released_by,
        release_reason=run.release_reason,
        released_by_decision=last,
    )
    run.status = S.RELEASED
    record(
        "import.released",
        actor=Actor.system("import"),
        target=run,
        data={"reason": run.release_reason, "decision": last.pk, "by": last.author_id},
    )
    return True


def read_again(*, run_id: int, actor: Actor) -> ImportRun:
    """Let the worker read a run's evidence once more, with today's program and settings.

    The new run goes over the same rows in the same way: what was imported well is unchanged and
    confirmed, what could not be read may be now. Raises Conflict unless the run ended with rows in
    quarantine and was not read again already.
    """
    with transaction.atomic():
        (run,) = lock_rows(ImportRun.objects.all(), run_id)
        again = run.retries.exclude(status=S.FAILED).order_by("pk").last()
        if again is not None:
            raise Conflict(
                "read_again",
                _("This was read again already, by import #%(run)s.") % {"run": again.pk},
            )
        if run.status not in (S.INCOMPLETE, S.RELEASED) or not run.quarantined:
            raise Conflict("stale_status", _("Nothing of this import is in quarantine."))
        made = ImportRun.objects.create(
            cluster_id=run.cluster_id,
            evidence_id=run.evidence_id,
            origin=run.origin,
            columns=run.columns,
            time_zone=run.time_zone,
            status=S.RUNNING,
            requested_by_id=actor.user_id,
            retry_of=run,
            as_of=run.as_of,
        )
        record("import.repeated", actor=actor, target=made, data={"import": run.pk})
        after_commit(RUN_TASK, made.pk)
    return made


def days_of(run: ImportRun) -> tuple[date, date] | None:
    """Return the first and last local day that a run was read for from a source; None if it came
    as a file."""
    found = Window.objects.filter(run=run).aggregate(start=Min("start"), end=Max("end"))
    if found["start"] is None:
        return None
    zone = ZoneInfo(run.cluster.time_zone)
    last = found["end"] - timedelta(microseconds=1)
    return found["start"].astimezone(zone).date(), last.astimezone(zone).date()


def ask_again(*, run_id: int, actor: Actor) -> Pull:
    """Ask the cluster's sources again for the days of a run, after the data was corrected there.

    Rows whose jobs come well count as resolved by themselves. Raises Conflict for a run that came
    as a file.
    """
    run = ImportRun.objects.select_related("cluster").get(pk=run_id)
    days = days_of(run)
    if days is None:
        raise Conflict("no_window", _("This import came as a file: upload the corrected one."))
    with transaction.atomic():
        pull = plan_manual(cluster=run.cluster, actor=actor, since=days[0], until=days[1])
        send_readers(pull)
    return pull
