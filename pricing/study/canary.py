"""The comparison before publishing: what would a list have made of the last closed month?"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.intervals import last_month, month
from core.site import site_zone
from pricing.models import Canary, PriceList
from pricing.study.figures import Figures, Line
from pricing.study.run import study


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a list changes of a month's bills, project by project.

    ``jumps`` are the projects whose bill changes by more than ``limit_percent`` of what it was, the
    largest change first; from or to nothing is more than any percentage. Amounts in another
    currency can't be compared, so they count as a jump of all.
    """

    month: date
    limit_percent: Decimal
    figures: Figures

    @property
    def jumps(self) -> tuple[Line, ...]:
        found = [line for line in self.figures.projects if self._jumps(line)]
        return tuple(sorted(found, key=lambda line: (-abs(line.change), line.code)))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was charged that month, so that there is nothing to compare with."""
        return not self.figures.charges

    @property
    def passes(self) -> bool:
        return self.is_empty or not (self.jumps or self.figures.foreign)

    def _jumps(self, line: Line) -> bool:
        return abs(line.change) * 100 > line.before * self.limit_percent


def compare(price_list: PriceList) -> Comparison:
    """Apply a list to the last calendar month of the site that has ended. Writes nothing."""
    first, _last = last_month(timezone.localdate(timezone=site_zone()))
    figures = study(price_list=price_list, window=month(first, site_zone()))
    return Comparison(first, Decimal(settings.CANARY_PERCENT), figures)


def check_override(comparison: Comparison, *, actor: Actor, reason: str) -> None:
    """Refuse a list that changes bills a lot, unless somebody who may lets it pass for a reason.

    Raises Conflict (``canary``) without that, Invalid without a reason.
    """
    if comparison.passes:
        return
    if not may_override(actor):
        raise Conflict(
            "canary",
            _(
                "This list changes a bill of last month by more than the limit. Someone who may "
                "override that has to approve it, with a reason."
            ),
        )
    if not reason.strip():
        raise Invalid(
            "override_reason",
            _("This list changes bills by more than the limit. Give the reason why it may."),
        )


def may_override(actor: Actor) -> bool:
    """Whether somebody may let a list pass that changes bills by more than the limit."""
    if actor.user_id is None:
        return False
    return User.objects.get(pk=actor.user_id).has_perm("pricing.override_canary")


def keep(comparison: Comparison, *, price_list: PriceList, actor: Actor, reason: str) -> Canary:
    """Store how a submitted list compared, before it is published in the same transaction."""
    outcome = Canary.Outcome.OVERRIDDEN
    if comparison.passes:
        is_empty = comparison.is_empty
        outcome = Canary.Outcome.NOTHING if is_empty else Canary.Outcome.PASSED
    passed = outcome != Canary.Outcome.OVERRIDDEN
    if price_list.submitted_at is None:
        raise ValueError("only a submitted list is compared")
    return Canary.objects.create(
        price_list=price_list,
        submitted_at=price_list.submitted_at,
        month=comparison.month,
        limit_percent=comparison.limit_percent,
        outcome=outcome,
        projects=[] if passed else [_told(line) for line in comparison.jumps],
        override_by_id=None if passed else actor.user_id,
        override_reason="" if passed else reason.strip(),
    )


def as_told(canary: Canary) -> dict[str, object]:
    """Return a comparison as the audit log shows it."""
    return {
        "month": f"{canary.month:%Y-%m}",
        "outcome": canary.outcome,
        "limit_percent": canary.limit_percent,
        "projects": canary.projects,
        "override_reason": canary.override_reason,
    }


def _told(line: Line) -> dict[str, str]:
    return {"code": line.code, "before": str(line.before), "after": str(line.after)}
