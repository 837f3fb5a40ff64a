"""On whose documents the charges of a project go.

By its billing profile: on its own, on those of its department's addressee, or on those of the
project that pays for it. It is one step: the profile of the addressee itself does not count. The
database says the same by ``receipts_addressee``.
"""

from collections.abc import Collection

from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Coalesce

from accounts.models import Project
from receipts.models import BillingProfile
from receipts.models.profiles import Grouping

_ADDRESSEE = Coalesce(
    Case(
        When(billing_profile__grouping=Grouping.PAYER, then=F("billing_profile__payer")),
        When(billing_profile__grouping=Grouping.DEPARTMENT, then=F("department__billing__project")),
    ),
    F("pk"),
)


def addressees_of(project_ids: Collection[int]) -> dict[int, int]:
    """Return the addressee of each of these projects, by keys, in one query."""
    rows = Project.objects.filter(pk__in=project_ids).order_by()
    return dict(rows.annotate(addressee=_ADDRESSEE).values_list("pk", "addressee"))


def billed_to(addressee_ids: Collection[int]) -> QuerySet[Project]:
    """Return the projects whose charges go on the documents of these addressees now."""
    paid_for = BillingProfile.objects.filter(grouping=Grouping.PAYER, payer__in=addressee_ids)
    of_department = Project.objects.filter(
        department__billing__project__in=addressee_ids,
        billing_profile__grouping=Grouping.DEPARTMENT,
    )
    maybe = (
        Q(pk__in=addressee_ids)
        | Q(pk__in=paid_for.values("project"))
        | Q(pk__in=of_department.order_by().values("pk"))
    )
    found = Project.objects.filter(maybe).annotate(addressee=_ADDRESSEE)
    return found.filter(addressee__in=addressee_ids).order_by("pk")


def in_run(projects: QuerySet[Project]) -> QuerySet[Project]:
    """Return those projects that the monthly run bills: not those that pay as they go."""
    return projects.exclude(billing_profile__in_run=False)
