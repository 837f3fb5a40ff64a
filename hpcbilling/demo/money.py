"""The demo's receipts and payments, made through the services that the pages use.

All of them happen on the day of the demo's making, and say so: nothing is dated back.
"""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Project, User
from core.actor import Actor
from core.intervals import Interval, month
from core.site import site_zone
from payments.models import InboundEvent, Withholding
from payments.providers.dummy import signed_headers
from payments.services import (
    Transfer,
    Withheld,
    receive_webhook,
    record_transfer,
    record_withholding,
    start_checkout,
    suggested_withholding,
    take_back_withholding,
)
from receipts.models import Receipt
from receipts.services import create_receipt, draft_receipt, void_receipt


class Office:
    """The people's doings over the three months before the current one, oldest first."""

    def __init__(self, months: tuple[date, date, date]) -> None:
        self.first, self.second, self.third = months
        self.clerk = _actor("clerk")
        self.clerk2 = _actor("clerk2")
        self.suda = _actor("suda")

    def work(self) -> None:
        """Do everything that is not done yet."""
        self._pay_online(self._receipt("pi_suda", self.first, self.suda), self.suda)
        self._receipt("pi_suda", self.second, self.suda)
        self._transfer(self._receipt("pi_niran", self.first, self.clerk), "KTB-4410217")
        self._receipt("pi_niran", self.second, self.clerk)
        for day in (self.first, self.second):
            self._withhold(self._receipt("siamseed", day, self.clerk), f"{day:%y%m}-0093")
        self._wrong_certificate()
        self._wrong_order()
        too_much = self._receipt("pi_wichai", self.second, self.clerk)
        self._transfer(too_much, "BBL-7730155", more=Decimal(100))
        part = self._receipt("pi_apinya", self.second, self.clerk)
        self._transfer(part, "GSB-2216044", more=-(part.total / 3).quantize(Decimal(1)))
        self._draft("pi_apinya", self.third, self.clerk2)
        self._draft("siamseed", self.third, self.clerk)

    def _receipt(self, code: str, day: date, actor: Actor) -> Receipt:
        found = _of_month(code, day).exclude(status=Receipt.Status.VOID).first()
        return found or create_receipt(
            project_id=Project.objects.get(code=code).pk, window=_month(day), actor=actor
        )

    def _draft(self, code: str, day: date, actor: Actor) -> None:
        if not _of_month(code, day).exists():
            draft_receipt(
                project_id=Project.objects.get(code=code).pk, window=_month(day), actor=actor
            )

    def _wrong_order(self) -> None:
        """A receipt that was voided for its purchase order, and its replacement."""
        if not _of_month("pi_wichai", self.first).exists():
            wrong = self._receipt("pi_wichai", self.first, self.clerk2)
            void_receipt(receipt_id=wrong.pk, actor=self.clerk, reason="Wrong purchase order")
        self._receipt("pi_wichai", self.first, self.clerk)

    def _pay_online(self, receipt: Receipt, actor: Actor) -> None:
        if receipt.status != Receipt.Status.ISSUED:
            return
        payment = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=actor)
        body = json.dumps(
            {
                "id": f"evt_{payment.public_id}",
                "type": "payment.succeeded",
                "payment": payment.external_id,
                "amount": str(payment.amount),
                "currency": payment.currency,
                "created": int(timezone.now().timestamp()),
            }
        ).encode()
        headers = {name.lower(): value for name, value in signed_headers(body).items()}
        receive_webhook(provider_code="dummy", headers=headers, body=body)

    def _transfer(self, receipt: Receipt, reference: str, more: Decimal = Decimal(0)) -> None:
        recorded = InboundEvent.objects.filter(provider="manual", external_event_id=reference)
        if receipt.status == Receipt.Status.ISSUED and not recorded.exists():
            transfer = Transfer(
                reference, timezone.localdate(), receipt.total + more, receipt.currency
            )
            record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=self.clerk)

    def _withhold(self, receipt: Receipt, number: str) -> None:
        """Pay by transfer what is left after the tax that the payer withheld."""
        expected = suggested_withholding(receipt)
        if receipt.status != Receipt.Status.ISSUED or expected is None:
            return
        withheld = replace(expected, certificate=f"WHT-{number}")
        amount = receipt.total - withheld.amount
        transfer = Transfer(f"SCB-{number}", timezone.localdate(), amount, receipt.currency)
        record_transfer(
            receipt_id=receipt.pk, transfer=transfer, actor=self.clerk, withheld=withheld
        )

    def _wrong_certificate(self) -> None:
        """A certificate that was for another invoice: taken back, and the right one recorded."""
        wrong = Withholding.objects.filter(receipt__project__code="siamseed").earliest("pk")
        if not Withholding.objects.filter(reverses__isnull=False).exists():
            take_back_withholding(
                withholding_id=wrong.pk, actor=self.clerk2, reason="For another invoice"
            )
        receipt = Receipt.objects.get(pk=wrong.receipt_id)
        if receipt.status in Receipt.OPEN:
            right = Withheld(
                wrong.amount, wrong.percent, f"{wrong.certificate}-A", timezone.localdate()
            )
            record_withholding(receipt_id=receipt.pk, withheld=right, actor=self.clerk)


def _actor(username: str) -> Actor:
    return Actor.of(User.objects.get(username=username))


def _month(day: date) -> Interval:
    return month(day, site_zone())


def _of_month(code: str, day: date) -> QuerySet[Receipt]:
    return Receipt.objects.filter(project__code=code, window_start=_month(day).start)
