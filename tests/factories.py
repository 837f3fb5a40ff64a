"""People, projects and usage for tests, made the way the product makes them."""

import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts.models import Membership, Project, ProjectTier, Tier, User
from core.actor import Actor
from core.intervals import Interval
from hpcbilling import workflows
from pricing.content import ListContent, flat
from pricing.models import Canary, PriceList
from pricing.services import Head, approve_price_list, draft_price_list
from usage.exemption_decisions import approve_exemption
from usage.models import Cluster, Exemption, ImportRun
from usage.services import create_cluster

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OCTOBER = Interval(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
SYSTEM = Actor.system("test")
COLUMNS = (
    "JobIDRaw", "JobID", "User", "Account", "State", "Submit", "Start", "End", "ElapsedRaw",
    "AllocTRES", "NodeList", "JobName",
)  # fmt: skip


def make_user(name: str, *, groups: tuple[str, ...] = ()) -> User:
    """A user whose password is the name; groups are the console's roles."""
    user = User.objects.create_user(name, password=name, is_staff=bool(groups))
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def make_project(code: str, *, tier: str = "mu", pi: User | None = None) -> Project:
    """A project with a tier since long ago, and a PI if one is given."""
    project = Project.objects.create(code=code, name=code.title())
    if tier:
        ProjectTier.objects.create(
            project=project, tier=Tier.objects.get(code=tier), starts_at=LONG_AGO
        )
    if pi is not None:
        join(project, pi, Membership.Role.PI)
    return project


def join(project: Project, user: User, role: str = Membership.Role.MEMBER) -> None:
    Membership.objects.create(project=project, user=user, role=role)


@dataclass(frozen=True)
class Row:
    """A job as sacct prints it; by default one hour on 4 CPUs, 8 GB and no GPU."""

    job_id: int = 1
    user: str = "alice"
    account: str = "genomics"
    end: datetime = datetime(2026, 10, 15, 12, tzinfo=UTC)
    seconds: int = 3600
    tres: str = "cpu=4,mem=8192M,node=1,billing=4"
    state: str = "COMPLETED"
    name: str = "job"
    extra: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        start = self.end - timedelta(seconds=self.seconds)
        running = self.state == "RUNNING"
        values = {
            "JobIDRaw": str(self.job_id), "JobID": str(self.job_id), "User": self.user,
            "Account": self.account, "State": self.state,
            "Submit": _epoch(start - timedelta(seconds=60)), "Start": _epoch(start),
            "End": "Unknown" if running else _epoch(self.end), "ElapsedRaw": str(self.seconds),
            "AllocTRES": self.tres, "NodeList": "n1", "JobName": self.name, **self.extra,
        }  # fmt: skip
        return "|".join(values[column] for column in COLUMNS)


def _epoch(moment: datetime) -> str:
    return str(int(moment.timestamp()))


def sacct(*rows: Row | str) -> bytes:
    """An ``sacct -P`` file of these rows; a text is a row as it stands."""
    lines = ["|".join(COLUMNS), *(row if isinstance(row, str) else row.text() for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def publish_prices(tier: str, at: datetime, **rates: str) -> PriceList:
    """A published list of unit prices."""
    head = Head(at, "THB", tier=Tier.objects.get(code=tier))
    return publish_list(head, flat({code: Decimal(price) for code, price in rates.items()}))


def publish_list(head: Head, content: ListContent) -> PriceList:
    """A published list by one clerk, let pass by another one."""
    author, _ = User.objects.get_or_create(username="price-author")
    return let_pass(draft_price_list(head=head, content=content, actor=Actor.of(author)))


def let_pass(draft: PriceList) -> PriceList:
    """A draft published unseen: comparing bills and telling the log take longer than most tests."""
    approver, _ = User.objects.get_or_create(username="price-approver")
    now = timezone.now()
    steps_taken = PriceList.objects.filter(pk=draft.pk)
    steps_taken.update(status="submitted", submitted_at=now, submitted_by=draft.created_by)
    Canary.objects.create(
        price_list=draft,
        submitted_at=now,
        month=date(2026, 10, 1),
        limit_percent=50,
        outcome=Canary.Outcome.NOTHING,
    )
    steps_taken.update(status="published", published_at=timezone.now(), approved_by=approver)
    draft.refresh_from_db()
    return draft


def approve(price_list: PriceList, approver: User | None = None) -> PriceList:
    """The approval of a second person, who may let bills change as they like."""
    approver = approver or User.objects.get_or_create(username="price-approver")[0]
    approver.user_permissions.add(Permission.objects.get(codename="override_canary"))
    return approve_price_list(
        price_list_id=price_list.pk,
        seen=price_list.submitted_at,
        actor=Actor.of(approver),
        override="prices of a test",
    )


def exempt(cluster: Cluster, author: User | None = None, **values: Any) -> Exemption:
    """An exemption, approved by a second person if it begins in the past."""
    given = {"starts_at": Row().end - timedelta(days=1), "reason": "agreed", **values}
    author = author or User.objects.get_or_create(username="head")[0]
    made = Exemption.objects.create(cluster=cluster, author=author, **given)
    made.refresh_from_db()
    if made.status == Exemption.Status.WAITING:
        approver = Actor.of(User.objects.get_or_create(username="exemption-approver")[0])
        approve_exemption(exemption_id=made.pk, ends_at=made.ends_at, actor=approver)
        made.refresh_from_db()
    return made


def make_cluster(name: str = "alpha") -> Cluster:
    return create_cluster(name=name, time_zone="UTC", actor=SYSTEM)


def import_rows(cluster: Cluster, *rows: Row | str) -> workflows.Imported:
    """Import and rate rows through the ordinary path."""
    return import_bytes(cluster, sacct(*rows))


def import_bytes(
    cluster: Cluster, content: bytes, *, as_of: datetime | None = None
) -> workflows.Imported:
    stream = io.BytesIO(content)
    return workflows.import_usage(
        cluster=cluster, stream=stream, origin="test.psv", actor=SYSTEM, as_of=as_of
    )


def latest_run() -> ImportRun:
    return ImportRun.objects.latest("pk")
