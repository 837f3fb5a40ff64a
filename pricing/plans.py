"""What a file of prices would change, and the proposing of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from accounts.models import Project, Tier, User
from core.actor import Actor
from core.errors import Conflict, DomainError
from core.locks import Space, hold_until_commit
from pricing import lists
from pricing.content import CHILDREN, Difference, ListContent, content_of, differences
from pricing.lists import Effect, Past
from pricing.models import PriceList
from pricing.price_file import BadFile, Entry, Fault, Holder
from pricing.services import Head, InvalidContent, propose_price_list


class Kind(StrEnum):
    """How a list of the file and those of the site differ."""

    NEW = "new"
    CHANGED = "changed"
    WAITING = "waiting"
    NOT_IN_FILE = "not_in_file"


@dataclass(frozen=True, slots=True)
class Step:
    """One difference: what the file says (``entry``), what the site has, and what that changes.

    ``found`` is the published list of the same holder and moment; where the file's list is proposed
    already, it is the one that waits. ``differences`` compare with what holds otherwise.
    """

    kind: Kind
    holder: Holder
    effective_at: datetime
    entry: Entry | None
    found: PriceList | None
    differences: tuple[Difference, ...] = ()
    effects: Mapping[str, Effect] | None = None
    past: Past | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All differences in the order of holder and moment; ``left_alone`` are those not in the
    file."""

    steps: tuple[Step, ...]
    left_alone: tuple[Holder, ...]

    @property
    def to_propose(self) -> list[Step]:
        return [step for step in self.steps if step.kind in (Kind.NEW, Kind.CHANGED)]


Key = tuple[Holder, datetime]
Said = tuple[str, datetime | None, ListContent]
"""A currency, an end and a content: all that counts when lists are compared."""
NOTHING: Said = ("", None, ListContent())


def current_entries(tiers: Iterable[str] = ()) -> list[Entry]:
    """Return the published lists of all holders, or of some tiers, that no revision replaces."""
    only = set(tiers)
    return [
        Entry(
            holder=holder,
            effective_at=moment,
            ends_at=row.ends_at,
            currency=row.currency,
            content=content_of(row),
            note=row.note,
        )
        for (holder, moment), row in sorted(_published().items())
        if not only or (holder.kind == "tier" and holder.code in only)
    ]


def make_plan(entries: Iterable[Entry]) -> Plan:
    """Compare the lists of a file with those of the site. Raises BadFile for an unknown holder.

    A holder that the file does not name is left alone. Notes do not count: they have no effect.
    """
    asked = {entry.key: entry for entry in entries}
    heads = {entry.key: _head(entry) for entry in asked.values()}
    faults = [fault for fault in heads.values() if isinstance(fault, Fault)]
    if faults:
        raise BadFile(faults)
    site = _published()
    named = {holder for holder, _moment in asked}
    published = {key: row for key, row in site.items() if key[0] in named}
    waiting = _waiting()
    steps = []
    for key in sorted(asked.keys() | published.keys()):
        entry, found = asked.get(key), published.get(key)
        if entry is None:
            steps.append(Step(Kind.NOT_IN_FILE, *key, entry, found))
        elif found is None or _said(found) != _wanted(entry):
            later = [other for other in asked.keys() | published.keys() if other > key]
            until = min((moment for holder, moment in later if holder == key[0]), default=None)
            old = _said(found) if found else _held_before(key, asked, published)
            steps.append(_step(entry, found=found, old=old, until=until, waiting=waiting))
    left = {holder for holder, _moment in site} | {
        Holder("tier", code) for code in Tier.objects.values_list("code", flat=True)
    }
    return Plan(tuple(steps), tuple(sorted(left - named)))


def apply_plan(*, entries: Iterable[Entry], actor: Actor) -> tuple[Plan, list[PriceList]]:
    """Propose every list of the file that the site has not, all or none; never publish one.

    Lists that wait for approval already are not proposed again. Raises BadFile for an unknown
    holder, and with the line of what the rules refuse.
    """
    with transaction.atomic():
        hold_until_commit(Space.PRICE_LISTS, "lists")
        plan = make_plan(entries)
        made = [_propose(step.entry, actor) for step in plan.to_propose if step.entry]
    return plan, made


