"""Lists that price the same jobs have one currency."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Membership, Project, ProjectTier
from core.errors import Invalid
from pricing.models import PriceList


def check_one_currency(price_list: PriceList) -> None:
    """Raise Invalid if a published list of another currency may price a job together with a list.

    A negotiated list lies over the tier's list and, of a user, over that of the project.
    """
    for other in _others(price_list):
        if other.currency != price_list.currency and _overlap(price_list, other):
            names = {"other": other, "currency": other.currency}
            raise Invalid(
                "other_currency",
                _("The same jobs have prices of “%(other)s”, which are in %(currency)s.") % names,
            )


def _others(price_list: PriceList) -> QuerySet[PriceList]:
    """Return the published lists of other holders that price jobs of the list's holder."""
    published = PriceList.objects.filter(status=PriceList.Status.PUBLISHED)
    if price_list.tier_id is not None:
        held = ProjectTier.objects.filter(tier=price_list.tier_id)
        projects = set(held.values_list("project_id", flat=True))
        return published.filter(Q(project__in=projects) | Q(user__in=_people(projects)))
    if price_list.project_id is not None:
        projects = {price_list.project_id}
        return published.filter(Q(tier__in=_tiers(projects)) | Q(user__in=_people(projects)))
    projects = _projects_of(price_list.user_id)
    return published.filter(Q(tier__in=_tiers(projects)) | Q(project__in=projects))


def _tiers(projects: Iterable[int]) -> set[int]:
    held = ProjectTier.objects.filter(project__in=projects)
    return set(held.values_list("tier_id", flat=True))


def _people(projects: Iterable[int]) -> set[int]:
    members = Membership.objects.filter(project__in=projects).values_list("user_id", flat=True)
    owned = Project.objects.filter(pk__in=projects, owner__isnull=False)
    owners = owned.values_list("owner__pk", flat=True)
    return {*members, *owners}


def _projects_of(user_id: int | None) -> set[int]:
    found = Project.objects.filter(Q(owner=user_id) | Q(memberships__user=user_id))
    return set(found.values_list("pk", flat=True))


def _overlap(one: PriceList, other: PriceList) -> bool:
    """Whether there is a moment at which both may count."""
    ends = [end for end in (_end(one), _end(other)) if end is not None]
    return not ends or max(one.effective_at, other.effective_at) < min(ends)


def _end(price_list: PriceList) -> datetime | None:
    """Return when a list surely counts no more; None where that is not known."""
    if price_list.tier_id is None:
        return price_list.ends_at
    later = PriceList.objects.filter(
        status=PriceList.Status.PUBLISHED,
        tier=price_list.tier_id,
        effective_at__gte=price_list.effective_at,
    )
    newer = Q(effective_at__gt=price_list.effective_at) | Q(revision__gt=price_list.revision)
    after = later.filter(newer).order_by("effective_at").first()
    return None if after is None else after.effective_at
