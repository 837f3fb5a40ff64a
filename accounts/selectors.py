"""Reading accounts: tiers in effect, and who may see what."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from accounts.models import Membership, Project, ProjectTier, Split, SplitShare, User

Viewer = User | AnonymousUser


def projects_managed_by(user: Viewer) -> QuerySet[Project]:
    """Return the projects that a person acts for: as PI, or as owner of a personal project."""
    if not user.is_authenticated:
        return Project.objects.none()
    as_pi = Membership.objects.filter(user=user, role=Membership.Role.PI).values("project")
    return Project.objects.filter(pk__in=as_pi) | Project.objects.filter(owner=user)


def projects_of(user: Viewer) -> QuerySet[Project]:
    """Return the projects that a person takes part in, in whatever role."""
    if not user.is_authenticated:
        return Project.objects.none()
    taking_part = Membership.objects.filter(user=user).values("project")
    return Project.objects.filter(pk__in=taking_part) | Project.objects.filter(owner=user)


class TierBook:
    """The dated tiers of some projects, read once, for looking up many moments."""

    def __init__(self, project_ids: Iterable[int]) -> None:
        self._rows: dict[int, list[ProjectTier]] = {}
        rows = ProjectTier.objects.filter(project_id__in=set(project_ids)).order_by("-override")
        for row in rows.select_related("tier"):
            self._rows.setdefault(row.project_id, []).append(row)

    def at(self, project_id: int, moment: datetime) -> ProjectTier | None:
        """Return the row in effect at a moment, an override first, or None."""
        for row in self._rows.get(project_id, ()):
            if row.starts_at <= moment and (row.ends_at is None or moment < row.ends_at):
                return row
        return None

    def moments(self, project_id: int) -> set[datetime]:
        """Return when the answer for a project may change."""
        rows = self._rows.get(project_id, ())
        return {at for row in rows for at in (row.starts_at, row.ends_at) if at is not None}


class Bearer(NamedTuple):
    """A project that pays for ``percent`` of another one's jobs, by a share of a split or whole."""

    project: Project
    share_id: int | None = None
    percent: Decimal = Decimal(100)


class SplitBook:
    """Who bears the costs of some projects' jobs, read once, for looking up many moments.

    The same rule as the database's ``accounts_bearers``.
    """

    def __init__(self, projects: Iterable[Project]) -> None:
        self._projects = {project.pk: project for project in projects}
        self._rows: dict[int, list[Split]] = {}
        rows = Split.objects.filter(project__in=self._projects).order_by("-starts_at", "-ends_at")
        for row in rows.select_related("fallback").prefetch_related("shares__project"):
            self._rows.setdefault(row.project_id, []).append(row)

    def __bool__(self) -> bool:
        """Whether any of the projects ever had its costs split."""
        return bool(self._rows)

    def at(self, project_id: int, moment: datetime) -> tuple[Bearer, ...]:
        """Return who pays for a project's jobs that end at a moment: the shares of the split in
        force, else the fallback of the last one that ended, else the project itself."""
        begun = [row for row in self._rows.get(project_id, ()) if row.starts_at <= moment]
        for row in begun:
            if row.ends_at is None or moment < row.ends_at:
                return tuple(
                    Bearer(share.project, share.pk, share.percent)
                    for share in sorted(row.shares.all(), key=lambda share: share.pk)
                )
        for row in begun:
            if row.ends_at != row.starts_at:  # it was not withdrawn
                return (Bearer(row.fallback or self._projects[project_id]),)
        return (Bearer(self._projects[project_id]),)

    def moments(self, project_id: int) -> set[datetime]:
        """Return when the answer for a project may change."""
        rows = self._rows.get(project_id, ())
        return {at for row in rows for at in (row.starts_at, row.ends_at) if at is not None}

    def bearers(self) -> set[Project]:
        """Return every project that may be found."""
        splits = [row for rows in self._rows.values() for row in rows]
        shares = {share.project for row in splits for share in row.shares.all()}
        return {*self._projects.values(), *shares, *(r.fallback for r in splits if r.fallback)}


def projects_borne_by(projects: QuerySet[Project] | Iterable[int]) -> QuerySet[Project]:
    """Return the projects that ever split their costs with, or left them to, one of some others."""
    shares = SplitShare.objects.filter(project__in=projects)
    paying = Split.objects.filter(Q(pk__in=shares.values("split")) | Q(fallback__in=projects))
    return Project.objects.filter(pk__in=paying.values("project"))
