"""Published lists as the engine reads them, and which of them price a job."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.db.models import QuerySet

from accounts.selectors import TierBook
from pricing import engine
from pricing.models import Equivalent, EquivalentPart, PriceList, Rate, Slab, StatePolicy
from pricing.resources import RESOURCES, family_of, resource_of


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A list in the engine's terms. ``ends_at`` (not included) is of negotiated lists only.

    It is equal to itself alone: comparing all that it says would take longer than pricing a job.
    """

    price_list_id: int
    effective_at: datetime
    ends_at: datetime | None
    revision: int
    currency: str
    rates: tuple[engine.Rate, ...]
    terms: engine.Terms

    @property
    def is_plain(self) -> bool:
        """Whether it says no more than one price each for CPUs, memory and GPUs of any job."""
        return self.terms.is_plain and all(
            rate.resource in RESOURCES
            and rate.is_linear
            and rate.basis is engine.Basis.ALLOCATED
            and not engine.criteria(rate)
            for rate in self.rates
            if family_of(rate.resource) != "sku"
        )


class Layers(NamedTuple):
    """The lists that price a job, by precedence: of its user, of its project, of the tier."""

    user: Listed | None = None
    project: Listed | None = None
    tier: Listed | None = None

    @property
    def found(self) -> tuple[Listed, ...]:
        return tuple(one for one in self if one is not None)

    @property
    def terms_from(self) -> Listed | None:
        """The list whose terms count: the tier's, and without one the first negotiated."""
        return self.tier or next(iter(self.found), None)


def in_effect(lists: Iterable[Listed], moment: datetime) -> Listed | None:
    """Return the list that counts at a moment: of those in effect the newest, then the highest
    revision."""
    found = [
        one
        for one in lists
        if one.effective_at <= moment and (one.ends_at is None or moment < one.ends_at)
    ]
    return max(found, key=lambda one: (one.effective_at, one.revision), default=None)


class TariffBook:
    """All published lists, read once, for pricing many jobs."""

    def __init__(self, lists: QuerySet[PriceList] | None = None) -> None:
        if lists is None:
            lists = PriceList.objects.filter(status=PriceList.Status.PUBLISHED)
        self._tiers: dict[int, list[Listed]] = defaultdict(list)
        self._projects: dict[int, list[Listed]] = defaultdict(list)
        self._users: dict[int, list[Listed]] = defaultdict(list)
        for row, listed in read_lists(lists):
            if row.tier_id is not None:
                self._tiers[row.tier_id].append(listed)
            elif row.project_id is not None:
                self._projects[row.project_id].append(listed)
            elif row.user_id is not None:
                self._users[row.user_id].append(listed)
        self.tariff: Callable[[Layers, int, str, str], engine.Tariff] = lru_cache(8192)(tariff)

    def layers(
        self,
        moment: datetime,
        *,
        tier_id: int | None,
        project_id: int | None = None,
        user_id: int | None = None,
    ) -> Layers:
        """Return the lists that price a job which ended at a moment."""
        return Layers(
            user=_at(self._users, user_id, moment),
            project=_at(self._projects, project_id, moment),
            tier=_at(self._tiers, tier_id, moment),
        )

    @property
    def all_plain(self) -> bool:
        """Whether each list says no more than one price each for CPUs, memory and GPUs."""
        every = (self._tiers, self._projects, self._users)
        return all(one.is_plain for by_key in every for rows in by_key.values() for one in rows)

    @property
    def user_ids(self) -> set[int]:
        """The users who ever had prices of their own."""
        return set(self._users)

    def moments(self) -> set[datetime]:
        """Return when some answer may change."""
        every = (self._tiers, self._projects, self._users)
        lists = [one for by_key in every for rows in by_key.values() for one in rows]
        return {at for one in lists for at in (one.effective_at, one.ends_at) if at is not None}


def layers_of(project_id: int, moment: datetime, *, user_id: int | None = None) -> Layers:
    """Return the lists that count for a project at a moment, by its tier then.

    Reads all lists: who looks up many moments keeps a ``TariffBook`` and a ``TierBook``.
    """
    row = TierBook([project_id]).at(project_id, moment)
    return TariffBook().layers(
        moment, tier_id=row.tier_id if row else None, project_id=project_id, user_id=user_id
    )


def _at(lists: dict[int, list[Listed]], key: int | None, moment: datetime) -> Listed | None:
    return None if key is None else in_effect(lists.get(key, ()), moment)


