"""Which jobs a list would price: those of whom it is for, and when."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from django.db.models import Q

from accounts.models import Project, ProjectTier, Tier
from accounts.selectors import TierBook
from core.intervals import Interval, microseconds
from pricing.models import PriceList


class Stretch(NamedTuple):
    """A project, in one tier (or none) from one moment to another, the end not included."""

    project_id: int
    tier_id: int | None
    starts_at: datetime
    ends_at: datetime


class Scope:
    """The projects and times of a window that a list prices; of a person's list, all of them.

    ``user_name`` is set for the list of a person, whose jobs alone it prices.
    """

    def __init__(self, price_list: PriceList, window: Interval) -> None:
        self.window = window
        self.user_name = price_list.user.get_username() if price_list.user is not None else ""
        projects = _projects(price_list, window)
        tiers = TierBook(projects)
        self.stretches = [
            stretch
            for project_id in projects
            for stretch in _stretches(project_id, tiers, window)
            if price_list.tier_id in {None, stretch.tier_id}
        ]
        self._by_project: dict[int, tuple[list[int], list[Stretch]]] = {}
        found: dict[int, list[Stretch]] = defaultdict(list)
        for stretch in self.stretches:
            found[stretch.project_id].append(stretch)
        for project_id, rows in found.items():
            self._by_project[project_id] = [microseconds(row.starts_at) for row in rows], rows

    @property
    def projects(self) -> frozenset[int]:
        return frozenset(self._by_project)

    def find(self, project_id: int | None, end: int) -> Stretch | None:
        """Return the stretch of a project in which a moment (microseconds since 1970) lies."""
        if project_id not in self._by_project:
            return None
        starts, rows = self._by_project[project_id]
        place = bisect_right(starts, end)
        if not place or end >= microseconds(rows[place - 1].ends_at):
            return None
        return rows[place - 1]


def _projects(price_list: PriceList, window: Interval) -> list[int]:
    if price_list.project_id is not None:
        return [price_list.project_id]
    if price_list.tier_id is None:
        return list(Project.objects.order_by("pk").values_list("pk", flat=True))
    rows = ProjectTier.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=window.start),
        tier=Tier(pk=price_list.tier_id),
        starts_at__lt=window.end,
    )
    return sorted(set(rows.values_list("project_id", flat=True)))


def _stretches(project_id: int, tiers: TierBook, window: Interval) -> Iterator[Stretch]:
    inside = {at for at in tiers.moments(project_id) if window.start < at < window.end}
    moments = [window.start, *sorted(inside), window.end]
    for start, end in pairwise(moments):
        row = tiers.at(project_id, start)
        yield Stretch(project_id, None if row is None else row.tier_id, start, end)
