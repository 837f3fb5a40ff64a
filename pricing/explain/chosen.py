"""Rule by rule: which lists count for a job, and which of their rates wins, and why."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db.models import Q

from pricing import engine
from pricing.engine import criteria
from pricing.explain.steps import Layer, ListStep, ListVerdict, RateStep, RateVerdict
from pricing.models import PriceList
from pricing.resources import family_of, name_of
from pricing.tariffs import Layers
from usage.models import Cluster, Job

MAX_LISTS = 8
"""How many lists are told of besides the ones that count, the nearest first."""
MAX_RATES = 20
"""How many rates that lost are told of."""

_MISSED = {
    "cluster": RateVerdict.OTHER_CLUSTER,
    "partition": RateVerdict.OTHER_PARTITION,
    "qos": RateVerdict.OTHER_QOS,
}


def list_steps(
    end: datetime, *, tier_id: int | None, project_id: int | None, user_id: int | None
) -> tuple[ListStep, ...]:
    """Return the lists that count at a moment and those nearest to it, by layer and beginning."""
    found: list[ListStep] = []
    holders = (
        (Layer.USER, Q(user=user_id), user_id),
        (Layer.PROJECT, Q(project=project_id), project_id),
        (Layer.TIER, Q(tier=tier_id), tier_id),
    )
    for layer, holder, key in holders:
        if key is not None:
            found += _of_holder(layer, holder, end)
    return tuple(found)


def _of_holder(layer: Layer, holder: Q, end: datetime) -> Iterator[ListStep]:
    rows = list(
        PriceList.objects.filter(holder, status=PriceList.Status.PUBLISHED)
        .order_by("effective_at", "revision")
        .select_related("tier", "project", "user")
    )
    begun = [row for row in rows if row.effective_at <= end]
    in_force = [row for row in begun if row.ends_at is None or end < row.ends_at]
    winner = in_force[-1] if in_force else None
    near = sorted(rows, key=lambda row: abs(row.effective_at - end))[:MAX_LISTS]
    for row in rows:
        if row in near or row == winner:
            yield _list_step(row, layer, winner, end)


def _list_step(row: PriceList, layer: Layer, winner: PriceList | None, end: datetime) -> ListStep:
    if row == winner:
        verdict = ListVerdict.COUNTS
    elif row.effective_at > end:
        verdict = ListVerdict.BEGINS_LATER
    elif row.ends_at is not None and row.ends_at <= end:
        verdict = ListVerdict.ENDED
    elif winner is not None and row.effective_at == winner.effective_at:
        verdict = ListVerdict.REPLACED
    else:
        verdict = ListVerdict.OLDER
    return ListStep(
        row.pk, str(row), layer, row.effective_at, row.ends_at, row.revision, row.currency,
        row.published_at, verdict,
    )  # fmt: skip


def rate_steps(
    layers: Layers, job: Job, resource: str, names: dict[int, str]
) -> tuple[RateStep, ...]:
    """Return the rates of the lists that could price a charge's resource: the one that wins, and
    why the others lost. ``names`` are those of the lists."""
    of_job = {"cluster": job.cluster_id, "partition": job.partition, "qos": job.qos}
    clusters = dict(Cluster.objects.values_list("pk", "name"))
    found = []
    winner: engine.Rate | None = None
    for layer, listed in zip(Layer, layers, strict=True):
        rates = [rate for rate in listed.rates if _may_price(rate, resource)] if listed else []
        best = engine.choose(
            rates,
            resource=resource,
            cluster_id=job.cluster_id,
            partition=job.partition,
            qos=job.qos,
        )
        for rate in rates:
            missed = _missed(rate, of_job, resource)
            if missed is None and winner is not None:
                missed = RateVerdict.LATER_LAYER
            elif missed is None:
                missed = RateVerdict.WINS if rate is best else RateVerdict.LESS_SPECIFIC
            asked = _named(rate, clusters)
            name = names.get(rate.price_list_id, "")
            found.append(RateStep(rate.rate_id, name, layer, rate.resource, asked, missed))
        winner = winner or best
    return _shown(found)


def _may_price(rate: engine.Rate, resource: str) -> bool:
    """GPUs may be priced by type or all alike; anything else by its own rates only."""
    if family_of(resource) == "gpu":
        return family_of(rate.resource) == "gpu"
    return rate.resource == resource


def _missed(rate: engine.Rate, of_job: dict[str, object], resource: str) -> RateVerdict | None:
    for name, asked in criteria(rate).items():
        if name == "type":
            if rate.resource != resource:
                return RateVerdict.OTHER_TYPE
        elif of_job[name] != asked:
            return _MISSED[name]
    return None


def _named(rate: engine.Rate, clusters: dict[int, str]) -> tuple[tuple[str, str], ...]:
    texts = {
        "cluster": clusters.get(rate.cluster_id or 0, ""),
        "partition": rate.partition,
        "qos": rate.qos,
        "type": name_of(rate.resource) if family_of(rate.resource) == "gpu" else "",
    }
    return tuple((name, text) for name, text in texts.items() if text)


def _shown(steps: Sequence[RateStep]) -> tuple[RateStep, ...]:
    winners: Iterable[RateStep] = [one for one in steps if one.verdict is RateVerdict.WINS]
    losers = [one for one in steps if one.verdict is not RateVerdict.WINS]
    return (*winners, *losers[:MAX_RATES])
