"""The document as a PDF: what is printed, what is inside, and that others read it so."""

import hashlib
from dataclasses import replace
from decimal import Decimal

import pytest

from core.canonical import canonical_json
from receipts.rendering.document import (
    Document,
    Kind,
    Language,
    Party,
    Payment,
    Tax,
    TaxCategory,
    Text,
)
from receipts.rendering.einvoice import einvoice
from receipts.rendering.pdf import RENDERER, pdf_of
from receipts.rendering.promptpay import payload
from tests.receipts.rendering.documents import (
    BAHT,
    BUYER,
    JOBS,
    SELLER,
    credit_note,
    document,
    line,
)
from tests.receipts.rendering.reading import attached, catalogue, codes, metadata, pages, said
from tests.receipts.rendering.schematron import problems

PAID_BY_CODE = replace(BAHT, promptpay=payload(BAHT.promptpay_id, Decimal("6527.00")))


@pytest.mark.parametrize("language", Language)
def test_the_same_document_makes_the_same_bytes(language: Language) -> None:
    made = pdf_of(document(), language)
    assert made == pdf_of(document(), language)
    assert made != pdf_of(document(), language, copy=True)
    assert RENDERER.startswith("typst-")


def test_it_is_pdf_a_3_with_the_receipt_and_the_e_invoice_inside() -> None:
    it = document()
    made = pdf_of(it, Language.THAI)
    found = metadata(made)
    assert (said(found, "pdfaid", "part"), said(found, "pdfaid", "conformance")) == (["3"], ["A"])
    facturx = {name: said(found, "fx", name) for name in ("DocumentType", "ConformanceLevel")}
    assert facturx == {"DocumentType": ["INVOICE"], "ConformanceLevel": ["EN 16931"]}
    assert said(found, "fx", "DocumentFileName") == ["factur-x.xml"]
    assert "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#" in said(
        found, "pdfaSchema", "namespaceURI"
    )
    files = attached(made)
    assert set(files) == {"receipt.json", "factur-x.xml"}
    assert files["receipt.json"].relationship == "/Source"
    assert files["factur-x.xml"].relationship == "/Alternative"
    assert (files["factur-x.xml"].type, files["receipt.json"].type) == (
        "/text/xml", "/application/json",
    )  # fmt: skip
    assert files["factur-x.xml"].content == einvoice(it)
    digest = hashlib.sha256(files["receipt.json"].content).hexdigest()
    assert digest in pages(made)[0]


