"""Bringing all projects of a month to their commitments and caps, before the month closes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.utils.timezone import localtime

from accounts.periods import period_of
from core.actor import Actor
from core.intervals import month_start
from core.site import site_zone
from pricing.closing import projects_to_true_up, true_up
from pricing.models import Charge

Progress = Callable[[int, int], None]
"""Is told how many of how many projects were looked at."""


@dataclass(slots=True)
class TruedUp:
    """What it came to: projects that were looked at, those that were charged something, sums by
    currency."""

    projects: int = 0
    charged: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)


def true_up_all(
    *, month: date, actor: Actor, progress: Progress = lambda done, total: None
) -> TruedUp:
    """Bring each project's month up to its commitment or down to its cap, and charge the fees that
    are due without usage; and once more the closed months of which late usage was booked into this
    one.

    Each project is a transaction of its own, and doing it again makes the difference only: after a
    crash it is simply called again. Raises Invalid while the month goes on.
    """
    wanted = list(_wanted(month_start(month)))
    found = TruedUp()
    for done, (project_id, its_month) in enumerate(wanted, start=1):
        made = true_up(project_id=project_id, month=its_month, actor=actor)
        found.projects += 1
        if made is not None and made.is_due:
            found.charged += 1
            before = found.amounts.get(made.currency, Decimal(0))
            found.amounts[made.currency] = before + made.difference + made.fees
        progress(done, len(wanted))
    return found


def _wanted(first: date) -> Iterator[tuple[int, date]]:
    """Yield projects with the months to look at; late months first, as they ended before."""
    for late in _late_months(first):
        booked = Charge.objects.filter(period=first).order_by().values("project")
        projects = projects_to_true_up(late).filter(pk__in=booked)
        yield from ((key, late) for key in projects.values_list("pk", flat=True))
    projects = projects_to_true_up(first)
    yield from ((key, first) for key in projects.values_list("pk", flat=True))


def _late_months(first: date) -> list[date]:
    """Return the earlier months whose charges were booked into a period."""
    late = Charge.objects.filter(period=first, job_end__lt=period_of(first).starts_at)
    ends = late.order_by().values_list("job_end", flat=True).iterator()
    return sorted({month_start(localtime(end, site_zone()).date()) for end in ends})
