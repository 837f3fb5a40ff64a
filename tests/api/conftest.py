"""A small site as the API sees it: two projects, six jobs, two receipts, and who may see what."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, User
from accounts.tokens import create_token
from core.actor import Actor
from core.intervals import Interval
from payments.models import Payment
from payments.services import start_checkout
from receipts.models import Receipt
from receipts.services import create_receipt
from tests import scenes
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    join,
    make_cluster,
    make_project,
    make_user,
)
from usage.models import Job

MIDDLE = OCTOBER.start + timedelta(days=14)
FIRST_HALF = Interval(OCTOBER.start, MIDDLE)
_names = itertools.count()


@dataclass
class Site:
    """People by name, the two projects, and their documents."""

    people: dict[str, User]
    genomics: Project
    physics: Project
    receipt: Receipt
    others_receipt: Receipt
    payment: Payment

    def job_of(self, name: str) -> Job:
        return Job.objects.filter(user_name=name).earliest("pk")


def build() -> Site:
    """Alice leads genomics, where bob is a member; charlie, a stranger to both, leads physics.

    The first half of October is billed, the second is not; one of bob's jobs has no project.
    """
    people = {name: make_user(name) for name in ("alice", "bob", "charlie")}
    people |= {name: make_user(name, groups=(name,)) for name in ("finance", "auditor", "operator")}
    genomics = make_project("genomics", pi=people["alice"])
    physics = make_project("physics", pi=people["charlie"])
    join(genomics, people["bob"])
    early, late = OCTOBER.start + timedelta(days=2), OCTOBER.start + timedelta(days=20)
    import_rows(
        make_cluster(),
        Row(1, "alice", end=early),
        Row(2, "alice", end=late),
        Row(3, "bob", end=early),
        Row(4, "bob", end=late),
        Row(5, "charlie", "physics", end=early),
        Row(6, "bob", "nobodys", end=late),
    )
    receipt, others = (
        create_receipt(project_id=project.pk, window=FIRST_HALF, actor=SYSTEM)
        for project in (genomics, physics)
    )
    payment, _other = (
        start_checkout(receipt_id=item.pk, provider_code="dummy", actor=SYSTEM)
        for item in (receipt, others)
    )
    return Site(people, genomics, physics, receipt, others, payment)


site = scenes.standing(build)


Answer = Any
"""A response of the test client, whose ``json()`` the types of Django do not know."""


class Caller:
    """Calls the API as one person, through a session or with a token."""

    def __init__(self, *, user: User | None = None, key: str = "") -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        if user is not None:
            self.client.force_login(user)

    def get(self, path: str, **headers: str) -> Answer:
        return self.client.get(f"/api/v1/{path}", headers={**self.headers, **headers})

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.client.post(
            f"/api/v1/{path}",
            body,
            content_type=headers.pop("content_type", "application/json"),
            headers={
                **self.headers,
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )


def make_key(user: User, *scopes: str, days: int = 1) -> str:
    _token, key = create_token(
        user=user,
        name=f"test {next(_names)}",
        scopes=scopes or ("*",),
        days=days,
        actor=Actor.of(user),
    )
    return key


Call = Callable[..., Caller]


@pytest.fixture
def call(site: Site) -> Call:
    """``call("alice")`` calls with a token for everything; with scopes, with those alone."""

    def caller(name: str, *scopes: str) -> Caller:
        return Caller() if name == "anonymous" else Caller(key=make_key(site.people[name], *scopes))

    return caller
