"""What a study found, as people and programs read it (no queries but for names)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from accounts.models import Project, Tier
from core.intervals import Interval
from pricing.models import RatingReason
from pricing.study.tally import ZERO, Key, Tally

_TENTH = Decimal("0.1")


class Line(NamedTuple):
    """What something comes to before and after, exactly. ``name`` may be empty."""

    code: str
    name: str
    before: Decimal
    after: Decimal

    @property
    def change(self) -> Decimal:
        return self.after - self.before

    @property
    def percent(self) -> Decimal | None:
        """The change in percent at one decimal, half up; None where there was nothing before."""
        return percent_of(self.change, self.before)


class Left(NamedTuple):
    """Jobs that get no charge, and the code of the reason."""

    reason: str
    jobs: int

    @property
    def label(self) -> str:
        """The reason in the current language."""
        return str(RatingReason(self.reason).label)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a side recovers of an entered cost: positive ``over`` is more than the cost."""

    cost: Decimal
    amount: Decimal

    @property
    def over(self) -> Decimal:
        return self.amount - self.cost

    @property
    def under(self) -> Decimal:
        return -self.over

    @property
    def percent(self) -> Decimal | None:
        """How much of the cost is recovered."""
        return percent_of(self.amount, self.cost)


@dataclass(frozen=True, slots=True)
class Figures:
    """A study's result: amounts in one currency, exact to the last digit of the charges.

    ``foreign`` are amounts in force in other currencies, which are in no line. ``waiting`` are jobs
    that changed and are on a document: they are charged as they were. ``way`` says how it was
    computed: ``ledger`` or ``engine``; ``digest`` is that of the prices that were studied.
    """

    currency: str
    since: datetime
    until: datetime
    total: Line
    projects: tuple[Line, ...]
    tiers: tuple[Line, ...]
    resources: tuple[Line, ...]
    unpriced: tuple[Left, ...] = ()
    exempt: tuple[Left, ...] = ()
    foreign: tuple[tuple[str, Decimal], ...] = ()
    charges: int = 0
    waiting: int = 0
    way: str = "ledger"
    cost: Decimal | None = None
    digest: str = ""

    @property
    def winners(self) -> list[Line]:
        """The projects that pay less, who saves most first."""
        return [line for line in self.projects if line.change < 0]

    @property
    def losers(self) -> list[Line]:
        """The projects that pay more, who pays most more first."""
        return [line for line in reversed(self.projects) if line.change > 0]

    @property
    def unchanged(self) -> int:
        return sum(not line.change for line in self.projects)

    @property
    def recovery(self) -> tuple[Recovery, Recovery] | None:
        """What charges in force and studied ones recover of the cost, if one was given."""
        if self.cost is None:
            return None
        return Recovery(self.cost, self.total.before), Recovery(self.cost, self.total.after)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it; amounts are texts with six decimals."""
        return {
            "currency": self.currency,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "total": _line_json(self.total),
            **{
                name: [_line_json(line) for line in getattr(self, name)]
                for name in ("projects", "tiers", "resources")
            },
            **{
                name: [{"reason": row.reason, "jobs": row.jobs} for row in getattr(self, name)]
                for name in ("unpriced", "exempt")
            },
            "other_currencies": {code: text_of(amount) for code, amount in self.foreign},
            "charges": self.charges,
            "waiting": self.waiting,
            "way": self.way,
            "digest": self.digest,
            "cost": None if self.cost is None else str(self.cost),
            "recovery": [
                {"amount": text_of(one.amount), "over": text_of(one.over),
                 "percent": None if one.percent is None else str(one.percent)}
                for one in self.recovery or ()
            ],
        }  # fmt: skip


def text_of(amount: Decimal) -> str:
    """Write an amount with six decimals."""
    return f"{amount:.6f}"


def percent_of(part: Decimal, whole: Decimal) -> Decimal | None:
    """Return a part in percent at one decimal, half up; None of nothing."""
    return (part * 100 / whole).quantize(_TENTH, ROUND_HALF_UP) if whole else None


def figures_of(
    tally: Tally,
    *,
    currency: str,
    window: Interval,
    way: str,
    cost: Decimal | None,
    digest: str,
) -> Figures:
    """Make the result of a tally; looks up the names of its projects and tiers."""
    keys = {*tally.before, *tally.after}
    projects = Project.objects.in_bulk({key.project_id for key in keys})
    tiers = Tier.objects.in_bulk({key.tier_id for key in keys if key.tier_id is not None})

    def project(key: Key) -> tuple[str, str]:
        return projects[key.project_id].code, projects[key.project_id].name

    def tier(key: Key) -> tuple[str, str]:
        found = None if key.tier_id is None else tiers[key.tier_id]
        return ("", "") if found is None else (found.code, found.name)

    lines = _lines(tally, project)
    return Figures(
        currency=currency,
        since=window.start,
        until=window.end,
        total=Line("", "", sum(tally.before.values(), ZERO), sum(tally.after.values(), ZERO)),
        projects=tuple(sorted(lines, key=lambda line: (line.change, line.code))),
        tiers=tuple(sorted(_lines(tally, tier))),
        resources=tuple(sorted(_lines(tally, lambda key: (key.resource, "")))),
        unpriced=_left(tally.unpriced),
        exempt=_left(tally.exempt),
        foreign=tuple(sorted(tally.foreign.items())),
        charges=tally.charges,
        waiting=tally.waiting,
        way=way,
        cost=cost,
        digest=digest,
    )


def figures_from(stored: Mapping[str, Any]) -> Figures:
    """Return what ``as_json`` wrote."""
    cost = stored["cost"]
    return Figures(
        currency=stored["currency"],
        since=datetime.fromisoformat(stored["since"]),
        until=datetime.fromisoformat(stored["until"]),
        total=_line_from(stored["total"]),
        projects=tuple(map(_line_from, stored["projects"])),
        tiers=tuple(map(_line_from, stored["tiers"])),
        resources=tuple(map(_line_from, stored["resources"])),
        unpriced=tuple(Left(row["reason"], row["jobs"]) for row in stored["unpriced"]),
        exempt=tuple(Left(row["reason"], row["jobs"]) for row in stored["exempt"]),
        foreign=tuple((code, Decimal(text)) for code, text in stored["other_currencies"].items()),
        charges=stored["charges"],
        waiting=stored["waiting"],
        way=stored["way"],
        digest=stored["digest"],
        cost=None if cost is None else Decimal(cost),
    )


def _lines(tally: Tally, named: Callable[[Key], tuple[str, str]]) -> list[Line]:
    before: dict[tuple[str, str], Decimal] = {}
    after: dict[tuple[str, str], Decimal] = {}
    for side, amounts in ((before, tally.before), (after, tally.after)):
        for key, amount in amounts.items():
            name = named(key)
            side[name] = side.get(name, ZERO) + amount
    return [
        Line(*name, before.get(name, ZERO), after.get(name, ZERO)) for name in {*before, *after}
    ]


def _left(counted: Mapping[str, int]) -> tuple[Left, ...]:
    rows: Iterable[tuple[str, int]] = sorted(counted.items(), key=lambda row: (-row[1], row[0]))
    return tuple(Left(reason, jobs) for reason, jobs in rows)


def _line_json(line: Line) -> dict[str, Any]:
    percent = line.percent
    return {
        "code": line.code,
        "name": line.name,
        "before": text_of(line.before),
        "after": text_of(line.after),
        "change": text_of(line.change),
        "percent": None if percent is None else str(percent),
    }


def _line_from(row: Mapping[str, Any]) -> Line:
    return Line(row["code"], row["name"], Decimal(row["before"]), Decimal(row["after"]))
