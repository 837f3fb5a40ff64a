"""What a file of prices would change, and the proposing of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.db import transaction

from accounts.models import Tier
from core.actor import Actor
from core.errors import Conflict, DomainError
from core.locks import Space, hold_until_commit
from pricing import lists
from pricing.lists import Difference, Effect, Past
from pricing.models import PriceList
from pricing.price_file import BadFile, Entry, Fault
from pricing.services import propose_price_list


class Kind(StrEnum):
    """How a list of the file and those of the site differ."""

    NEW = "new"
    CHANGED = "changed"
    WAITING = "waiting"
    NOT_IN_FILE = "not_in_file"


@dataclass(frozen=True, slots=True)
class Step:
    """One difference: what the file says (``entry``), what the site has, and what that changes.

    ``found`` is the published list of the same tier and moment; where the file's list is proposed
    already, it is the one that waits. ``differences`` compare with the prices that hold otherwise.
    """

    kind: Kind
    tier: str
    effective_at: datetime
    entry: Entry | None
    found: PriceList | None
    differences: tuple[Difference, ...] = ()
    effects: Mapping[str, Effect] | None = None
    past: Past | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All differences in the order of tier and moment; ``left_alone`` are tiers not in the file."""

    steps: tuple[Step, ...]
    left_alone: tuple[str, ...]

    @property
    def to_propose(self) -> list[Step]:
        return [step for step in self.steps if step.kind in (Kind.NEW, Kind.CHANGED)]


Prices = tuple[str, Mapping[str, Decimal]]
"""A currency and unit prices by resource: all that counts when lists are compared."""


def current_entries(tiers: Iterable[str] = ()) -> list[Entry]:
    """Return the published lists of all tiers, or of some, that are not replaced by a revision."""
    only = set(tiers)
    return [
        Entry(
            tier=tier,
            effective_at=moment,
            currency=row.currency,
            rates=lists.rates_of(row),
            note=row.note,
        )
        for (tier, moment), row in sorted(_published().items())
        if not only or tier in only
    ]


def make_plan(entries: Iterable[Entry]) -> Plan:
    """Compare the lists of a file with those of the site. Raises BadFile for an unknown tier.

    A tier that the file does not name is left alone. Notes do not count: they have no effect.
    """
    asked = {(entry.tier, entry.effective_at): entry for entry in entries}
    tiers = {tier.code: tier for tier in Tier.objects.all()}
    unknown = [
        Fault(entry.line, f"there is no tier {entry.tier!r} (known: {', '.join(sorted(tiers))})")
        for entry in asked.values()
        if entry.tier not in tiers
    ]
    if unknown:
        raise BadFile(unknown)
    named = {tier for tier, _moment in asked}
    published = {key: row for key, row in _published().items() if key[0] in named}
    waiting = _waiting()
    steps = []
    for key in sorted(asked.keys() | published.keys()):
        entry, found = asked.get(key), published.get(key)
        if entry is None:
            steps.append(Step(Kind.NOT_IN_FILE, *key, entry, found))
        elif found is None or _prices(found) != (entry.currency, dict(entry.rates)):
            old = _prices(found) if found else _held_before(key, asked, published)
            later = [other for other in asked.keys() | published.keys() if other > key]
            until = min((moment for tier, moment in later if tier == key[0]), default=None)
            steps.append(
                _step(
                    entry,
                    tiers[entry.tier],
                    found=found,
                    old=old,
                    until=until,
                    waiting=waiting.get(key, ()),
                )
            )
    return Plan(tuple(steps), tuple(sorted(set(tiers) - named)))


def apply_plan(*, entries: Iterable[Entry], actor: Actor) -> tuple[Plan, list[PriceList]]:
    """Propose every list of the file that the site has not, all or none; never publish one.

    Lists that wait for approval already are not proposed again. Raises BadFile for an unknown tier,
    and with the line of the list that the rules refuse.
    """
    with transaction.atomic():
        hold_until_commit(Space.PRICE_LISTS, "lists")
        plan = make_plan(entries)
        tiers = {tier.code: tier for tier in Tier.objects.all()}
        made = [
            _propose(step.entry, tiers[step.tier], actor) for step in plan.to_propose if step.entry
        ]
    return plan, made


def _propose(entry: Entry, tier: Tier, actor: Actor) -> PriceList:
    try:
        return propose_price_list(
            tier=tier,
            effective_at=entry.effective_at,
            currency=entry.currency,
            rates=entry.rates,
            actor=actor,
            note=entry.note,
        )
    except Conflict as error:
        if error.code == "no_person":
            raise
        raise BadFile([Fault(entry.line, str(error))]) from error
    except DomainError as error:
        raise BadFile([Fault(entry.line, str(error))]) from error


def _step(
    entry: Entry,
    tier: Tier,
    *,
    found: PriceList | None,
    old: Prices,
    until: datetime | None,
    waiting: Iterable[PriceList],
) -> Step:
    wanted = (entry.currency, dict(entry.rates))
    proposed = next((row for row in waiting if _prices(row) == wanted), None)
    kind = Kind.WAITING if proposed else Kind.CHANGED if found else Kind.NEW
    same_currency = old[0] == entry.currency
    return Step(
        kind=kind,
        tier=entry.tier,
        effective_at=entry.effective_at,
        entry=entry,
        found=proposed or found,
        differences=tuple(lists.differences(old[1] if same_currency else {}, entry.rates)),
        effects=lists.effect(tier.pk, entry.rates) if same_currency else {},
        past=lists.past_of(tier.pk, entry.effective_at, until),
    )


def _held_before(
    key: tuple[str, datetime],
    asked: Mapping[tuple[str, datetime], Entry],
    published: Mapping[tuple[str, datetime], PriceList],
) -> Prices:
    """Return the prices that hold until a new list begins, as they are once the file holds."""
    before = max(
        (other for other in asked.keys() | published.keys() if other[0] == key[0] and other < key),
        default=None,
    )
    if before is None:
        return "", {}
    entry = asked.get(before)
    return (entry.currency, dict(entry.rates)) if entry else _prices(published[before])


def _prices(row: PriceList) -> Prices:
    return row.currency, lists.rates_of(row)


def _published() -> dict[tuple[str, datetime], PriceList]:
    """Return the published lists by tier and moment; of revisions, the highest."""
    rows = PriceList.objects.filter(status=PriceList.Status.PUBLISHED).order_by("revision")
    rows = rows.select_related("tier").prefetch_related("rates")
    return {(row.holder, row.effective_at): row for row in rows}


def _waiting() -> dict[tuple[str, datetime], list[PriceList]]:
    found: dict[tuple[str, datetime], list[PriceList]] = {}
    for row in lists.waiting_for_approval():
        found.setdefault((row.holder, row.effective_at), []).append(row)
    return found
