"""Lists of the console ask the database as often for many rows as for few."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Period, Project
from accounts.periods import earlier_open
from accounts.services import close
from core.actor import Actor
from core.intervals import Interval, next_month
from payments.models import OfficialReceipt, Payment, Refund, Withholding
from payments.selectors import mismatches
from payments.services import (
    Transfer,
    Withheld,
    keep_as_balance,
    record_transfer,
    record_withholding,
    request_refund,
    request_write_off,
)
from pricing.models import Adjustment, Charge
from receipts.models import BillingRun, Mail, Receipt, WriteOff
from receipts.services import Part, ask_credit, create_receipt, runs
from tests.console import url, visitor
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from usage.models import Cluster

pytestmark = pytest.mark.django_db
LISTS = (
    Adjustment, BillingRun, Charge, Mail, OfficialReceipt, Payment, Period, Receipt, Refund,
    Withholding, WriteOff,
)  # fmt: skip


def billed(project: Project, actor: Actor, numbers: range) -> None:
    """On each of some days a receipt: paid in part and too much, withheld, credited, to be given
    up."""
    for number in numbers:
        day = OCTOBER.start + timedelta(days=number)
        hour = timedelta(hours=1)
        row = Row(number + 1, end=day + hour, seconds=36_000, tres="cpu=100,node=1")
        import_rows(Cluster.objects.get(), row)
        window = Interval(day, day + timedelta(days=1))
        receipt = create_receipt(project_id=project.pk, window=window, actor=SYSTEM)
        line = receipt.lines.get()
        part = Part(line.pk, Decimal(1))
        ask_credit(receipt_id=receipt.pk, parts=[part], reason="goodwill", actor=actor)
        today = timezone.localdate()
        withheld = Withheld(Decimal(2), Decimal(3), f"certificate {number}", today)
        record_withholding(receipt_id=receipt.pk, withheld=withheld, actor=actor)
        request_write_off(receipt_id=receipt.pk, reason="closed", actor=actor)
        transfer = Transfer(f"bank {number}", today, receipt.total + 5, "THB")
        assert record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=actor) == "mismatch"
        kept = keep_as_balance(event_id=mismatches().get().pk, actor=actor)
        request_refund(payment_id=kept.pk, amount=Decimal(1), reason="too much", actor=actor)


def closed(months: list[date]) -> None:
    for month in months:
        for earlier in [row.month for row in earlier_open(month)]:
            close(month=earlier, seal=lambda _period: {}, actor=SYSTEM)
        close(month=month, seal=lambda _period: {}, actor=SYSTEM)
        run = runs.start_run(month=month, actor=SYSTEM)
        runs.advance(run_id=run.pk, actor=SYSTEM)


def queries(client: Client, model: type[models.Model]) -> int:
    with CaptureQueriesContext(connection) as found:
        assert client.get(url(model)).status_code == 200
    return len(found)


def test_many_rows_need_no_more_queries_than_few() -> None:
    client = visitor("finance")
    actor = Actor.of(make_user("clerk", groups=("finance",)))
    project = make_project("genomics")
    make_cluster()
    first = date(2026, 1, 1)
    months = [first]
    for _count in range(3):
        months.append(next_month(months[-1]))
    billed(project, actor, range(2))
    closed(months[:2])
    for model in LISTS:
        queries(client, model)
    few = {model: queries(client, model) for model in LISTS}
    billed(project, actor, range(2, 5))
    closed(months[2:])
    many = {model: queries(client, model) for model in LISTS}
    more = {model.__name__: (few[model], many[model]) for model in LISTS}
    assert {name: pair for name, pair in more.items() if pair[1] > pair[0]} == {}
