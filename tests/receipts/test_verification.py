"""The page behind the code on the paper: what it tells, and what it does not."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from redis.exceptions import ConnectionError as NoRedis

from receipts import verification
from receipts.models import Receipt
from receipts.services import create_receipt, void_receipt
from tests import scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project


def build() -> Receipt:
    project = make_project("genomics")
    project.billing_name, project.tax_id = "Secret Buyer", "0105536000313"
    project.save()
    import_rows(make_cluster(), Row(1, end=OCTOBER.start + timedelta(days=1)))
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


receipt = scenes.standing(build)


def page(receipt: Receipt) -> str:
    return reverse("verify", args=[receipt.verify_token])


def test_anyone_with_the_paper_sees_that_it_is_genuine(receipt: Receipt, client: Client) -> None:
    answer = client.get(page(receipt))
    assert answer.status_code == 200
    assert receipt.number is not None
    for text in (receipt.number, receipt.sha256, f"{receipt.total:,.2f}", "was issued here"):
        assert text in answer.text


def test_nothing_else_is_told(receipt: Receipt, client: Client) -> None:
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="a private reason")
    text = client.get(page(receipt)).text
    for secret in ("genomics", "Genomics", "Secret Buyer", "0105536000313", "private", "Void",
                   str(receipt.public_id), "CPU", "alice"):  # fmt: skip
        assert secret not in text


def test_a_credit_note_is_shown_as_it_is_printed(receipt: Receipt, client: Client) -> None:
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="twice")
    note = Receipt.objects.get(kind=Receipt.Kind.CREDIT_NOTE)
    assert f"{receipt.total:,.2f}" in client.get(page(note)).text


def test_every_other_token_has_the_same_answer(receipt: Receipt, client: Client) -> None:
    answers = [
        client.get(f"/verify/{token}")
        for token in ("x", "A" * 32, f"{receipt.verify_token}x", str(receipt.number), "%00", "ก")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({without_address(answer.text) for answer in answers}) == 1
    assert "No such document" in answers[0].text


def without_address(text: str) -> str:
    """Return a page without its address and the token of its forms, which differ each time."""
    return "\n".join(
        line for line in text.splitlines() if 'name="next"' not in line and "csrf" not in line
    )


def test_no_cache_search_engine_or_referrer_keeps_it(receipt: Receipt, client: Client) -> None:
    for address in (page(receipt), "/verify/x"):
        answer = client.get(address)
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert answer["Referrer-Policy"] == "no-referrer"
    assert client.post(page(receipt)).status_code == 405


def test_a_changed_document_is_said_to_be_changed(
    receipt: Receipt, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "hash_of", lambda _: "0" * 64)
    text = client.get(page(receipt)).text
    assert "changed after it was issued" in text
    assert "was issued here" not in text


def test_an_address_can_ask_so_often_a_minute(receipt: Receipt, client: Client) -> None:
    answers = [client.get(page(receipt)) for _ in range(verification.VISITS_A_MINUTE + 2)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert answers[-1]["Retry-After"] == "60"
    assert str(receipt.number) not in answers[-1].text
    assert client.get(page(receipt), REMOTE_ADDR="203.0.113.9").status_code == 200


def test_without_the_cache_it_is_answered_all_the_same(
    receipt: Receipt, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: object, **kwargs: object) -> None:
        raise NoRedis

    monkeypatch.setattr(cache, "add", gone)
    assert client.get(page(receipt)).status_code == 200


def test_it_speaks_thai(receipt: Receipt, client: Client) -> None:
    text = client.get(page(receipt), headers={"accept-language": "th"}).text
    assert "เอกสารนี้ออกโดยระบบนี้" in text
    assert "Is this" not in text
