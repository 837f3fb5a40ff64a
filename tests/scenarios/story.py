"""A site whose months are lived through: usage arrives, months close, documents go out, money comes

Each step goes through the door that people use, and ``books_balance`` asks after any of them
whether every invariant of the books still holds.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from accounts.models import Project, User
from core.actor import Actor
from core.intervals import Interval, month
from core.site import site_zone
from hpcbilling.books import CHECKS, check_books
from hpcbilling.closing.month_end import close_and_draft
from hpcbilling.workflows import rate_pending
from payments.services import Transfer, record_transfer
from receipts.models import BillingRun, Receipt
from receipts.services import runs
from receipts.services.runs import to_approve
from tests.factories import (
    Row,
    import_bytes,
    make_cluster,
    make_project,
    publish_prices,
    sacct,
)
from usage.models import Cluster

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
AUGUST, SEPTEMBER, OCTOBER = date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)
SYSTEM = Actor.system("beat")


def span(first: date) -> Interval:
    """The moments of a month of the site."""
    return month(first, site_zone())


def moment(first: date, day: int, hour: int = 12) -> datetime:
    """A local hour of a day of a month, in UTC."""
    local = datetime(first.year, first.month, day, hour, tzinfo=site_zone())
    return local.astimezone(UTC)


@dataclass
class Story:
    """One cluster, prices of 1 baht a core-hour since long ago, and two clerks."""

    cluster: Cluster = field(init=False)
    clerk: Actor = field(init=False)
    other: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = make_cluster()
        self.clerk, self.other = (
            Actor.of(User.objects.create_user(name)) for name in ("clerk", "clerk2")
        )
        publish_prices("mu", BEGINNING, cpu="1")
        self._ids = count(1)
        self._references = count(1)

    def project(self, code: str) -> Project:
        """A project whose Slurm account has its code."""
        return make_project(code)

    def job(self, account: str, end: datetime, hours: int = 1, **changes: Any) -> Row:
        """A job on ten cores that ran so many hours: ten baht an hour."""
        values = {"tres": "cpu=10,node=1,billing=10", **changes}
        job_id = values.pop("job_id", None) or next(self._ids)
        return Row(job_id, account=account, end=end, seconds=3600 * hours, **values)

    def on_half_the_cores(self, row: Row) -> Row:
        """The same job as Slurm tells of it later: it had five cores."""
        return replace(row, tres="cpu=5,node=1,billing=5")

    def usage(self, *rows: Row) -> None:
        """Accounting of now arrives and is rated."""
        import_bytes(self.cluster, sacct(*rows), as_of=timezone.now())
        rate_pending(actor=SYSTEM)

    def close(self, first: date, reason: str = "") -> BillingRun:
        """A clerk closes a month; the run drafts what there is to bill."""
        return close_and_draft(period=first, actor=self.clerk, override_reason=reason)

    def approve(self, run: BillingRun) -> None:
        """A clerk approves all of a run, and it is issued."""
        seen = runs.seen_in(to_approve(self.other).filter(run=run))
        runs.approve(seen=seen, actor=self.other)
        runs.issue_approved(run_id=run.pk)

    def pay(self, receipt: Receipt, amount: Decimal | None = None) -> None:
        """A transfer for a receipt arrives, of its total or another amount."""
        transfer = Transfer(
            f"BANK-{next(self._references)}",
            timezone.localdate(),
            receipt.total if amount is None else amount,
            receipt.currency,
        )
        record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=self.clerk)
        receipt.refresh_from_db()

    def documents(self, code: str) -> list[tuple[str, str, Decimal]]:
        """Kind, status and total of a project's documents, the oldest first."""
        found = Receipt.objects.filter(project__code=code).order_by("pk")
        return [(row.kind, row.status, row.total) for row in found]

    def books_balance(self) -> None:
        """Every invariant of the books holds. The log is chained at commit, which a test has none
        of: tests/audit looks at that."""
        results = check_books(only=[check.name for check in CHECKS if check.name != "audit_chain"])
        breaks = [(item.check.name, list(item.first)) for item in results if item.breaks]
        assert not breaks, breaks