def tariff(layers: Layers, cluster_id: int, partition: str, qos: str) -> engine.Tariff:
    """Return what prices the jobs of a cluster, partition and QOS under some lists."""
    terms_from = layers.terms_from
    return engine.Tariff(
        [one.rates for one in layers.found],
        engine.Terms() if terms_from is None else terms_from.terms,
        cluster_id=cluster_id,
        partition=partition,
        qos=qos,
    )


def read_lists(lists: QuerySet[PriceList]) -> list[tuple[PriceList, Listed]]:
    """Read lists of whatever status, with all that they say, in a fixed number of queries."""
    rows = list(lists.order_by("pk"))
    keys = [row.pk for row in rows]
    rates, states, equivalents = _rates(keys), _states(keys), _equivalents(keys)
    return [
        (
            row,
            Listed(
                row.pk,
                row.effective_at,
                row.ends_at,
                row.revision,
                row.currency,
                tuple(rates[row.pk]),
                _terms(row, states[row.pk], equivalents[row.pk]),
            ),
        )
        for row in rows
    ]


def _terms(
    row: PriceList, states: list[engine.StatePolicy], equivalents: list[engine.Equivalent]
) -> engine.Terms:
    return engine.Terms(
        quantum_seconds=row.quantum_seconds,
        minimum_seconds=row.minimum_seconds,
        suspended_is_free=row.suspended_is_free,
        minimum_per_job=row.minimum_per_job,
        cap=row.cap,
        commitment=row.commitment,
        free=frozenset(row.free_resources),
        states={policy.state: policy for policy in states},
        equivalents=tuple(equivalents),
    )


def _rates(keys: list[int]) -> dict[int, list[engine.Rate]]:
    found: dict[int, list[engine.Rate]] = defaultdict(list)
    for rate in _in_terms_of_the_engine(Rate.objects.filter(price_list__in=keys)):
        found[rate.price_list_id].append(rate)
    return found


def read_rates(keys: Iterable[int]) -> dict[int, engine.Rate]:
    """Return rates by key, of whatever list."""
    rows = Rate.objects.filter(pk__in=keys)
    return {rate.rate_id: rate for rate in _in_terms_of_the_engine(rows)}


def _in_terms_of_the_engine(rates: QuerySet[Rate]) -> list[engine.Rate]:
    """Read rates with their slabs, in the order of their keys."""
    rows = list(rates.select_related("price_list").order_by("pk"))
    slabs: dict[int, list[engine.Slab]] = defaultdict(list)
    ours = Slab.objects.filter(rate__in=[row.pk for row in rows if row.unit_price is None])
    for slab in ours.order_by("rate", "position"):
        slabs[slab.rate_id].append(engine.Slab(slab.up_to, slab.unit_price, slab.flat_fee))
    return [engine_rate(row, slabs[row.pk]) for row in rows]


def engine_rate(row: Rate, slabs: Iterable[engine.Slab]) -> engine.Rate:
    """Return a rate as the engine reads it, given the slabs that it has in their order."""
    one = () if row.unit_price is None else (engine.Slab(None, row.unit_price, row.flat_fee),)
    return engine.Rate(
        rate_id=row.pk,
        price_list_id=row.price_list_id,
        currency=row.price_list.currency,
        resource=row.resource,
        model=engine.Model(row.model),
        slabs=one or tuple(slabs),
        unit_size=resource_of(row.resource).unit_size,
        package_units=row.package_units,
        allowance=row.allowance,
        discount_percent=row.discount_percent,
        discount_amount=row.discount_amount,
        fee_at_zero=row.fee_at_zero,
        basis=engine.Basis(row.basis),
        cluster_id=row.cluster_id,
        partition=row.partition,
        qos=row.qos,
    )


def _states(keys: list[int]) -> dict[int, list[engine.StatePolicy]]:
    found: dict[int, list[engine.StatePolicy]] = defaultdict(list)
    for row in StatePolicy.objects.filter(price_list__in=keys).order_by("state"):
        found[row.price_list_id].append(engine.StatePolicy(row.state, row.percent, row.reason))
    return found


def _equivalents(keys: list[int]) -> dict[int, list[engine.Equivalent]]:
    rows = list(Equivalent.objects.filter(price_list__in=keys).order_by("pk"))
    parts: dict[int, list[engine.Part]] = defaultdict(list)
    ours = EquivalentPart.objects.filter(equivalent__in=[row.pk for row in rows])
    for part in ours.order_by("resource"):
        parts[part.equivalent_id].append(engine.Part(part.resource, part.counts, part.per))
    found: dict[int, list[engine.Equivalent]] = defaultdict(list)
    for row in rows:
        if parts[row.pk]:
            found[row.price_list_id].append(
                engine.Equivalent(
                    row.code, row.combine, tuple(parts[row.pk]), row.cluster_id, row.partition
                )
            )
    return found
