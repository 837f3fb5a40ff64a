"""The demo's people, projects, clusters and prices; each is made once."""

from datetime import date, datetime
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from accounts.models import Department, Membership, Project, ProjectTier, Tier, User
from audit.services import record
from core.actor import Actor
from core.intervals import local_midnight
from core.site import site_zone
from hpcbilling.demo import people
from pricing.content import flat
from pricing.models import PriceList
from pricing.services import Head, approve_price_list, propose_price_list
from usage.models import AccountMapping, Cluster, Source
from usage.services import create_cluster

DEMO = Actor.system("demo")
CLUSTERS = {"demo": "22.05", "demo25": "25.05"}
"""The clusters by name, with the version of Slurm whose recording each one multiplies."""

LEGACY_ACCOUNT = ("cfd_legacy", "pi_wichai")
NEW_PRICES = {
    "cpu": Decimal("0.80"),
    "gpu": Decimal("12.50"),
    "mem": Decimal("0.05"),
    "sku:storage": Decimal("140.00"),
}
"""The second list of the tier ``mu``, from the month before last on."""


PROPOSED_PRICES = {"cpu": Decimal("3.00"), "gpu": Decimal("66.00"), "mem": Decimal("0.18")}
"""The list of the tier ``private`` that waits for approval, from next month on."""


def create_clusters() -> dict[str, Cluster]:
    """Return the demo's clusters by name; their first days are the day of the demo's making."""
    for name in CLUSTERS:
        if not Cluster.objects.filter(name=name).exists():
            cluster = create_cluster(name=name, time_zone=settings.SITE_TIME_ZONE, actor=DEMO)
            Source.objects.create(cluster=cluster, kind=Source.Kind.FOLDER, place=name)
    return {cluster.name: cluster for cluster in Cluster.objects.filter(name__in=CLUSTERS)}


@transaction.atomic
def create_people() -> None:
    """Make the people who are not there yet, with their roles."""
    known = set(User.objects.values_list("username", flat=True))
    missing = [person for person in people.PEOPLE if person.username not in known]
    for person in missing:
        user = User.objects.create_user(
            person.username,
            f"{person.username}@demo.example",
            person.password or None,
            first_name=person.first_name,
            last_name=person.last_name,
            language=person.language,
            is_staff=bool(person.role),
            is_superuser=person.username == "admin",
        )
        if person.role:
            user.groups.add(Group.objects.get(name=person.role))
    _note("people.created", [person.username for person in missing])


@transaction.atomic
def create_projects(tier_change: date) -> None:
    """Make the projects that are not there yet, with members and tiers.

    One project changes its tier on the given day.
    """
    since = _midnight(date(2024, 1, 1))
    users = {user.username: user for user in User.objects.all()}
    tiers = {tier.code: tier for tier in Tier.objects.all()}
    for code, name in people.DEPARTMENTS.items():
        Department.objects.get_or_create(code=code, defaults={"name": name})
    made = []
    for item in people.PROJECTS:
        project, created = Project.objects.get_or_create(
            code=item.code,
            defaults={
                "name": item.name,
                "department": Department.objects.get(code=item.department),
                "billing_name": item.billing_name,
                "billing_address": "Bangkok, Thailand",
                "billing_email": f"{item.pi}@demo.example",
                "tax_id": item.tax_id,
                "po_number": item.po_number,
                "cost_centre": item.cost_centre,
            },
        )
        if not created:
            continue
        made.append(item.code)
        Membership.objects.create(project=project, user=users[item.pi], role=Membership.Role.PI)
        for member in item.members:
            Membership.objects.create(project=project, user=users[member])
        if item.tier:
            ends = _midnight(tier_change) if item.code == "pi_niran" else None
            ProjectTier.objects.create(
                project=project, tier=tiers[item.tier], starts_at=since, ends_at=ends
            )
            if ends:
                ProjectTier.objects.create(project=project, tier=tiers["gov"], starts_at=ends)
    made += _personal_project(users, tiers, since)
    _note("projects.created", made)


def _personal_project(users: dict[str, User], tiers: dict[str, Tier], since: datetime) -> list[str]:
    name, tier = people.PERSONAL
    project, created = Project.objects.get_or_create(
        owner=users[name], defaults={"code": name, "name": f"Own work of {name}"}
    )
    if not created:
        return []
    ProjectTier.objects.create(project=project, tier=tiers[tier], starts_at=since)
    return [project.code]


@transaction.atomic
def map_accounts(cluster: Cluster) -> None:
    """Let an old account name count for the project that goes on under another one."""
    account, code = LEGACY_ACCOUNT
    _, created = AccountMapping.objects.get_or_create(
        cluster=cluster, account=account, defaults={"project": Project.objects.get(code=code)}
    )
    if created:
        _note("account_mapping.created", [f"{cluster.name}:{account} → {code}"])


def publish_prices(day: date) -> None:
    """Publish the second list of the tier ``mu``, from a day on, if there is only the first.

    One clerk proposes it and the other one approves it, as on every site.
    """
    tier = Tier.objects.get(code="mu")
    with transaction.atomic():
        if PriceList.objects.filter(tier=tier).count() > 1:
            return
        made = propose_price_list(
            actor=_clerk("clerk"),
            head=Head(
                tier=tier,
                effective_at=_midnight(day),
                currency=settings.SITE_CURRENCY,
                note="New electricity tariff",
            ),
            content=flat(NEW_PRICES),
        )
        approve_price_list(price_list_id=made.pk, seen=made.submitted_at, actor=_clerk("clerk2"))


def propose_prices(day: date) -> None:
    """Let a list of the tier ``private`` wait for the second clerk, if there is only the first."""
    tier = Tier.objects.get(code="private")
    with transaction.atomic():
        if PriceList.objects.filter(tier=tier).count() == 1:
            propose_price_list(
                actor=_clerk("clerk"),
                head=Head(
                    tier=tier,
                    effective_at=_midnight(day),
                    currency=settings.SITE_CURRENCY,
                    note="GPU prices follow the new contract",
                ),
                content=flat(PROPOSED_PRICES),
            )


def _clerk(name: str) -> Actor:
    return Actor.of(User.objects.get(username=name))


def _midnight(day: date) -> datetime:
    return local_midnight(day, site_zone())


def _note(action: str, names: list[str]) -> None:
    if names:
        record(action, actor=DEMO, data={"names": names})
