"""Official receipts as papers and on pages: kept as first printed, and marked where they count no
more."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import IntegrityError, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from core.actor import Actor
from core.errors import Conflict
from payments.models import OfficialCancellation, OfficialFile, OfficialReceipt
from payments.official_documents import document_of
from payments.services import Transfer, record_transfer
from payments.services.official_files import official_file
from receipts.models import DocumentLanguage, Receipt
from receipts.rendering.document import Language
from receipts.rendering.pdf import pdf_of
from receipts.services import Part, ask_credit, create_receipt, void_receipt
from tests.databases import Database
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
)
from tests.receipts.rendering.reading import attached, codes, pages


def paid(clerk: User, pi: User) -> Receipt:
    """A receipt that was paid."""
    project = make_project("genomics", pi=pi)
    import_rows(make_cluster(), Row(1, seconds=36_000, tres="cpu=100,node=1"))
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    transfer = Transfer("1", timezone.localdate(), receipt.total, "THB")
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=Actor.of(clerk))
    return receipt


@pytest.fixture
def clerk(db: None) -> User:
    return make_user("clerk", groups=("finance",))


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def receipt(clerk: User, alice: User, settings: Settings) -> Receipt:
    settings.SITE_TAX_RATE = Decimal(7)
    settings.DOCUMENT_AT_PAYMENT = "receipt_tax_invoice"
    return paid(clerk, alice)


@pytest.fixture
def replaced(receipt: Receipt, clerk: User) -> tuple[OfficialReceipt, OfficialReceipt]:
    """One that is cancelled as a part was credited, and the one that replaces it."""
    line = receipt.lines.get()
    part = Part(line.pk, Decimal(100))
    ask_credit(receipt_id=receipt.pk, parts=[part], reason="x", actor=Actor.of(clerk))
    old, new = OfficialReceipt.objects.order_by("pk")
    return old, new


def test_what_was_printed_first_stays(receipt: Receipt, settings: Settings) -> None:
    official = OfficialReceipt.objects.get()
    stored = official_file(official=official)
    content = bytes(stored.content)
    again = OfficialReceipt.objects.get()
    assert pdf_of(document_of(again), Language.BOTH) == content
    settings.SITE_BASE_URL = "https://moved.example"  # would print another address
    assert bytes(official_file(official=again).content) == content
    copy = official_file(official=again, language=DocumentLanguage.THAI, copy=True)
    assert bytes(copy.content) != content
    assert OfficialFile.objects.count() == 2


def test_a_payment_has_no_days_of_usage(receipt: Receipt) -> None:
    content = official_file(
        official=OfficialReceipt.objects.get(), language=DocumentLanguage.ENGLISH
    )
    paper = pages(bytes(content.content))[0]
    assert "Payment of invoice" in paper
    assert "Usage period" not in paper


def test_the_paper_has_the_hash_that_is_verified(receipt: Receipt, client: Client) -> None:
    official = OfficialReceipt.objects.get()
    content = bytes(official_file(official=official).content)
    said = attached(content)["receipt.json"].content
    assert hashlib.sha256(said).hexdigest() == official.sha256
    assert official.sha256 in "".join(pages(content))
    address = reverse("verify", args=[official.verify_token])
    assert f"http://localhost:8000{address}" in codes(content)
    page = client.get(address).text
    assert official.sha256 in page
    assert official.number in page


def test_nothing_is_printed_of_what_was_changed(receipt: Receipt) -> None:
    official = OfficialReceipt.objects.get()
    official.content["parties"]["buyer"]["name"] = "someone else"
    with pytest.raises(Conflict):
        official_file(official=official)
    assert not OfficialFile.objects.exists()


@pytest.mark.parametrize("query", [{"language": "fr"}, {"copy": "2"}])
def test_there_is_no_other_language_or_mark(
    receipt: Receipt, alice: User, client: Client, query: dict[str, str]
) -> None:
    client.force_login(alice)
    address = reverse("payments:official", args=[OfficialReceipt.objects.get().pk])
    assert client.get(address, query).status_code == 404
    answer = client.get(address, {"language": "th", "copy": "1"})
    assert 'filename="OR-' in answer["Content-Disposition"]
    client.force_login(make_user("charlie"))
    assert client.get(address).status_code == 404


def test_the_one_that_replaces_says_which_and_why(
    replaced: tuple[OfficialReceipt, OfficialReceipt],
) -> None:
    old, new = replaced
    page = pages(bytes(official_file(official=new, language=DocumentLanguage.ENGLISH).content))[0]
    said = " ".join(page.split())
    assert f"It replaces {old.number} of" in said
    assert old.cancellation.because in said


def test_the_payer_sees_what_counts_no_more_and_what_replaces_it(
    replaced: tuple[OfficialReceipt, OfficialReceipt], alice: User, client: Client
) -> None:
    old, new = replaced
    client.force_login(alice)
    page = client.get(reverse("receipts:detail", args=[old.receipt.public_id])).text
    assert f'replaced by <a href="#official-{new.pk}">{new.number}</a>' in page
    assert f"replaces {old.number}" in page
    assert reverse("payments:official", args=[new.pk]) in page
    assert reverse("payments:official", args=[old.pk]) not in page


def test_the_console_tells_those_in_force_from_those_cancelled(
    replaced: tuple[OfficialReceipt, OfficialReceipt], clerk: User, client: Client
) -> None:
    old, new = replaced
    client.force_login(clerk)
    address = reverse("admin:payments_officialreceipt_changelist")
    for value, shown, hidden in (("0", new, old), ("1", old, new)):
        found = client.get(address, {"cancelled": value})
        change = reverse("admin:payments_officialreceipt_change", args=[shown.pk])
        other = reverse("admin:payments_officialreceipt_change", args=[hidden.pk])
        rows = found.context["cl"].result_list
        assert [row.pk for row in rows] == [shown.pk]
        assert other in client.get(change).text
    page = client.get(reverse("admin:payments_officialreceipt_change", args=[old.pk]))
    assert old.cancellation.because in page.text


def test_a_credit_note_is_told_in_the_language_of_who_reads_it(
    replaced: tuple[OfficialReceipt, OfficialReceipt], clerk: User, alice: User, client: Client
) -> None:
    old, new = replaced
    note = old.receipt.credit_notes.get()
    assert (old.cancellation.credit_note, old.cancellation.reason) == (note, "")
    told = {"en": f"Credited by {note.number}", "th": f"ลดหนี้ตามเลขที่ {note.number}"}
    console = reverse("admin:payments_officialreceipt_change", args=[old.pk])
    mine = reverse("receipts:detail", args=[old.receipt.public_id])
    for person, address in ((clerk, console), (alice, mine)):
        client.force_login(person)
        for language, said in told.items():
            client.cookies["django_language"] = language
            assert said in client.get(address).text
    for language in (DocumentLanguage.ENGLISH, DocumentLanguage.THAI):
        content = official_file(official=new, language=language).content
        paper = " ".join("".join(pages(bytes(content))).split())
        assert str(note.number) in paper
        assert ("Credited by" in paper) == (language == DocumentLanguage.ENGLISH)


def test_it_is_cancelled_for_a_credit_note_of_its_own_receipt(
    replaced: tuple[OfficialReceipt, OfficialReceipt],
) -> None:
    old, new = replaced
    others = make_project("physics", pi=make_user("bob"))
    import_rows(make_cluster("other"), Row(2, account="physics", tres="cpu=1,node=1"))
    other = create_receipt(project_id=others.pk, window=OCTOBER, actor=SYSTEM)
    void_receipt(receipt_id=other.pk, actor=SYSTEM, reason="wrong")
    note = other.credit_notes.get()
    with pytest.raises(IntegrityError, match="a credit note of its receipt"), transaction.atomic():
        OfficialCancellation.objects.create(official=new, credit_note=note)
    with pytest.raises(IntegrityError, match="has_reason"), transaction.atomic():
        OfficialCancellation.objects.create(
            official=new, credit_note=old.cancellation.credit_note, reason="and more"
        )


def test_one_asked_for_by_many_at_once_is_one_file(committed_db: Database) -> None:
    paid(make_user("clerk", groups=("finance",)), make_user("alice"))
    official = OfficialReceipt.objects.get()

    def ask(_worker: int) -> str:
        try:
            return official_file(official=official).sha256
        finally:
            connections.close_all()

    # Threads, not processes: what renders PDFs has threads of its own, which no fork takes along.
    with ThreadPoolExecutor(4) as workers:
        digests = list(workers.map(ask, range(4)))
    (stored,) = OfficialFile.objects.all()
    assert set(digests) == {stored.sha256}