def test_it_is_tagged_and_says_its_language_and_fonts() -> None:
    made = pdf_of(document(), Language.THAI)
    root = catalogue(made)
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"]) == ("th", True)
    assert root["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    fonts = root["/Pages"]["/Kids"][0]["/Resources"]["/Font"].values()
    assert {font["/BaseFont"].partition("+")[2] for font in fonts} == {
        "Sarabun-Regular", "Sarabun-Bold",
    }  # fmt: skip


def test_a_thai_document_can_be_searched() -> None:
    page = pages(pdf_of(document(payment=PAID_BY_CODE), Language.THAI))[0]
    for text in (
        "ใบกำกับภาษี / ใบแจ้งหนี้", "ต้นฉบับ", "เลขประจำตัวผู้เสียภาษี 0994000160976 (สำนักงานใหญ่)",
        "เลขประจำตัวผู้เสียภาษี 0105536000313 (สาขาที่ 00001)", "บริษัท ทดลองน้ำใจ จำกัด", "PO-2569/017",
        "วันครบกำหนดชำระ 31 ธ.ค. 2026", "ช่วงเวลาการใช้งาน 1 – 30 พ.ย. 2026", "ภาษีมูลค่าเพิ่ม 7% 427.00",
        "จำนวนเงินรวมทั้งสิ้น 6,527.00 THB", "(หกพันห้าร้อยยี่สิบเจ็ดบาทถ้วน)", "เลขที่บัญชี 123-4-56789-0",
        "ผู้มีอำนาจลงนาม", "หน้า 1 จาก 2",
    ):  # fmt: skip
        assert text in page
    assert "Invoice" not in page


def test_an_english_document_has_no_thai_labels() -> None:
    it = document(seller=replace(SELLER, name="HPC"), buyer=Party("B"), payment=Payment())
    page = pages(pdf_of(it, Language.ENGLISH, copy=True))[0]
    for text in ("Tax invoice / Invoice", "Copy", "Due date 31 Dec 2026", "VAT 7% 427.00",
                 "(Six thousand five hundred twenty-seven baht)", "Page 1 of 2"):  # fmt: skip
        assert text in page
    assert "เลขที่" not in page


def test_a_document_of_both_languages_says_each_label_twice() -> None:
    page = pages(pdf_of(document(), Language.BOTH))[0]
    for text in ("ต้นฉบับ / Original", "เลขที่ No.", "วันที่ Date 2026-12-01",
                 "สำนักงานใหญ่ / Head office",
                 "(หกพันห้าร้อยยี่สิบเจ็ดบาทถ้วน)", "(Six thousand five hundred twenty-"):  # fmt: skip
        assert text in page


def test_both_codes_are_read_by_a_camera() -> None:
    it = document(payment=PAID_BY_CODE)
    assert codes(pdf_of(it, Language.BOTH)) == {it.verify_url, PAID_BY_CODE.promptpay}
    assert codes(pdf_of(document(), Language.ENGLISH)) == {it.verify_url}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_title(kind: Kind) -> None:
    titles = {
        Kind.INVOICE: "ใบแจ้งหนี้",
        Kind.TAX_INVOICE: "ใบกำกับภาษี / ใบแจ้งหนี้",
        Kind.RECEIPT_TAX_INVOICE: "ใบเสร็จรับเงิน / ใบกำกับภาษี",
        Kind.RECEIPT: "ใบเสร็จรับเงิน",
        Kind.CREDIT_NOTE: "ใบลดหนี้",
    }
    it = credit_note() if kind is Kind.CREDIT_NOTE else document(kind=kind)
    made = pdf_of(it, Language.THAI)
    assert titles[kind] in pages(made)[0]
    assert ("วิธีชำระเงิน" in pages(made)[0]) == (kind not in {Kind.CREDIT_NOTE, Kind.RECEIPT})
    assert ("factur-x.xml" in attached(made)) == (kind is not Kind.RECEIPT)


def test_a_credit_note_says_what_the_revenue_code_asks_for() -> None:
    page = pages(pdf_of(credit_note(), Language.ENGLISH))[0]
    for text in ("Credit note for RC-2026-000123 (1 Dec 2026)", "Reason Jobs were counted twice",
                 "Value on the original document 6,100.00", "Correct value 0.00",
                 "Difference 6,100.00", "Total credited 6,527.00 THB", "1,280.40"):  # fmt: skip
        assert text in page


TAXES: tuple[tuple[Tax, str], ...] = (
    (Tax(), "Total 6,100.00 THB"),
    (Tax(rate=Decimal(7), inclusive=True), "VAT 7% (included) 399.07"),
    (Tax(TaxCategory.ZERO, reason="Export of services"), "Export of services"),
    (Tax(TaxCategory.EXEMPT, reason="Education", certificate="X-1"), "Certificate: X-1"),
    (Tax(TaxCategory.REVERSE_CHARGE), "the customer accounts for the tax"),
)


@pytest.mark.parametrize(("tax", "text"), TAXES)
def test_the_tax_is_explained(tax: Tax, text: str) -> None:
    page = pages(pdf_of(document(tax=tax), Language.ENGLISH))[0]
    assert text in page
    assert ("VAT" in page) == bool(tax.rate) or tax.category is TaxCategory.ZERO


def test_what_people_wrote_stays_text() -> None:
    wrote = '#panic() *bold* <label> @ref $x$ \\ "quoted" // comment'
    it = document(buyer=replace(BUYER, name=wrote), lines=(line(1, "1", text=Text.same(wrote)),))
    assert pages(pdf_of(it, Language.ENGLISH))[0].count(wrote) == 2


@pytest.mark.parametrize(
    ("wrote", "printed"),
    [
        ("株式会社 東京 テスト 서울 Ltd", "□□□□ □□ □□□ □□ Ltd"),
        ("😀 Ελλάς Москва 🎉", "□ Ελλάς Москва □"),
        ("bell\x07 \x1bname\x00", "bell name"),
    ],
)
def test_what_no_font_has_is_a_box_on_paper_and_itself_in_the_data(
    wrote: str, printed: str
) -> None:
    content = canonical_json({"name": wrote})
    it = document(buyer=replace(BUYER, name=wrote), content=content)
    made = pdf_of(it, Language.ENGLISH)
    assert f"Billed to {printed} " in pages(made)[0]
    files = attached(made)
    assert files["receipt.json"].content == content.encode()
    assert problems(files["factur-x.xml"].content) == []


def long_document() -> Document:
    lines = tuple(line(n, "10", project=f"project-{n % 7}") for n in range(1, 121))
    lines = tuple(sorted(lines, key=lambda each: each.project))
    jobs = tuple(replace(JOBS[0], job=f"j{n}") for n in range(400))
    return document(lines=lines, jobs=jobs, more_jobs=1234)


def test_tables_go_on_over_pages_with_their_heads() -> None:
    it = long_document()
    made = pages(pdf_of(it, Language.ENGLISH))
    with_lines = [page for page in made if "Unit price" in page]
    with_jobs = [page for page in made if "Ended" in page]
    assert len(with_lines) >= 3
    assert len(with_jobs) >= 4
    assert sum(page.count("1,600.50 CPU-core-hour 0.80 10.00") for page in with_lines) == 120
    for project in range(7):
        assert any(f"Project project-{project} " in page for page in with_lines)
    assert all(any(f"erawan j{n} alice" in page for page in with_jobs) for n in range(400))
    assert "1,234 more are not printed" in made[-1]
    assert f"Page {len(made)} of {len(made)}" in made[-1]


def test_a_currency_that_the_standard_has_no_words_for_has_no_e_invoice() -> None:
    made = pdf_of(document(currency="BHD", decimals=3, payment=Payment()), Language.ENGLISH)
    assert set(attached(made)) == {"receipt.json"}
    assert "6,527.000 BHD" in pages(made)[0]
    assert said(metadata(made), "fx", "DocumentType") == []
