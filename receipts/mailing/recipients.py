"""Who hears of a project's documents, and in which language."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from accounts.models import Language, Membership, Project, User
from receipts.models import Contact, MailKind

REMINDERS = (MailKind.DUE_SOON, MailKind.OVERDUE, MailKind.BOUNCED)
"""What contacts hear of that ask for reminders: that something is to be paid, or is again."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is told, and in which language."""

    address: str
    language: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.address.lower().encode()).hexdigest()


def recipients_of(project: Project, kind: str) -> list[Recipient]:
    """Return who hears of a project's documents: its contacts that ask for this kind; without any,
    its billing address, or else who acts for it."""
    return recipients_of_all([project], kind)[project.pk]


def recipients_of_all(projects: Sequence[Project], kind: str) -> dict[int, list[Recipient]]:
    """Return the same for several projects, by their keys, in a few queries for all of them."""
    found: dict[int, list[Recipient]] = {project.pk: [] for project in projects}
    asked = {"gets_reminders": True} if kind in REMINDERS else {"gets_documents": True}
    for each in Contact.objects.filter(project__in=projects, **asked).order_by("pk"):
        found[each.project_id].append(Recipient(each.email, each.language))
    without = [project for project in projects if not found[project.pk]]
    leaders = _leaders([project.pk for project in without if not project.billing_email])
    for project in without:
        if project.billing_email:
            reader = User.objects.filter(email__iexact=project.billing_email).first()
            found[project.pk] = [Recipient(project.billing_email, _language_of(reader))]
        else:
            people = {person.email.lower(): person for person in leaders[project.pk]}
            found[project.pk] = [Recipient(p.email, _language_of(p)) for p in people.values()]
    return found


def _leaders(project_ids: Collection[int]) -> Mapping[int, Sequence[User]]:
    """Return the active people with an address who act for projects, by project."""
    found: dict[int, list[User]] = defaultdict(list)
    if not project_ids:
        return found
    leads = Membership.objects.filter(project__in=project_ids, role=Membership.Role.PI)
    pairs = set(leads.order_by().values_list("user", "project"))
    owners = User.objects.filter(personal_project__in=project_ids).order_by()
    pairs |= set(owners.values_list("pk", "personal_project"))
    people = User.objects.filter(is_active=True).exclude(email="")
    by_key = people.in_bulk({user for user, _project in pairs})
    for user, project in sorted(pairs):
        if user in by_key:
            found[project].append(by_key[user])
    return found


def _language_of(person: User | None) -> str:
    chosen = person.language if person else ""
    site = str(settings.LANGUAGE_CODE)
    return chosen or (site if site in Language.values else str(Language.ENGLISH))
