"""The demo's receipts and payments, made through the services that the pages use.

All of them happen on the day of the demo's making, and say so: nothing is dated back.
"""

import json
from datetime import date
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Project, User
from core.actor import Actor
from core.intervals import Interval, month
from core.site import site_zone
from payments.models import InboundEvent
from payments.providers.dummy import signed_headers
from payments.services import Transfer, receive_webhook, record_transfer, start_checkout
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
        for day in (self.first, self.second):
            self._pay_online(self._receipt("pi_suda", day, self.suda), self.suda)
        self._transfer(self._receipt("pi_niran", self.first, self.clerk), "KTB-4410217")
        self._receipt("pi_niran", self.second, self.clerk)
        for day in (self.first, self.second):
            self._transfer(self._receipt("siamseed", day, self.clerk), f"SCB-{day:%y%m}-0093")
        self._wrong_order()
        too_much = self._receipt("pi_wichai", self.second, self.clerk)
        self._transfer(too_much, "BBL-7730155", more=Decimal(100))
        self._receipt("pi_apinya", self.second, self.clerk)
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


def _actor(username: str) -> Actor:
    return Actor.of(User.objects.get(username=username))


def _month(day: date) -> Interval:
    return month(day, site_zone())


def _of_month(code: str, day: date) -> QuerySet[Receipt]:
    return Receipt.objects.filter(project__code=code, window_start=_month(day).start)
