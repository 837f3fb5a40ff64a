"""The site that a crowd works on, and who is in the crowd."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.conf import settings
from django.db.models import Model, QuerySet
from django.test import Client

from accounts.models import Project, User
from core.actor import Actor
from core.errors import DomainError
from core.intervals import Interval, month
from core.site import site_zone
from receipts.models import BillingProfile, Receipt
from receipts.services import create_receipt, draft_receipt
from tests.factories import (
    Row,
    import_rows,
    join,
    make_cluster,
    make_project,
    make_user,
    publish_prices,
)
from usage.models import Cluster

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
PROJECTS = ("genomics", "climate", "proteins")
JOBS = 48
BACKEND = settings.AUTHENTICATION_BACKENDS[-1]


class Nothing(DomainError):
    """There is nothing that the step could be done to just now."""

    def __init__(self) -> None:
        super().__init__("nothing_there", "There is nothing to do this to.")


class Broken(Exception):
    """A page failed, or refused without a word."""


@dataclass(frozen=True)
class Site:
    """One cluster, three projects of which one pays for another, two months of usage."""

    cluster: Cluster
    rows: list[Row]
    pi: User
    clerks: list[User]


@dataclass
class Worker:
    """One of the crowd, with a chance of its own: a clerk in the console, the PI on their pages.

    What one clerk asks for another one approves: ``other`` is somebody else each time.
    """

    number: int
    chance: random.Random
    site: Site
    done: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.user = self.site.clerks[self.number % len(self.site.clerks)]
        self.one = Actor.of(self.user)
        self.console, self.self_service = Client(), Client()
        self.console.force_login(self.user, backend=BACKEND)
        self.self_service.force_login(self.site.pi, backend=BACKEND)

    @property
    def other(self) -> Actor:
        """Any other clerk."""
        return Actor.of(self.chance.choice([x for x in self.site.clerks if x != self.user]))

    @property
    def reference(self) -> str:
        """A bank's reference that nobody else uses."""
        return f"T-{self.number}-{next(self.numbers)}"

    @property
    def amount(self) -> Decimal:
        """Some money, with satang."""
        return Decimal(self.chance.randrange(1, 6000)) / 100

    def pick(self, rows: QuerySet[Any]) -> int:
        """The key of any of some rows, mostly of the first few, so that many meet there."""
        keys = list(rows.order_by("pk").values_list("pk", flat=True))
        place = self.chance.random()
        if not keys:
            raise Nothing
        return int(keys[int(place * place * len(keys))])

    def row(self, rows: QuerySet[Any]) -> Any:
        found = rows.filter(pk=self.pick(rows)).first()
        if found is None:  # Somebody just moved it on.
            raise Nothing
        return found

    def receipt(self, *statuses: str) -> Receipt:
        """A receipt in any of these states; in any after issue if none is named."""
        of = Receipt.objects.filter(kind=Receipt.Kind.RECEIPT)
        found = of.filter(status__in=statuses) if statuses else of.exclude(number=None)
        receipt: Receipt = self.row(found.select_related("project"))
        return receipt

    def window(self) -> Interval:
        """Some days of the two months, or all of them."""
        whole = Interval(month(SEPTEMBER, site_zone()).start, month(OCTOBER, site_zone()).end)
        if self.chance.random() < 0.5:
            return whole
        start = whole.start + timedelta(days=self.chance.randrange(60))
        return Interval(start, start + timedelta(days=self.chance.randrange(1, 15)))

    def press(self, client: Client, address: str, values: Mapping[str, Any] | None = None) -> str:
        """Send a step's form as its page is just now, filled in; returns what became of it."""
        page = client.get(address)
        if page.status_code == 404:
            return "404"
        form = getattr(page, "context_data", {}).get("form")
        kept = {} if form is None else {name: form[name].initial for name in form.fields}
        filled = {key: value for key, value in {**kept, **(values or {})}.items() if value != ""}
        return self.sent(client, address, {k: v for k, v in filled.items() if v is not None})

    def sent(self, client: Client, address: str, values: Mapping[str, Any]) -> str:
        """Send a form and see that the answer is one for a person: done, or why not."""
        answer = client.post(address, values)
        if answer.status_code == 404:
            return "404"
        if answer.status_code not in {200, 302}:
            raise Broken(f"{address}: {answer.status_code}")
        request: Any = answer.wsgi_request
        shown: Any = answer
        form = shown.context_data.get("form") if answer.status_code == 200 else None
        if form is not None and form.errors:
            return "form"
        # Those of a page that was rendered at once are read already.
        messages = request._messages
        said = messages._queued_messages or (messages._loaded_messages if messages.used else [])
        if not [str(item) for item in said if str(item)]:
            raise Broken(f"{address}: nothing was said")
        return str(said[-1].level_tag)


Step = Callable[[Worker], object]


def build() -> Site:
    """Usage of two months, two issued receipts and a draft of it, and four clerks."""
    pi = make_user("pi")
    for code in PROJECTS:
        make_project(code, pi=pi)
    payer, paid_for = (Project.objects.get(code=code) for code in PROJECTS[:2])
    BillingProfile.objects.create(project=paid_for, grouping="payer", payer=payer)
    publish_prices("mu", datetime(2026, 1, 1, tzinfo=site_zone()), cpu="1")
    clerks = [make_user(f"clerk{number}", groups=("finance",)) for number in range(4)]
    for clerk in clerks:
        join(payer, clerk)
    cluster, rows = make_cluster(), [_job(number) for number in range(JOBS)]
    import_rows(cluster, *rows)
    actor = Actor.of(clerks[0])
    for start, make in ((SEPTEMBER, create_receipt), (OCTOBER, create_receipt)):
        first = month(start, site_zone()).start
        window = Interval(first, first + timedelta(days=8))
        make(project_id=payer.pk, window=window, actor=actor)
    proteins = Project.objects.get(code=PROJECTS[2])
    window = Interval(month(OCTOBER, site_zone()).start, month(OCTOBER, site_zone()).end)
    draft_receipt(project_id=proteins.pk, window=window, actor=actor)
    return Site(cluster, rows, pi, clerks)


def _job(number: int) -> Row:
    """Ten core-hours, on one of 24 days of one of the two months."""
    first = month((SEPTEMBER, OCTOBER)[number % 2], site_zone()).start
    end = first + timedelta(days=number // 2 + 0.5)
    tres = "cpu=10,node=1,billing=10"
    return Row(number + 1, account=PROJECTS[number % 3], end=end, tres=tres)


def key_of(row: Model | None) -> int:
    """The key of what may be gone by now."""
    if row is None:
        raise Nothing
    return int(row.pk)
