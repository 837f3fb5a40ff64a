"""What the end of a month adds to a project's charges: caps, commitments, fees without usage."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, ProjectTier
from accounts.periods import PeriodBook
from audit.services import record
from core.actor import Actor
from core.bulk import copy_lines
from core.errors import Invalid
from core.intervals import Interval, microseconds, month_start
from core.intervals import month as month_of
from core.locks import Space, hold_until_commit, lock_rows
from core.money import total
from core.site import site_zone
from pricing import engine
from pricing.batches import Outcome, record_charges
from pricing.counting import Counters, Key, Priced
from pricing.lines import WIDE_COLUMNS, ChargeLines
from pricing.models import Charge, ChargeKind, PriceList
from pricing.resources import family_of
from pricing.tariffs import Layers, Listed, layers_of


@dataclass(frozen=True, slots=True)
class TrueUp:
    """What a project's month came to, and what its list's cap or commitment adds to it.

    ``charged`` is without what was added before or by hand; ``fees`` are of rates whose fee is due
    without any usage. ``difference`` is what is made now: nothing if the month is as it has to be.
    """

    project: Project
    month: date
    currency: str
    charged: Decimal
    fees: Decimal
    wanted: Decimal
    difference: Decimal

    @property
    def is_due(self) -> bool:
        return bool(self.difference or self.fees)


def true_up(*, project_id: int, month: date, actor: Actor, dry_run: bool = False) -> TrueUp | None:
    """Bring a project's month up to its commitment, or down to its cap, and charge the fees that
    are due without usage; returns None where no list says anything of it.

    The lists are those that count at the month's last moment. Charges have no job and end with the
    month. Only what is missing is made, so asking again makes nothing, or the difference if charges
    came in between. Raises Invalid while the month goes on; ``dry_run`` makes nothing at any time.
    """
    first = month_start(month)
    span = month_of(first, site_zone())
    if span.end > timezone.now() and not dry_run:
        raise Invalid("month_open", _("The month has not ended yet."))
    last = span.end - timedelta(microseconds=1)
    with transaction.atomic():
        # Nobody rates meanwhile: what is added has to fit the charges as they are at the end.
        hold_until_commit(Space.PRICE_LISTS, "lists", shared=dry_run)
        (project,) = lock_rows(Project.objects.all(), project_id)
        layers = layers_of(project_id, last)
        listed = layers.terms_from
        if listed is None:
            return None
        periods = PeriodBook([] if dry_run else [microseconds(last)])
        rates = {rate.rate_id: rate for rate in _with_fee(layers)}
        keys = [Key(project_id, rate_id, first) for rate_id in rates]
        counters = Counters(rates, keys, lock=not dry_run)
        fees = [fee for key in keys if (fee := counters.fee(key, last))]
        found = _work_out(project, span, listed, total(fee.amount for fee in fees))
        if found.is_due and not dry_run:
            if found.difference:
                fees.append(_charge(found, _list_of(project, span, listed), last))
            _make(found, fees, ChargeLines(periods), actor)
    return found


def projects_of_month(month: date) -> QuerySet[Project]:
    """Return the projects that may have something to true up: those that had a tier, or charges."""
    span = month_of(month_start(month), site_zone())
    in_force = Q(ends_at=None) | Q(ends_at__gt=span.start)
    tiers = ProjectTier.objects.filter(in_force, starts_at__lt=span.end)
    charged = Charge.objects.filter(job_end__gte=span.start, job_end__lt=span.end)
    return Project.objects.filter(
        Q(pk__in=tiers.values("project")) | Q(pk__in=charged.order_by().values("project"))
    ).order_by("code")


def projects_to_true_up(month: date) -> QuerySet[Project]:
    """Return the projects whose month may come to a cap, a commitment or a fee without usage: by a
    list of theirs or of a tier that they had, or because it was trued up before."""
    span = month_of(month_start(month), site_zone())
    asks = Q(cap__isnull=False) | Q(commitment__isnull=False) | Q(rates__fee_at_zero=True)
    lists = PriceList.objects.filter(
        asks, status=PriceList.Status.PUBLISHED, effective_at__lt=span.end
    ).order_by()
    in_force = Q(ends_at=None) | Q(ends_at__gt=span.start)
    tiers = ProjectTier.objects.filter(
        in_force, starts_at__lt=span.end, tier__in=lists.values("tier")
    )
    before = Charge.objects.filter(
        kind=ChargeKind.TRUE_UP, job_end__gte=span.start, job_end__lt=span.end
    )
    return Project.objects.filter(
        Q(pk__in=tiers.values("project"))
        | Q(pk__in=lists.values("project"))
        | Q(pk__in=before.order_by().values("project"))
    ).order_by("code")


def _with_fee(layers: Layers) -> list[engine.Rate]:
    """The rates whose fee is due even if nothing is used, of the first list with the resource."""
    found: list[engine.Rate] = []
    seen: set[str] = set()
    for listed in layers.found:
        ours = [rate for rate in listed.rates if family_of(rate.resource) not in seen]
        found += [rate for rate in ours if rate.fee_at_zero and not rate.is_linear]
        seen |= {family_of(rate.resource) for rate in ours}
    return found


def _work_out(project: Project, span: Interval, listed: Listed, fees: Decimal) -> TrueUp:
    charges = _of_month(project, span).filter(currency=listed.currency)
    charged = _sum(charges.exclude(kind__in=(ChargeKind.TRUE_UP, ChargeKind.MANUAL))) + fees
    wanted = engine.true_up(charged, cap=listed.terms.cap, commitment=listed.terms.commitment)
    made = _sum(charges.filter(kind=ChargeKind.TRUE_UP))
    first = timezone.localdate(span.start, site_zone())
    return TrueUp(
        project, first, listed.currency, charged - fees, fees, wanted, wanted - made
    )  # fmt: skip


def _of_month(project: Project, span: Interval) -> QuerySet[Charge]:
    return Charge.objects.filter(project=project, job_end__gte=span.start, job_end__lt=span.end)


def _sum(charges: QuerySet[Charge]) -> Decimal:
    return charges.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


def _list_of(project: Project, span: Interval, listed: Listed) -> int:
    """The list that a charge is made by: where it has no such terms any more, the one whose terms
    were charged."""
    if listed.terms.cap is None and listed.terms.commitment is None:
        before = _of_month(project, span).filter(kind=ChargeKind.TRUE_UP).last()
        if before is not None and before.price_list_id is not None:
            return before.price_list_id
    return listed.price_list_id


def _charge(found: TrueUp, price_list_id: int, end: datetime) -> Priced:
    return Priced(
        found.project.pk, None, ChargeKind.TRUE_UP.value, ChargeKind.TRUE_UP.value, None,
        price_list_id, 0, 1, None, None, None, found.difference, found.currency,
        end_text=end.isoformat(),
    )  # fmt: skip


def _make(found: TrueUp, charges: Iterable[Priced], lines: ChargeLines, actor: Actor) -> None:
    copy_lines("pricing_charge", WIDE_COLUMNS, map(lines.jobless, charges))
    record_charges(lines, Outcome(), actor=actor)
    data = {
        "month": found.month, "charged": found.charged, "fees": found.fees,
        "difference": found.difference, "currency": found.currency,
    }  # fmt: skip
    record("project.trued_up", actor=actor, target=found.project, data=data)
