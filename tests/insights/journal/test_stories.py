"""What happens to money, and each line of the journal that comes of it."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
import time_machine
from django.conf import LazySettings

from accounts.models import Project
from core.actor import Actor
from hpcbilling.books import check_books
from insights.aging import aging
from insights.journal import Line, journal
from insights.models import LedgerAccount
from payments.models import OfficialReceipt, Payment, Withholding
from payments.selectors import balance_of, mismatches
from payments.services import (
    Transfer,
    Withheld,
    approve_bounce,
    approve_refund,
    approve_write_off,
    keep_as_balance,
    pay_out_refund,
    record_transfer,
    record_withholding,
    request_bounce,
    request_refund,
    request_write_off,
    take_back_withholding,
)
from pricing.models import AdjustmentKind
from pricing.services.adjustments import Wanted, draft_adjustment
from pricing.services.outages import draft_outage, submit_outage
from receipts.models import Receipt
from receipts.services import create_receipt
from receipts.services.adjustments import submit_adjustment
from receipts.services.openings import Opening, bring_opening
from receipts.services.outages import approve_outage_credit
from tests.factories import (
    OCTOBER,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    publish_prices,
)
from usage.models import Cluster

pytestmark = pytest.mark.django_db

IN_OCTOBER = datetime(2026, 10, 20, 5, tzinfo=UTC)
IN_NOVEMBER = datetime(2026, 11, 5, 5, tzinfo=UTC)
TODAY = IN_NOVEMBER.date()
MONTH, NEXT = date(2026, 10, 1), date(2026, 11, 1)
TOTAL = Decimal("23.54")


class Booked(NamedTuple):
    """A line as a ledger shows it."""

    kind: str
    account: str
    debit: str
    credit: str
    centre: str


def booked(month: date, *kinds: str) -> list[Booked]:
    """The lines of a month, of some kinds or all, after their entries were seen to be balanced."""
    lines = journal(month)
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line.entry, line.currency] += line.amount
    assert set(sums.values()) <= {Decimal(0)}
    return [shown(line) for line in lines if not kinds or line.kind in kinds]


def shown(line: Line) -> Booked:
    debit = f"{line.amount:.2f}" if line.amount > 0 else ""
    credit = f"{-line.amount:.2f}" if line.amount < 0 else ""
    return Booked(line.kind, line.account, debit, credit, line.cost_centre)


@pytest.fixture
def alice() -> Actor:
    return Actor.of(make_user("alice", groups=("finance",)))


@pytest.fixture
def bob() -> Actor:
    return Actor.of(make_user("bob", groups=("finance",)))


@pytest.fixture
def genomics(settings: LazySettings) -> Project:
    """A project with a cost centre, at a site whose receivables have one of their own."""
    settings.SITE_TAX_RATE = Decimal(7)
    made = make_project("genomics")
    Project.objects.filter(pk=made.pk).update(cost_centre="CC-7")
    LedgerAccount.objects.filter(role="receivable").update(cost_centre="CC-1")
    return made


@pytest.fixture
def cluster(genomics: Project) -> Cluster:
    """Two jobs in October that come to 20 for CPU and 2 for memory."""
    publish_prices("mu", datetime(2020, 1, 1, tzinfo=UTC), cpu="2.5", mem="0.125")
    made = make_cluster()
    import_rows(made, Row(1), Row(2, end=datetime(2026, 10, 16, tzinfo=UTC)))
    return made


@pytest.fixture
def receipt(cluster: Cluster, genomics: Project, alice: Actor) -> Receipt:
    """Issued in October: net 22.00, tax 1.54."""
    with time_machine.travel(IN_OCTOBER, tick=False):
        made = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=alice)
    assert made.total == TOTAL
    return made


@pytest.fixture
def november() -> Iterator[None]:
    """What a test does itself happens in November."""
    with time_machine.travel(IN_NOVEMBER, tick=False):
        yield


@pytest.fixture(autouse=True)
def agrees(genomics: Project) -> Iterator[None]:
    """On each day of a story receivables are what is owed, and balances what settles nothing."""
    yield
    lines = [line for month in (MONTH, NEXT) for line in journal(month)]
    days = sorted({date.fromisoformat(line.day) for line in lines} | {date(2026, 10, 1)})
    for day in days:
        so_far = [line for line in lines if line.day <= day.isoformat()]
        receivable = sum((one.amount for one in so_far if one.account == "1120"), Decimal(0))
        balance = sum((one.amount for one in so_far if one.account == "2120"), Decimal(0))
        owed = sum((total.balance for total in aging(day).totals), Decimal(0))
        assert receivable + balance == owed, day
    assert [found for result in check_books(only=("ledger",)) for found in result.first] == []


def pay(receipt: Receipt, amount: Decimal, actor: Actor, withheld: Withheld | None = None) -> str:
    paid = Transfer(f"T-{amount}", TODAY, amount, "THB")
    return record_transfer(receipt_id=receipt.pk, transfer=paid, actor=actor, withheld=withheld)


def test_usage_is_earned_and_asked_for(receipt: Receipt) -> None:
    assert booked(MONTH) == [
        Booked("charge", "1130", "20.00", "", "CC-7"),
        Booked("charge", "4100", "", "20.00", "CC-7"),
        Booked("charge", "1130", "2.00", "", "CC-7"),
        Booked("charge", "4100", "", "2.00", "CC-7"),
        Booked("issue", "1120", "23.54", "", "CC-1"),
        Booked("issue", "1130", "", "22.00", "CC-7"),
        Booked("issue", "2150", "", "1.54", "CC-7"),
    ]
    assert booked(NEXT) == []


def test_tax_withheld_settles_and_taken_back_is_owed_again(
    receipt: Receipt, alice: Actor, november: None
) -> None:
    withheld = Withheld(Decimal("0.66"), Decimal(3), "WHT-1", TODAY)
    assert pay(receipt, TOTAL - withheld.amount, alice, withheld) == "applied"
    paid = [
        Booked("payment", "1110", "22.88", "", "CC-7"),
        Booked("payment", "2120", "", "22.88", "CC-7"),
        Booked("allocation", "2120", "22.88", "", "CC-7"),
        Booked("allocation", "1120", "", "22.88", "CC-1"),
    ]
    kept = [
        Booked("withholding", "1160", "0.66", "", "CC-7"),
        Booked("withholding", "1120", "", "0.66", "CC-1"),
    ]
    assert booked(NEXT) == paid + kept
    row = Withholding.objects.get()
    take_back_withholding(withholding_id=row.pk, actor=alice, reason="another's certificate")
    assert booked(NEXT) == [
        *paid,
        *kept,
        Booked("withholding", "1160", "", "0.66", "CC-7"),
        Booked("withholding", "1120", "0.66", "", "CC-1"),
    ]
    record_withholding(receipt_id=receipt.pk, withheld=withheld, actor=alice)
    assert booked(NEXT, "withholding")[4:] == kept


def kept_balance(receipt: Receipt, alice: Actor) -> Payment:
    """100 come for a receipt of 23.54; the rest is the project's balance."""
    assert pay(receipt, Decimal(100), alice) == "mismatch"
    return keep_as_balance(event_id=mismatches().get().pk, actor=alice)


