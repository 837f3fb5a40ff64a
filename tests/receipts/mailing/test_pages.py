"""The outbox in the console: what is seen, sent again and put aside, and by whom."""

import pytest
from django.core import mail
from django.urls import reverse

from receipts.models import Mail, Receipt
from receipts.services.sending import send_due_mails
from tests import console


def test_a_clerk_sees_a_mail_as_sent_and_has_it_sent_again(receipt: Receipt) -> None:
    clerk = console.visitor("finance")
    sent = Mail.objects.get()
    address = console.url(sent, "change", sent.pk)
    assert "As it would be sent now" in clerk.get(address).text
    send_due_mails()
    page = clerk.get(address).text
    assert "As it was sent" in page
    assert f"Receipt {receipt.number} for project genomics" in page
    assert "alice@example.org" in clerk.get(console.url(Mail)).text
    on_receipt = clerk.get(console.url(receipt, "change", receipt.pk)).text
    assert address in on_receipt

    again = reverse("admin:receipts_mail_resend", args=[sent.pk])
    told = clerk.post(again, follow=True)
    assert console.messages_of(told) == ["The e-mail is queued."]
    assert send_due_mails() == 1
    assert len(mail.outbox) == 2


def test_what_was_given_up_is_on_the_home_page_until_somebody_looks(receipt: Receipt) -> None:
    Mail.objects.update(status="given_up", next_attempt_at=None, last_error="550 no such user")
    clerk = console.visitor("finance")

    def waiting() -> dict[str, int]:
        home = clerk.get(reverse("admin:index"))
        return {str(card.name): card.count for card in home.context["cards"]}

    assert waiting()["E-mails not sent"] == 1
    broken = Mail.objects.get()
    listed = clerk.get(console.url(Mail) + "?queue=open").text
    assert console.url(broken, "change", broken.pk) in listed
    aside = reverse("admin:receipts_mail_put_aside", args=[broken.pk])
    assert clerk.post(aside, {"reason": ""}).status_code == 200
    clerk.post(aside, {"reason": "they know"})
    assert waiting()["E-mails not sent"] == 0
    assert Mail.objects.get().status == "dropped"


@pytest.mark.parametrize("role", ["auditor", "operator", ""])
def test_others_send_nothing_again(receipt: Receipt, role: str) -> None:
    send_due_mails()
    sent = Mail.objects.get()
    visitor = console.visitor(role)
    again = reverse("admin:receipts_mail_resend", args=[sent.pk])
    assert visitor.post(again).status_code in (302, 403)
    assert Mail.objects.count() == 1
