"""Reading the quarantine: what is open, and what settled itself or was settled by someone."""

from typing import Any

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, TextChoices, Value, When
from django.utils.translation import gettext_lazy as _

from usage.models import ImportRun, Job, QuarantineDecision, QuarantinedRow, Window

S = ImportRun.Status
ENDED = (S.COMPLETE, S.INCOMPLETE, S.RELEASED)


class State(TextChoices):
    """Where a quarantined row stands. Disjoint and complete."""

    OPEN = "open", _("Open")
    AGAIN = "again", _("Came again later")
    RESOLVED = "resolved", _("Resolved")
    DISMISSED = "dismissed", _("Dismissed")


def _last_decision() -> Subquery:
    """The last decision on the same row of the same cluster, however often it came."""
    decisions = QuarantineDecision.objects.filter(
        cluster=OuterRef("run__cluster"), digest=OuterRef("digest")
    )
    return Subquery(decisions.order_by("-number").values("kind")[:1])


def _imported_well() -> Q:
    """The job was imported by a later run, whose jobs are in force."""
    return Q(
        Exists(
            Job.objects.filter(
                cluster=OuterRef("run__cluster"),
                job_id=OuterRef("job_id"),
                submit=OuterRef("submit"),
                run__gt=OuterRef("run"),
                run__status__in=ImportRun.IN_FORCE,
            )
        )
    )


def _read_whole_since() -> Q:
    """A later reading of the same window, or of the same evidence, found nothing to quarantine."""
    covering = Window.objects.filter(
        cluster=OuterRef("cluster"),
        start__lte=OuterRef("start"),
        end__gte=OuterRef("end"),
        run__gt=OuterRef("run"),
        run__status=S.COMPLETE,
    )
    windows = Window.objects.filter(Exists(covering), run=OuterRef("run"))
    retried = ImportRun.objects.filter(
        evidence=OuterRef("run__evidence"),
        cluster=OuterRef("run__cluster"),
        pk__gt=OuterRef("run"),
        status=S.COMPLETE,
    )
    return Q(Exists(windows)) | Q(Exists(retried))


def _came_again() -> Q:
    """A later reading has the same row, which stands for this one too; or this one's evidence was
    read again, and what is still wrong with it stands there."""
    same = QuarantinedRow.objects.filter(
        run__cluster=OuterRef("run__cluster"), digest=OuterRef("digest"), pk__gt=OuterRef("pk")
    )
    read_again = ImportRun.objects.filter(retry_of=OuterRef("run"), status__in=ENDED)
    return Q(Exists(same)) | Q(Exists(read_again))


def with_state(rows: QuerySet[QuarantinedRow] | None = None) -> QuerySet[Any]:
    """Return quarantined rows with their ``state`` (a State) and ``last_decision``."""
    base = QuarantinedRow.objects.all() if rows is None else rows
    return base.annotate(
        last_decision=_last_decision(),
    ).annotate(
        state=Case(
            When(last_decision="dismissed", then=Value(State.DISMISSED.value)),
            When(_imported_well(), then=Value(State.RESOLVED.value)),
            When(_read_whole_since(), then=Value(State.RESOLVED.value)),
            When(_came_again(), then=Value(State.AGAIN.value)),
            default=Value(State.OPEN.value),
        )
    )


def open_rows() -> QuerySet[Any]:
    """Return the rows that wait for someone, each once however often it came."""
    return with_state().filter(state=State.OPEN)


def unsettled(run: ImportRun) -> QuerySet[Any]:
    """Return the rows of a run that are neither resolved nor dismissed."""
    rows = QuarantinedRow.objects.filter(run=run)
    return with_state(rows).filter(state__in=(State.OPEN, State.AGAIN))


def is_settled(run: ImportRun) -> bool:
    """Whether nothing but a person's release stands between an incomplete run and its jobs: it was
    read to its end, and each row in quarantine is resolved or dismissed."""
    return (
        run.status == S.INCOMPLETE
        and run.quarantined > 0
        and not (run.truncated or run.error_code)
        and not unsettled(run).exists()
    )


def dismissals_of(run: ImportRun) -> QuerySet[QuarantineDecision]:
    """Return the dismissals that hold for rows of a run, the newest first."""
    digests = QuarantinedRow.objects.filter(run=run).values("digest")
    later = QuarantineDecision.objects.filter(
        cluster=OuterRef("cluster"), digest=OuterRef("digest"), number__gt=OuterRef("number")
    )
    return QuarantineDecision.objects.filter(
        ~Exists(later), cluster=run.cluster, digest__in=digests, kind="dismissed"
    ).order_by("-id")