KEPT = [
    Booked("payment", "1110", "100.00", "", "CC-7"),
    Booked("payment", "2120", "", "100.00", "CC-7"),
    Booked("allocation", "2120", "23.54", "", "CC-7"),
    Booked("allocation", "1120", "", "23.54", "CC-1"),
]


def test_a_refund_is_booked_when_it_is_paid_out(
    receipt: Receipt, alice: Actor, bob: Actor, november: None
) -> None:
    payment = kept_balance(receipt, alice)
    refund = request_refund(payment_id=payment.pk, amount=Decimal(50), reason="x", actor=alice)
    approve_refund(refund_id=refund.pk, actor=bob)
    assert booked(NEXT) == KEPT, "it is set aside, and the site's still"
    pay_out_refund(refund_id=refund.pk, actor=bob, reference="OUT-1")
    LedgerAccount.objects.filter(role="refund").update(account="1115")
    assert booked(NEXT) == [
        *KEPT,
        Booked("refund", "2120", "50.00", "", "CC-7"),
        Booked("refund", "1115", "", "50.00", "CC-7"),
    ]


def test_a_write_off_gives_up_what_is_left(
    receipt: Receipt, alice: Actor, bob: Actor, november: None
) -> None:
    pay(receipt, Decimal("3.54"), alice)
    wanted = request_write_off(receipt_id=receipt.pk, reason="the group is gone", actor=alice)
    approve_write_off(write_off_id=wanted.pk, actor=bob)
    assert booked(NEXT) == [
        Booked("payment", "1110", "3.54", "", "CC-7"),
        Booked("payment", "2120", "", "3.54", "CC-7"),
        Booked("allocation", "2120", "3.54", "", "CC-7"),
        Booked("allocation", "1120", "", "3.54", "CC-1"),
        Booked("write_off", "5400", "20.00", "", "CC-7"),
        Booked("write_off", "1120", "", "20.00", "CC-1"),
    ]


