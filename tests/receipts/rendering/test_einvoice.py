"""E-invoices pass the official schema and rules of EN 16931, for every tax and any document."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from receipts.rendering.document import Document, Kind, Line, Party, Tax, TaxCategory, Text
from receipts.rendering.einvoice import NoEInvoice, einvoice
from tests.receipts.rendering.documents import BUYER, SELLER, credit_note, document, line
from tests.receipts.rendering.schematron import problems

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
TAXES = {
    "standard": Tax(rate=Decimal(7)),
    "inclusive": Tax(rate=Decimal(7), inclusive=True),
    "no tax": Tax(),
    "zero": Tax(TaxCategory.ZERO, reason="Export of services"),
    "exempt": Tax(TaxCategory.EXEMPT, reason="Education", certificate="X-1"),
    "exempt, no reason given": Tax(TaxCategory.EXEMPT),
    "reverse charge": Tax(TaxCategory.REVERSE_CHARGE),
}


def values(xml: bytes, name: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(xml).iter(f"{RAM}{name}")]


@pytest.mark.parametrize("tax", TAXES.values(), ids=TAXES)
@pytest.mark.parametrize("make", [document, credit_note])
def test_the_official_rules_have_nothing_against_it(
    make: Callable[..., Document], tax: Tax
) -> None:
    assert problems(einvoice(make(tax=tax))) == []


def test_the_rules_do_notice_what_is_wrong() -> None:
    xml = einvoice(document())
    assert any("BR-CO-15" in each for each in problems(xml.replace(b"6527.00", b"6527.01")))
    assert any("BR-S-08" in each for each in problems(xml.replace(b">S<", b">Z<", 1)))
    assert problems(xml.replace(b"<ram:TypeCode>380</ram:TypeCode>", b""))


def test_a_credit_note_is_positive_and_names_what_it_corrects() -> None:
    xml = einvoice(credit_note())
    assert values(xml, "TypeCode")[0] == "381"
    assert values(xml, "GrandTotalAmount") == ["6527.00"]
    assert values(xml, "LineTotalAmount") == ["1280.40", "4500.00", "333.33", "-13.73", "6100.00"]
    assert "RC-2026-000123" in values(xml, "IssuerAssignedID")


def test_prices_and_lines_are_without_the_tax_that_ours_include() -> None:
    lines = (line(1, "107", unit_price=Decimal("1.07")), line(2, "0.05"), line(3, "0.05"))
    it = document(lines=lines, tax=TAXES["inclusive"])
    xml = einvoice(it)
    *nets, whole = (Decimal(each) for each in values(xml, "LineTotalAmount"))
    assert nets == [Decimal("100.00"), Decimal("0.05"), Decimal("0.04")]
    assert whole == sum(nets) == it.net
    assert values(xml, "ChargeAmount")[0] == "1"


def test_without_tax_no_vat_id_is_given() -> None:
    xml = einvoice(document(tax=Tax()))
    assert b'schemeID="VA"' not in xml
    assert b'<ram:ID schemeID="FC">0994000160976</ram:ID>' in xml
    assert b'<ram:ID schemeID="VA">TH0994000160976</ram:ID>' in einvoice(document())


REFUSED = {
    "no invoice": {"kind": Kind.RECEIPT},
    "two decimals": {"currency": "BHD", "decimals": 3},
    "has lines": {"lines": ()},
    "name of a buyer": {"buyer": Party("")},
    "has a tax id": {"seller": replace(SELLER, tax_id="")},
    "tax id of the buyer": {
        "buyer": replace(BUYER, tax_id=""), "tax": Tax(TaxCategory.REVERSE_CHARGE),
    },
}  # fmt: skip


@pytest.mark.parametrize(("reason", "changed"), REFUSED.items(), ids=REFUSED)
def test_what_the_standard_has_no_words_for_is_refused(
    reason: str, changed: dict[str, object]
) -> None:
    with pytest.raises(NoEInvoice, match=reason):
        einvoice(document(**changed))


WORDS = st.text(st.characters(codec="utf-8"), min_size=1).filter(
    lambda text: any(each.isprintable() and not each.isspace() for each in text)
)
AMOUNTS = st.decimals(Decimal("-99999.99"), Decimal("9999999.99"), places=2)


@st.composite
def any_line(draw: st.DrawFn, position: int) -> Line:
    resource = draw(st.sampled_from(["cpu", "gpu:a100", "mem", "energy", "sku:x", "minimum"]))
    counted = resource != "minimum"
    quantity = st.decimals(0, 10**7, places=6) if counted else st.none()
    price = st.none() | st.decimals(0, 10**4, places=6) if counted else st.none()
    return line(
        position,
        str(draw(AMOUNTS)),
        resource=resource,
        text=Text(draw(WORDS), draw(WORDS)),
        quantity=draw(quantity),
        unit_price=draw(price),
    )


@st.composite
def any_document(draw: st.DrawFn) -> Document:
    count = draw(st.integers(1, 12))
    lines = tuple(draw(any_line(position)) for position in range(1, count + 1))
    tax = draw(st.sampled_from([*TAXES.values()]))
    if tax.rate:
        tax = replace(tax, rate=draw(st.decimals("0.5", "40", places=3)))
    make: Callable[..., Document] = draw(st.sampled_from([document, credit_note]))
    parties = {
        "seller": replace(SELLER, name=draw(WORDS), branch=draw(st.sampled_from(["", "00003"]))),
        "buyer": replace(BUYER, name=draw(WORDS), contact=draw(st.just("") | WORDS)),
    }
    return make(lines=lines, tax=tax, currency=draw(st.sampled_from(["THB", "EUR"])), **parties)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(any_document())
def test_any_document_passes_the_official_rules(it: Document) -> None:
    xml = einvoice(it)
    assert problems(xml) == []
    *nets, whole = (Decimal(each) for each in values(xml, "LineTotalAmount"))
    assert sum(nets) == whole == (-it.net if it.is_credit else it.net)
