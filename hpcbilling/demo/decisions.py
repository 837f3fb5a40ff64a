"""What the demo's office decided, once the months before the last one were closed.

Some of it is done, some waits for the second clerk: each page has both to show.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts import services as months
from accounts.models import Period, PeriodReopening, Project, User
from core.actor import Actor
from core.errors import Conflict
from core.intervals import local_midnight, next_month
from core.site import site_zone
from hpcbilling.demo.billing import SHARED, STORAGE
from insights.journal import export_journal
from insights.models import JournalExport
from payments import services as paying
from payments.models import InboundEvent, Payment, Refund
from pricing.models import Adjustment, AdjustmentKind, OutageCredit, Sku
from pricing.services import adjustments, items, outages
from receipts.models import Receipt, WriteOff
from receipts.services import Part, ask_credit
from receipts.services.adjustments import submit_adjustment
from receipts.services.openings import Opening, bring_opening
from usage.models import Cluster

K = AdjustmentKind
LAYOUT = "plain"


class Decisions:
    """The doings of two clerks, each of them once."""

    def __init__(self, made: tuple[date, date, date]) -> None:
        self.first, self.second, self.third = made
        self.clerk = Actor.of(User.objects.get(username="clerk"))
        self.clerk2 = Actor.of(User.objects.get(username="clerk2"))

    def work(self) -> None:
        """Do everything that is not done yet."""
        self._paid_twice()
        self._credits()
        self._write_offs()
        self._openings()
        self._adjustments()
        self._outage()
        self._reopening()
        self._journals()

    def _paid_twice(self) -> None:
        """A receipt that was paid a second time: part of it goes back, the rest is balance."""
        if Refund.objects.exists():
            return
        receipt = _receipts("pi_niran").earliest("pk")
        reference = "KTB-4410398"
        if not Payment.objects.filter(receipt=receipt, external_id__endswith=reference).exists():
            transfer = paying.Transfer(
                reference, timezone.localdate(), receipt.total, receipt.currency
            )
            paying.record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=self.clerk)
        event = InboundEvent.objects.get(external_event_id=reference)
        paid = event.payment or Payment.objects.get(external_id__endswith=reference)
        if event.resolved_at is None:
            paid = paying.keep_as_balance(
                event_id=event.pk, actor=self.clerk, remark="Paid a second time by the faculty"
            )
        half = (receipt.total / 2).quantize(Decimal(1))
        sent = paying.request_refund(
            payment_id=paid.pk, amount=half, reason="The faculty wants it back", actor=self.clerk
        )
        paying.approve_refund(refund_id=sent.pk, actor=self.clerk2)
        paying.pay_out_refund(refund_id=sent.pk, reference="KTB-OUT-0071", actor=self.clerk2)
        paying.request_refund(
            payment_id=paid.pk, amount=Decimal(250), reason="Bank charges", actor=self.clerk
        )

    def _credits(self) -> None:
        """Parts of two receipts: one given back at once, one that waits for the second clerk."""
        if Adjustment.objects.filter(credits_receipt_id__isnull=False).exists():
            return
        small = _receipts("pi_suda").earliest("pk")
        self._credit(small, Decimal(420), "Jobs restarted after a full scratch disk")
        large = _receipts("pi_apinya").earliest("pk")
        self._credit(large, Decimal(1800), "Licence server down during the workshop")

    def _credit(self, receipt: Receipt, amount: Decimal, reason: str) -> None:
        line = receipt.lines.latest("amount")
        part = Part(line.pk, min(amount, line.amount))
        ask_credit(receipt_id=receipt.pk, parts=[part], reason=reason, actor=self.clerk)

    def _write_offs(self) -> None:
        """What a person who left owes: one was given up, one is to be."""
        owed = _receipts("prasert").filter(write_offs=None, status__in=Receipt.OPEN)
        for receipt in owed.order_by("pk"):
            done = WriteOff.objects.filter(status="approved").exists()
            asked = paying.request_write_off(
                receipt_id=receipt.pk, reason="Left the university", actor=self.clerk
            )
            if not done:
                paying.approve_write_off(write_off_id=asked.pk, actor=self.clerk2)

    def _openings(self) -> None:
        """Documents of the time before this system that are still to be paid."""
        for code, number, amount, ago in (
            ("siamseed", "2568-0417", "18450.00", 150),
            ("pi_wichai", "2568-0533", "6200.00", 78),
        ):
            day = timezone.localdate() - timedelta(ago)
            opening = Opening(
                project=Project.objects.get(code=code),
                number=number,
                issued_on=day,
                due_on=day + timedelta(30),
                amount=Decimal(amount),
                currency=settings.SITE_CURRENCY,
            )
            if not Receipt.objects.filter(number=number).exists():
                bring_opening(opening=opening, actor=self.clerk)

    def _adjustments(self) -> None:
        """A fee, a discount and a credit by hand, and storage that was sold."""
        if not Adjustment.objects.filter(credits_receipt_id=None).exists():
            self._adjust("pi_wichai", K.FEE, Decimal(800), "Consulting, 2 hours", "Code review")
            self._adjust(SHARED, K.CREDIT, Decimal(150), "Thanks for testing", "Tested the queue")
            text = "Nodes of the new partition, first weeks"
            self._adjust("pi_suda", K.CREDIT, Decimal(4500), text, "They were not stable yet")
        sku = Sku.objects.get(code=STORAGE)
        project = Project.objects.get(code="pi_suda")
        at = self._moment(next_month(self.third)) - timedelta(hours=1)
        try:
            quote = items.quote_item(project=project, sku=sku, quantity=Decimal("2.5"), at=at)
            items.charge_item(
                project=project, sku=sku, quantity=quote.quantity, at=at, expected=quote.amount,
                reason="Home directories of the group", actor=self.clerk,
            )  # fmt: skip
        except Conflict as refusal:
            if refusal.code != "charged_already":
                raise

    def _adjust(
        self, code: str, kind: AdjustmentKind, amount: Decimal, text: str, reason: str
    ) -> None:
        wanted = adjustments.Wanted(
            project=Project.objects.get(code=code), kind=kind,
            at=self._moment(self.third + timedelta(20)), text=text, reason=reason, amount=amount,
        )  # fmt: skip
        made = adjustments.draft_adjustment(wanted=wanted, actor=self.clerk)
        submit_adjustment(adjustment_id=made.pk, actor=self.clerk)

    def _outage(self) -> None:
        """A power cut of the month before last, which waits for the second clerk."""
        if OutageCredit.objects.exists():
            return
        noon = self._moment(self.second + timedelta(11)) + timedelta(hours=12)
        made = outages.draft_outage(
            cluster=Cluster.objects.get(name="demo"), starts_at=noon,
            ends_at=noon + timedelta(hours=3), percent=Decimal(50), text="Power cut",
            reason="Half of the nodes lost power", actor=self.clerk,
        )  # fmt: skip
        outages.submit_outage(outage_id=made.pk, actor=self.clerk)

    def _reopening(self) -> None:
        """A wish to open a closed month again that was declined."""
        if PeriodReopening.objects.exists():
            return
        wish = months.request_reopening(
            month=self.second, reason="A late invoice of the vendor", actor=self.clerk
        )
        months.decline_reopening(reopening_id=wish.pk, actor=self.clerk2)

    def _journals(self) -> None:
        for period in Period.objects.filter(status=Period.Status.CLOSED):
            if not JournalExport.objects.filter(period=period).exists():
                export_journal(month=period.month, layout=LAYOUT, actor=self.clerk)

    def _moment(self, day: date) -> datetime:
        return local_midnight(day, site_zone())


def _receipts(code: str) -> QuerySet[Receipt]:
    """The receipts of a project that stand, made here."""
    return Receipt.objects.filter(
        project__code=code, kind=Receipt.Kind.RECEIPT, status__in=(*Receipt.OPEN, "paid")
    )