def test_a_balance_pays_the_next_receipt(
    receipt: Receipt, cluster: Cluster, genomics: Project, alice: Actor, november: None
) -> None:
    kept_balance(receipt, alice)
    import_rows(cluster, Row(3, end=datetime(2026, 10, 17, tzinfo=UTC)))
    again = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=alice)
    assert (again.net_amount, again.tax_amount) == (Decimal(11), Decimal("0.77"))
    again.refresh_from_db()
    assert again.status == "paid"
    assert booked(NEXT) == [
        Booked("issue", "1120", "11.77", "", "CC-1"),
        Booked("issue", "1130", "", "11.00", "CC-7"),
        Booked("issue", "2150", "", "0.77", "CC-7"),
        *KEPT,
        Booked("allocation", "2120", "11.77", "", "CC-7"),
        Booked("allocation", "1120", "", "11.77", "CC-1"),
    ]
    assert balance_of(genomics, "THB") == Decimal("64.69")


def opening_of(project: Project) -> Receipt:
    opening = Opening(project, "OLD-7", date(2026, 8, 1), date(2026, 8, 31), Decimal(50), "THB")
    assert bring_opening(opening=opening, actor=Actor.system("import"))
    return Receipt.objects.get(number="OLD-7")


def test_an_opening_balance_is_booked_when_it_is_brought_and_paid(
    genomics: Project, alice: Actor
) -> None:
    LedgerAccount.objects.filter(role="opening").update(account="3999", cost_centre="CC-0")
    with time_machine.travel(IN_OCTOBER, tick=False):
        opening = opening_of(genomics)
    assert booked(date(2026, 8, 1)) == []
    assert booked(MONTH) == [
        Booked("opening", "1120", "50.00", "", "CC-1"),
        Booked("opening", "3999", "", "50.00", "CC-0"),
    ]
    # Of a day before it was brought nothing was known of it; after that it is as old as it is.
    assert aging(date(2026, 10, 19)).totals == []
    assert aging(date(2026, 10, 20)).totals[0].amounts["to_60"] == 50
    with time_machine.travel(IN_NOVEMBER, tick=False):
        assert pay(opening, Decimal(50), alice) == "applied"
    assert booked(NEXT) == [
        Booked("payment", "1110", "50.00", "", "CC-7"),
        Booked("payment", "2120", "", "50.00", "CC-7"),
        Booked("allocation", "2120", "50.00", "", "CC-7"),
        Booked("allocation", "1120", "", "50.00", "CC-1"),
    ]


