"""Issued documents as files: what they say, who gets them, and that they stay as they were."""

import hashlib
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Project, User
from core.errors import Conflict
from receipts.models import BillingProfile, DocumentFile, DocumentLanguage, Receipt, TaxProfile
from receipts.rendering.assemble import document_of
from receipts.rendering.document import Kind, Language, TaxCategory, Text
from receipts.rendering.pdf import pdf_of
from receipts.services import create_receipt, draft_receipt, void_receipt
from receipts.services.files import pdf_file, xml_file
from receipts.tasks import render_document
from tests import scenes
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
from tests.receipts.rendering.schematron import problems

SITE = {
    "SITE_NAME": "ศูนย์คอมพิวเตอร์",
    "SITE_TAX_ID": "0994000160976",
    "SITE_BRANCH": "00000",
    "SITE_TAX_RATE": Decimal(7),
    "SITE_PROMPTPAY_ID": "0994000160976",
    "SITE_BANK_DETAILS": "Bank 123-4",
    "DOCUMENT_AT_ISSUE": "tax_invoice",
}


@override_settings(**SITE)
def build() -> tuple[User, Project]:
    """A project with three jobs in October and a profile in Thai, and who leads it."""
    alice = make_user("alice")
    project = make_project("genomics", pi=alice)
    project.billing_name, project.tax_id = "บริษัท ทดลอง จำกัด", "0105536000313"
    project.save()
    BillingProfile.objects.create(project=project, branch="00001", document_language="th")
    import_rows(
        make_cluster(),
        *(Row(n, end=OCTOBER.start + timedelta(days=n), seconds=n * 1000 + 1) for n in (1, 2, 3)),
    )
    return alice, project


used = scenes.standing(build)


@pytest.fixture
def site(settings: Settings) -> None:
    for name, value in SITE.items():
        setattr(settings, name, value)


@pytest.fixture
def alice(used: tuple[User, Project]) -> User:
    return used[0]


@pytest.fixture
def genomics(used: tuple[User, Project], site: None) -> Project:
    return used[1]


@pytest.fixture
def receipt(genomics: Project) -> Receipt:
    return create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)


def test_the_document_says_what_was_issued(receipt: Receipt) -> None:
    it = document_of(receipt)
    assert (it.kind, it.number, it.due_on) == (Kind.TAX_INVOICE, receipt.number, receipt.due_on)
    assert (it.seller.tax_id, it.seller.branch) == ("0994000160976", "00000")
    assert (it.buyer.name, it.buyer.branch) == ("บริษัท ทดลอง จำกัด", "00001")
    assert [line.text for line in it.lines] == [
        Text("CPU", "CPU"), Text("Memory", "หน่วยความจำ"),
    ]  # fmt: skip
    cpu = it.lines[0]
    assert cpu.unit == Text("CPU-core-hour", "ชั่วโมงแกน CPU")
    assert cpu.quantity == Decimal("6.670000")
    assert (it.net, it.tax_amount, it.total) == (
        receipt.net_amount, receipt.tax_amount, receipt.total,
    )  # fmt: skip
    assert {(job.job, job.user) for job in it.jobs} == {(str(n), "alice") for n in (1, 2, 3)}
    assert len(it.jobs) == 6
    assert it.sha256 == receipt.sha256
    assert it.price_lists


def test_the_pdf_has_the_receipt_whose_hash_is_printed(receipt: Receipt) -> None:
    made = pdf_file(receipt=receipt)
    assert made.language == DocumentLanguage.THAI
    content = bytes(made.content)
    files = attached(content)
    assert hashlib.sha256(files["receipt.json"].content).hexdigest() == receipt.sha256
    assert json.loads(files["receipt.json"].content)["number"] == receipt.number
    page = pages(content)[0]
    assert receipt.sha256 in page
    assert f"เลขที่ {receipt.number}" in page
    assert problems(files["factur-x.xml"].content) == []
    assert codes(content) == {
        f"http://localhost:8000/verify/{receipt.verify_token}",
        document_of(receipt).payment.promptpay,
    }


def test_what_was_rendered_first_stays(receipt: Receipt, settings: Settings) -> None:
    render_document(receipt.pk)
    (stored,) = DocumentFile.objects.all()
    settings.SITE_BASE_URL = "https://moved.example"  # would print another address
    again = pdf_file(receipt=receipt)
    assert (again.pk, bytes(again.content)) == (stored.pk, bytes(stored.content))
    assert bytes(pdf_file(receipt=receipt, copy=True).content) != bytes(stored.content)
    assert DocumentFile.objects.count() == 2
    connection.check_constraints()


