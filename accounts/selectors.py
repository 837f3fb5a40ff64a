"""Reading accounts: tiers in effect, and who may see what."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts.models import Membership, Project, ProjectTier, User

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
