"""What the console deletes stays in the log, with what went along."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, User
from audit.models import AuditEvent
from tests.factories import join, make_project, make_user

pytestmark = pytest.mark.django_db


def test_deleting_a_person_tells_of_the_memberships_and_roles_that_went_along() -> None:
    boss = User.objects.create_superuser("boss")
    bob = make_user("bob", groups=("finance",))
    join(make_project("genomics"), bob, Membership.Role.PI)
    client = Client()
    client.force_login(boss)
    client.post(reverse("admin:accounts_user_delete", args=[bob.pk]), {"post": "yes"})
    assert not Membership.objects.exists()
    event = AuditEvent.objects.get(action="user.deleted")
    data = event.content["data"]
    assert data["values"]["username"] == "bob"
    gone = {row["kind"]: row["deleted"] for row in data["rows"]}
    assert gone["membership"]["role"] == "pi"
    assert "genomics" in gone["membership"]["project"]
    assert "finance" in gone["user_groups"]["group"]


def test_deleting_what_stands_alone_has_no_rows() -> None:
    boss = User.objects.create_superuser("boss")
    membership = Membership.objects.create(project=make_project("genomics"), user=boss)
    client = Client()
    client.force_login(boss)
    page = reverse("admin:accounts_membership_delete", args=[membership.pk])
    client.post(page, {"post": "yes"})
    event = AuditEvent.objects.get(action="membership.deleted")
    assert "rows" not in event.content["data"]