def test_rendering_again_gives_the_stored_bytes(receipt: Receipt) -> None:
    stored = bytes(pdf_file(receipt=receipt).content)
    read_again = document_of(Receipt.objects.get(pk=receipt.pk))
    assert read_again == document_of(receipt)
    assert pdf_of(read_again, Language.THAI) == stored


def test_a_void_receipt_has_a_credit_note_that_names_it(receipt: Receipt) -> None:
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="counted twice")
    note = Receipt.objects.get(kind=Receipt.Kind.CREDIT_NOTE)
    it = document_of(note)
    assert it.corrects is not None
    assert (it.corrects.number, it.corrects.reason) == (receipt.number, "counted twice")
    assert (it.corrects.original_net, it.corrects.net_before) == (receipt.net_amount,) * 2
    assert problems(bytes(xml_file(receipt=note).content)) == []
    page = pages(bytes(pdf_file(receipt=note, language=DocumentLanguage.ENGLISH).content))[0]
    assert f"Total credited {receipt.total:,.2f} THB" in page
    assert "Correct value 0.00" in page


@pytest.mark.parametrize(
    ("category", "code"),
    [(TaxCategory.EXEMPT, "E"), (TaxCategory.ZERO, "Z"), (TaxCategory.REVERSE_CHARGE, "AE")],
)
def test_profiles_of_tax_are_on_paper_and_in_the_e_invoice(
    genomics: Project, category: TaxCategory, code: str
) -> None:
    profile = TaxProfile.objects.create(code="p", name="P", category=category, reason="Section 81")
    BillingProfile.objects.filter(project=genomics).update(
        tax_profile=profile, exemption_certificate="X-9"
    )
    made = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    xml = bytes(xml_file(receipt=made).content)
    assert f"<ram:CategoryCode>{code}</ram:CategoryCode>".encode() in xml
    assert problems(xml) == []
    page = pages(bytes(pdf_file(receipt=made).content))[0]
    assert "Section 81" in page
    assert "X-9" in page


def test_there_is_no_document_before_issue(genomics: Project) -> None:
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    with pytest.raises(Conflict, match="before it is issued"):
        pdf_file(receipt=draft)
    assert not DocumentFile.objects.exists()


def test_nothing_is_printed_of_what_was_changed(receipt: Receipt) -> None:
    receipt.parties["buyer"]["name"] = "Someone else"
    with pytest.raises(Conflict, match="not what was issued"):
        document_of(receipt)


def address(receipt: Receipt, form: str, **query: str) -> str:
    return reverse("receipts:file", args=[receipt.public_id, form], query=query)


def test_the_pi_downloads_every_form(receipt: Receipt, alice: User, client: Client) -> None:
    client.force_login(alice)
    page = client.get(reverse("receipts:detail", args=[receipt.public_id]))
    assert address(receipt, "pdf") in page.text
    answer = client.get(address(receipt, "pdf", language="both", copy="1"))
    assert answer["Content-Type"] == "application/pdf"
    assert f'filename="{receipt.number}-both-copy.pdf"' in answer["Content-Disposition"]
    assert "สำเนา / Copy" in pages(answer.content)[0]
    assert client.get(address(receipt, "xml")).content.startswith(b"<?xml")
    data = client.get(address(receipt, "json")).content
    assert hashlib.sha256(data).hexdigest() == receipt.sha256
    assert client.get(address(receipt, "exe")).status_code == 404
    wrong = client.get(address(receipt, "pdf", language="fr"), follow=True)
    assert "Documents are in en, th or both." in wrong.text


def test_a_stranger_gets_none(receipt: Receipt, client: Client) -> None:
    client.force_login(make_user("charlie"))
    assert client.get(address(receipt, "pdf")).status_code == 404
    client.logout()
    assert client.get(address(receipt, "pdf")).status_code == 302


def test_the_console_gives_files_to_who_may_see_receipts(receipt: Receipt, client: Client) -> None:
    url = reverse("admin:receipts_receipt_file", args=[receipt.pk, "pdf"])
    client.force_login(make_user("clerk", groups=("finance",)))
    change = client.get(reverse("admin:receipts_receipt_change", args=[receipt.pk]))
    assert url in change.text
    assert client.get(url).content.startswith(b"%PDF-")
    client.force_login(make_user("operator", groups=("nobody",)))
    assert client.get(url).status_code == 403
    client.logout()
    assert client.get(url).status_code == 302
