"""Charges of a document that became void: taken back, and the same usage charged anew."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from django.db.models import F
from django.utils import timezone

from accounts.periods import PeriodBook
from core.actor import Actor
from core.bulk import copy_lines
from core.intervals import microseconds
from core.locks import lock_rows
from pricing import engine
from pricing.batches import Outcome, record_charges
from pricing.counting import Counters, Priced
from pricing.judging import Portion, Verdict
from pricing.lines import WIDE_COLUMNS, ChargeLines, like
from pricing.models import Charge, ChargeKind, JobRating, RatingReason, RatingStatus
from pricing.selectors import live_charges
from pricing.tariffs import read_rates
from usage.models import Job

K = ChargeKind


def reverse_and_replace(*, charges: Sequence[Charge], actor: Actor) -> None:
    """Reverse charges of a document that became void and charge the same usage anew.

    Within the caller's transaction. A replacement has the next generation and the same rate; where
    a counter prices it, it comes last there, and what the counter then lacks is made up for. A job
    that changed meanwhile gets none: it is due, and rated as it is now.
    """
    jobs = {charge.job_id for charge in charges if charge.job_id is not None}
    lock_rows(Job.objects.all(), *jobs)
    ratings = JobRating.objects.filter(job__in=jobs).order_by()
    as_it_is = ratings.filter(job_revision=F("job__revision"))
    generations = dict(as_it_is.values_list("job", "generation"))
    again = [row for row in charges if row.job_id is None or row.job_id in generations]
    groups = list(_groups(again))
    periods = PeriodBook(microseconds(row.job_end) for row in charges)
    counters = Counters.of(((end, _verdict(portion)) for end, portion, _ in groups), charges)
    lines = ChargeLines(periods)
    made = [lines.reversal(charge, counters.reverse(charge)) for charge in charges]
    made += map(lines.jobless, counters.adjustments())
    for end, portion, first in groups:
        generation = 1 if first.job_id is None else generations[first.job_id] + 1
        for charge in _charges(counters, end, portion, first):
            made.append(lines.replacement(first, charge, generation))
    copy_lines("pricing_charge", WIDE_COLUMNS, made)
    ratings.filter(job__in=generations).update(generation=F("generation") + 1)
    _mark_changed(jobs - set(generations))
    record_charges(lines, Outcome(), actor=actor)


Group = tuple[int, Portion, Charge]
"""Charges that belong together: a job's end, what one project pays of it, and the first of them."""


def _groups(charges: Sequence[Charge]) -> Iterator[Group]:
    """Yield what is to be charged anew, in the order in which counters price."""
    rates = read_rates({row.rate_id for row in charges if row.rate_id is not None})
    together: dict[tuple[int | None, int], list[Charge]] = {}
    for row in charges:
        if row.kind != K.ADJUSTMENT:
            together.setdefault((row.job_id, row.pk if row.job_id is None else 0), []).append(row)
    for rows in sorted(together.values(), key=lambda rows: _place(rows[0])):
        yield microseconds(rows[0].job_end), _portion(rows, rates), rows[0]


def _place(charge: Charge) -> tuple[object, ...]:
    job = charge.job
    if job is None:
        return (charge.job_end, 0, 0, charge.job_end, charge.pk)
    return (charge.job_end, job.cluster_id, job.job_id, job.submit, 0)


def _portion(rows: Sequence[Charge], rates: dict[int, engine.Rate]) -> Portion:
    first = rows[0]
    measured = tuple(
        engine.Measured(row.resource, rates[row.rate_id], row.quantity, row.basis)
        for row in rows
        if row.rate_id is not None
    )
    minimum, terms_from = Decimal(0), 0
    for row in rows:
        if row.kind == K.MINIMUM and row.price_list is not None:
            percent = Decimal(100) if row.share is None else row.share.percent
            minimum = engine.job_minimum(
                Decimal(0), minimum=row.price_list.minimum_per_job, percent=percent
            )
            terms_from = row.price_list.pk
    return Portion(first.project_id, first.share_id, measured, first.currency, minimum, terms_from)


def _verdict(portion: Portion) -> Verdict:
    return Verdict(portion.project_id, portions=(portion,))


def _charges(counters: Counters, end: int, portion: Portion, first: Charge) -> Iterable[Priced]:
    if first.kind in (K.TRUE_UP, K.MANUAL):
        return [like(first, (None, None), first.quantity, first.amount)]
    made = counters.price(end, [portion])
    if first.kind == K.ITEM:
        return [charge._replace(kind=K.ITEM.value) for charge in made]
    return made


def _mark_changed(job_ids: set[int]) -> None:
    """Jobs that changed are due; those without any charge left have no price until then."""
    charged = set(live_charges().filter(job__in=job_ids).values_list("job", flat=True))
    ratings = JobRating.objects.filter(job__in=job_ids)
    ratings.filter(job__in=charged).update(due=True)
    ratings.exclude(job__in=charged).update(
        status=RatingStatus.UNPRICED, reason=RatingReason.CHANGED, due=True, since=timezone.now()
    )
