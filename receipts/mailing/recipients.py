"""Who hears of a project's documents, and in which language."""

import hashlib
from dataclasses import dataclass

from django.conf import settings

from accounts.models import Language, Membership, Project, User
from receipts.models import Contact, MailKind

REMINDERS = (MailKind.DUE_SOON, MailKind.OVERDUE)


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
    asked = {"gets_reminders": True} if kind in REMINDERS else {"gets_documents": True}
    contacts = Contact.objects.filter(project=project, **asked).order_by("pk")
    if contacts:
        return [Recipient(each.email, each.language) for each in contacts]
    if project.billing_email:
        reader = User.objects.filter(email__iexact=project.billing_email).first()
        return [Recipient(project.billing_email, _language_of(reader))]
    leaders = User.objects.filter(
        memberships__project=project, memberships__role=Membership.Role.PI
    ) | User.objects.filter(personal_project=project)
    people = leaders.filter(is_active=True).exclude(email="").distinct().order_by("pk")
    found = {person.email.lower(): person for person in people}
    return [Recipient(person.email, _language_of(person)) for person in found.values()]


def _language_of(person: User | None) -> str:
    chosen = person.language if person else ""
    site = str(settings.LANGUAGE_CODE)
    return chosen or (site if site in Language.values else str(Language.ENGLISH))
