"""Pricing by several processes at once: each act happens once, and sums stay what lists say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import connection
from django.db.models import Sum

from core.actor import Actor
from core.intervals import Interval
from hpcbilling.workflows import rate_pending
from pricing.closing import true_up
from pricing.models import AdjustmentKind, Charge
from pricing.selectors import live_charges
from pricing.services.adjustments import (
    Wanted,
    approve_adjustment,
    draft_adjustment,
)
from receipts.selectors import uncredited_reversals
from receipts.services import credit_reversals, draft_receipt, issue_receipt
from receipts.services.adjustments import submit_adjustment
from tests import racing
from tests.databases import Database
from tests.factories import SYSTEM, Row, make_cluster, make_project, make_user
from tests.pricing.lists import flat, publish
from tests.pricing.test_due import bring

START = datetime(2026, 10, 2, 12, tzinfo=UTC)
OCTOBER = date(2026, 10, 1)


def test_three_clerks_approve_at_once(committed_db: Database) -> None:
    project, author = make_project("genomics"), Actor.of(make_user("clerk"))
    wanted = Wanted(project, AdjustmentKind.CREDIT, START, "late", "ticket", Decimal(5000))
    made = draft_adjustment(wanted=wanted, actor=author)
    submit_adjustment(adjustment_id=made.pk, actor=author)
    others = [Actor.of(make_user(name)) for name in ("second", "third", "fourth")]

    def act(actor: Actor) -> Callable[[], object]:
        return lambda: approve_adjustment(adjustment_id=made.pk, actor=actor).status

    told = racing.race(*(act(actor) for actor in others))
    assert sorted(told) == ["approved", "stale_status", "stale_status"]
    assert Charge.objects.get().amount == -5000


def test_a_job_is_corrected_while_its_draft_is_issued(committed_db: Database) -> None:
    project, cluster = make_project("genomics"), make_cluster()
    rows = [Row(n, end=START + timedelta(hours=n)) for n in range(1, 21)]
    bring(cluster, *rows)
    rate_pending(actor=SYSTEM)
    window = Interval(START, START + timedelta(days=5))
    draft = draft_receipt(project_id=project.pk, window=window, actor=SYSTEM)
    bring(cluster, *(replace(row, tres="cpu=8,mem=8192M,node=1") for row in rows))
    rate = partial(rate_pending, actor=SYSTEM)
    told = racing.race(rate, partial(issue_receipt, receipt_id=draft.pk, actor=SYSTEM), rate)
    assert not [text for text in told if text.startswith("!")]
    rate()
    credit = partial(credit_reversals, receipt_id=draft.pk, actor=SYSTEM, reason="jobs changed")
    told = racing.race(credit, credit, rate, credit)
    assert not [text for text in told if text.startswith("!")]
    draft.refresh_from_db()
    note = draft.credit_notes.get()
    assert note.total == -draft.total
    assert not uncredited_reversals().exists()
    cpu = live_charges().filter(resource="cpu", document_line=None)
    assert [charge.quantity for charge in cpu] == [8 * 3600] * 20
    connection.check_constraints()


def test_a_month_is_closed_while_its_jobs_are_rated(committed_db: Database) -> None:
    project, cluster = make_project("genomics"), make_cluster()
    publish(flat("cpu", "1"), flat("mem", "0"), cap=Decimal(50))
    bring(cluster, *(Row(n, end=START + timedelta(hours=n)) for n in range(1, 61)))
    close = partial(true_up, project_id=project.pk, month=OCTOBER, actor=SYSTEM)
    rate = partial(rate_pending, actor=SYSTEM)
    told = racing.race(rate, close, rate, close, close)
    assert not [text for text in told if text.startswith("!")]
    rate_pending(actor=SYSTEM)
    close()
    sums = dict(Charge.objects.order_by().values_list("kind").annotate(sum=Sum("amount")))
    assert sums == {"usage": 240, "true_up": 50 - 240}
    assert close() is not None
    assert Charge.objects.filter(kind="usage").count() == 120
    connection.check_constraints()