def test_a_bounced_payment_is_booked_back_in_the_month_of_its_return(
    receipt: Receipt, alice: Actor, bob: Actor
) -> None:
    with time_machine.travel(IN_OCTOBER, tick=False):
        early = Transfer("CHQ-1", IN_OCTOBER.date(), TOTAL, "THB")
        record_transfer(receipt_id=receipt.pk, transfer=early, actor=alice)
    received = booked(MONTH, "payment", "allocation")
    with time_machine.travel(IN_NOVEMBER, tick=False):
        payment = Payment.objects.get()
        refund = request_bounce(payment_id=payment.pk, reason="no cover", actor=alice)
        approve_bounce(refund_id=refund.pk, actor=bob, reference="RET-1")
    assert booked(MONTH, "payment", "allocation") == received
    LedgerAccount.objects.filter(role="refund").update(account="1115")
    assert booked(NEXT) == [
        Booked("allocation", "2120", "", "23.54", "CC-7"),
        Booked("allocation", "1120", "23.54", "", "CC-1"),
        Booked("bounce", "2120", "23.54", "", "CC-7"),
        Booked("bounce", "1110", "", "23.54", "CC-7"),
    ]


def test_an_outage_of_what_is_billed_goes_on_a_credit_note(
    receipt: Receipt, cluster: Cluster, alice: Actor, bob: Actor, november: None
) -> None:
    hour = datetime(2026, 10, 15, 10, tzinfo=UTC)
    row = draft_outage(
        cluster=cluster, starts_at=hour, ends_at=hour + timedelta(hours=4), percent=Decimal(50),
        text="Cooling failed", reason="ticket", actor=alice,
    )  # fmt: skip
    submit_outage(outage_id=row.pk, actor=alice)
    (given,) = approve_outage_credit(outage_id=row.pk, actor=bob)[:1]
    assert given.amount < 0
    # Half of the one job that ran in it: 5 for CPU, 0.50 for memory; October is open still.
    assert booked(MONTH, "charge")[2:4] == [
        Booked("charge", "1130", "", "5.50", "CC-7"),
        Booked("charge", "4100", "5.50", "", "CC-7"),
    ]
    assert booked(NEXT) == [
        Booked("credit_note", "1120", "", "5.89", "CC-1"),
        Booked("credit_note", "1130", "5.50", "", "CC-7"),
        Booked("credit_note", "2150", "0.39", "", "CC-7"),
    ]


def test_a_fee_is_revenue_of_its_own(
    cluster: Cluster, genomics: Project, alice: Actor, november: None
) -> None:
    LedgerAccount.objects.create(
        role="revenue", detail="manual", account="4190", starts_on=date(2020, 1, 1)
    )
    wanted = Wanted(genomics, AdjustmentKind.FEE, IN_OCTOBER, "Setup", "contract", Decimal(30))
    row = draft_adjustment(wanted=wanted, actor=alice)
    submit_adjustment(adjustment_id=row.pk, actor=alice)
    charged = [line for line in booked(MONTH) if line.account == "4190"]
    assert charged == [Booked("charge", "4190", "", "30.00", "CC-7")]
    made = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=alice)
    assert made.net_amount == 52
    assert booked(NEXT) == [
        Booked("issue", "1120", "55.64", "", "CC-1"),
        Booked("issue", "1130", "", "52.00", "CC-7"),
        Booked("issue", "2150", "", "3.64", "CC-7"),
    ]


def test_an_official_receipt_is_no_money_of_its_own(
    receipt: Receipt, alice: Actor, november: None
) -> None:
    assert pay(receipt, TOTAL, alice) == "applied"
    assert OfficialReceipt.objects.count() == 1
    assert booked(NEXT) == [
        Booked("payment", "1110", "23.54", "", "CC-7"),
        Booked("payment", "2120", "", "23.54", "CC-7"),
        Booked("allocation", "2120", "23.54", "", "CC-7"),
        Booked("allocation", "1120", "", "23.54", "CC-1"),
    ]