def _head(entry: Entry) -> Head | Fault:
    """Return the head of an entry, with the tier, project or user that it is of."""
    rows: dict[str, tuple[type[Tier | Project | User], str]] = {
        "tier": (Tier, "code"), "project": (Project, "code"), "user": (User, "username"),
    }  # fmt: skip
    kind, code = entry.holder
    model, field = rows[kind]
    found = model.objects.filter(**{field: code}).first()
    if found is None:
        known = sorted(Tier.objects.values_list("code", flat=True)) if kind == "tier" else []
        told = f" (known: {', '.join(known)})" if known else ""
        return Fault(entry.line, f"there is no {kind} {code!r}{told}")
    return Head(
        effective_at=entry.effective_at,
        ends_at=entry.ends_at,
        currency=entry.currency,
        note=entry.note,
        **{kind: found},  # type: ignore[arg-type] # the model is the one of its kind
    )


def _propose(entry: Entry, actor: Actor) -> PriceList:
    head = _head(entry)
    if isinstance(head, Fault):
        raise BadFile([head])
    try:
        return propose_price_list(head=head, content=entry.content, actor=actor)
    except InvalidContent as error:
        raise BadFile(
            Fault(entry.line_of(problem), str(problem.message)) for problem in error.problems
        ) from error
    except Conflict as error:
        if error.code == "no_person":
            raise
        raise BadFile([Fault(entry.line, str(error))]) from error
    except DomainError as error:
        raise BadFile([Fault(entry.line, str(error))]) from error


def _step(
    entry: Entry,
    *,
    found: PriceList | None,
    old: Said,
    until: datetime | None,
    waiting: Mapping[Key, list[PriceList]],
) -> Step:
    wanted = _wanted(entry)
    proposed = next((row for row in waiting.get(entry.key, ()) if _said(row) == wanted), None)
    kind = Kind.WAITING if proposed else Kind.CHANGED if found else Kind.NEW
    same_currency = old[0] == entry.currency
    new = _unsaved(entry)
    return Step(
        kind=kind,
        holder=entry.holder,
        effective_at=entry.effective_at,
        entry=entry,
        found=proposed or found,
        differences=tuple(
            differences(
                old[2] if same_currency else ListContent(),
                entry.content,
                (entry.currency, entry.currency),
            )
        ),
        effects=lists.effect(new, entry.content) if same_currency else {},
        past=lists.past_of(new, until),
    )


def _unsaved(entry: Entry) -> PriceList:
    """Return the list that an entry would become, to look up what it counts for."""
    head = _head(entry)
    if isinstance(head, Fault):
        raise BadFile([head])
    return PriceList(**{name: getattr(head, name) for name in Head.COLUMNS})


def _held_before(key: Key, asked: Mapping[Key, Entry], published: Mapping[Key, PriceList]) -> Said:
    """Return what holds until a new list begins, as it is once the file holds."""
    before = max(
        (other for other in asked.keys() | published.keys() if other[0] == key[0] and other < key),
        default=None,
    )
    if before is None:
        return NOTHING
    entry = asked.get(before)
    return _wanted(entry) if entry else _said(published[before])


def _wanted(entry: Entry) -> Said:
    return entry.currency, entry.ends_at, entry.content


def _said(row: PriceList) -> Said:
    return row.currency, row.ends_at, content_of(row)


def holder_of(row: PriceList) -> Holder:
    """Return whose a list is, as files say it."""
    kind = "tier" if row.tier_id else "project" if row.project_id else "user"
    return Holder(kind, row.holder)


def _published() -> dict[Key, PriceList]:
    """Return the published lists by holder and moment; of revisions, the highest."""
    rows = PriceList.objects.filter(status=PriceList.Status.PUBLISHED).order_by("revision")
    rows = rows.select_related("tier", "project", "user").prefetch_related(*CHILDREN)
    return {(holder_of(row), row.effective_at): row for row in rows}


def _waiting() -> dict[Key, list[PriceList]]:
    found: dict[Key, list[PriceList]] = {}
    for row in lists.waiting_for_approval():
        found.setdefault((holder_of(row), row.effective_at), []).append(row)
    return found
