"""Beginning the run of a closed period: who is to get a document."""

from datetime import date

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import Period, Project
from audit.services import record
from core.actor import Actor
from core.errors import Conflict
from core.intervals import month_start
from core.locks import lock_rows
from core.queue import after_commit
from receipts.addressees import addressees_of, in_run
from receipts.models import BillingRun, RunEntry
from receipts.selectors import unbilled_charges, uncredited_reversals
from receipts.services.runs.steps import ADVANCE_TASK


def start_run(*, month: date, actor: Actor) -> BillingRun:
    """Return the run of a closed period, begun now if there was none for this closing.

    It has an entry for each addressee with something to bill, which ``advance`` does one by one.
    Calling it again, or twice at once, returns the same run. Raises Conflict while the period is
    open.
    """
    with transaction.atomic():
        # The lock lets one of two callers make it, and keeps the period closed meanwhile.
        rows = lock_rows(Period.objects.all(), month_start(month))
        closed_at = rows[0].closed_at if rows else None
        if closed_at is None:
            raise Conflict("period_open", _("Close the period first, then its run can be made."))
        run, is_new = BillingRun.objects.get_or_create(
            period=rows[0], closed_at=closed_at, defaults={"started_by_id": actor.user_id}
        )
        if is_new:
            _begin(run, actor)
    return run


def run_of(period: Period) -> BillingRun | None:
    """Return the run of a period as it is closed now, if it was begun."""
    if period.closed_at is None:
        return None
    return BillingRun.objects.filter(period=period, closed_at=period.closed_at).first()


def _begin(run: BillingRun, actor: Actor) -> None:
    wanted = sorted(to_bill(run.period_id))
    RunEntry.objects.bulk_create(
        RunEntry(run=run, project_id=project, currency=currency) for project, currency in wanted
    )
    data = {"month": run.period_id, "entries": len(wanted)}
    record("run.started", actor=actor, target=run, data=data)
    after_commit(ADVANCE_TASK, run.pk)


def to_bill(month: date) -> set[tuple[int, str]]:
    """Return the addressees, each with a currency, that have charges booked by the end of a month
    on no document, or reversals booked by then that no credit note has taken."""
    charges = unbilled_charges().filter(period__lte=month).order_by()
    rows = set(charges.values_list("project", "currency").distinct())
    projects = in_run(Project.objects.filter(pk__in={key for key, _currency in rows}))
    addressees = addressees_of(set(projects.values_list("pk", flat=True)))
    found = {(addressees[key], currency) for key, currency in rows if key in addressees}
    receipt = "reverses__document_line__line__receipt"
    reversals = uncredited_reversals().filter(period__lte=month).order_by()
    return found | set(reversals.values_list(f"{receipt}__project", "currency").distinct())
