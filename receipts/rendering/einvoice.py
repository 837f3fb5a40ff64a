"""The e-invoice of a document: Factur-X in its EN 16931 profile, UN/CEFACT CII syntax (pure).

The rules are those of EN 16931-1 with its Schematron. What differs from our books, and how:

- a credit note (type 381) has positive amounts and names the document that it corrects;
- prices and lines are without tax. Where ours include it, each line's net is its amount ÷
  (1 + rate), and what rounding leaves goes to the lines with the largest remainders, so that lines
  add up to our net exactly;
- a line is the rounded sum of its charges, which quantity × price need not give to the cent. A line
  that has a price of one unit says it; any other says its amount as the price of its quantity;
- prices are never negative, so a line that takes away has a negative quantity;
- an amount at a standard rate of 0 % is outside the scope of tax (category O), because "standard
  rated" needs a rate.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from core.money import round_half_up
from receipts.rendering.document import HEAD_OFFICE, Document, Kind, Line, Party, Tax, TaxCategory
from receipts.rendering.labels import SENTENCES, UNTAXED

PROFILE = "urn:cen.eu:en16931:2017"
FILE_NAME = "factur-x.xml"

_RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
_RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
_UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
_QDT = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"
_NAMESPACES = {"rsm": _RSM, "ram": _RAM, "udt": _UDT, "qdt": _QDT}

_TYPES: Mapping[Kind, str] = {
    Kind.INVOICE: "380",
    Kind.TAX_INVOICE: "380",
    Kind.RECEIPT_TAX_INVOICE: "380",
    Kind.CREDIT_NOTE: "381",
}
_CATEGORIES: Mapping[TaxCategory, str] = {
    TaxCategory.STANDARD: "S",
    TaxCategory.ZERO: "Z",
    TaxCategory.EXEMPT: "E",
    TaxCategory.REVERSE_CHARGE: "AE",
}
_OUTSIDE = "O"
_UNITS: Mapping[str, str] = {
    "cpu": "HUR", "gpu": "HUR", "node": "HUR", "billing": "HUR", "license": "HUR", "unit": "HUR",
    "energy": "KWH", "sku": "H87",
}  # fmt: skip
"""UN/ECE recommendation 20, by family of resources; what is not there is counted as ``C62``."""
_ONE = "C62"
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for."""
_MOST_DECIMALS = 2  # BR-DEC: amounts have at most two
_FINE = 6


class NoEInvoice(ValueError):
    """The document can't be said in EN 16931; the message says why, in English."""


def einvoice(document: Document) -> bytes:
    """Return the document as CII XML in UTF-8: the same bytes for the same document.

    Raises NoEInvoice for what the standard has no words for.
    """
    _refuse(document)
    root = ET.Element(_tag("rsm:CrossIndustryInvoice"))
    context = _add(root, "rsm:ExchangedDocumentContext")
    _add(_add(context, "ram:GuidelineSpecifiedDocumentContextParameter"), "ram:ID", PROFILE)
    _header(root, document)
    transaction = _add(root, "rsm:SupplyChainTradeTransaction")
    for line, net in zip(document.lines, _nets(document), strict=True):
        _line(transaction, document, line, net)
    _agreement(transaction, document)
    delivery = _add(transaction, "ram:ApplicableHeaderTradeDelivery")
    event = _add(delivery, "ram:ActualDeliverySupplyChainEvent")
    _day(_add(event, "ram:OccurrenceDateTime"), "udt", document.last_day)
    _settlement(transaction, document)
    ET.indent(root, " ")
    for prefix, address in _NAMESPACES.items():
        ET.register_namespace(prefix, address)
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml


def _refuse(document: Document) -> None:
    if document.kind not in _TYPES:
        raise NoEInvoice("A receipt for a payment is no invoice.")
    if document.decimals > _MOST_DECIMALS:
        raise NoEInvoice(f"Amounts in {document.currency} have more than two decimals.")
    if not document.lines or not document.buyer.name:
        raise NoEInvoice("An invoice has lines and the name of a buyer.")
    category = _category(document.tax)
    if category != _OUTSIDE and not document.seller.tax_id:
        raise NoEInvoice("Who charges tax, or is exempt from it, has a tax id.")
    if category == "AE" and not document.buyer.tax_id:
        raise NoEInvoice("A reverse charge needs the tax id of the buyer.")


def _category(tax: Tax) -> str:
    if tax.category is TaxCategory.STANDARD and not tax.rate:
        return _OUTSIDE
    return _CATEGORIES[tax.category]


def _sign(document: Document) -> int:
    return -1 if document.is_credit else 1


def _nets(document: Document) -> Sequence[Decimal]:
    """Return what each line comes to without tax; they add up to the document's net."""
    amounts = [line.amount for line in document.lines]
    if not document.tax.inclusive:
        return amounts
    least = Decimal(1).scaleb(-document.decimals)
    exact = [amount * 100 / (100 + document.tax.rate) for amount in amounts]
    nets = [value.quantize(least, rounding=ROUND_FLOOR) for value in exact]
    left = int((document.net - sum(nets)) / least)
    largest = sorted(range(len(nets)), key=lambda n: (nets[n] - exact[n], n))
    for place in range(left):
        nets[largest[place % len(nets)]] += least
    return nets


# The parts of the document, in the order of the schema.


def _header(root: ET.Element, document: Document) -> None:
    head = _add(root, "rsm:ExchangedDocument")
    _add(head, "ram:ID", document.number)
    _add(head, "ram:TypeCode", _TYPES[document.kind])
    _day(_add(head, "ram:IssueDateTime"), "udt", document.issued_on)
    for note in _notes(document):
        _add(_add(head, "ram:IncludedNote"), "ram:Content", note)


def _notes(document: Document) -> Iterator[str]:
    if document.corrects and document.corrects.reason:
        yield document.corrects.reason
    yield SENTENCES["rounding"].en
    if document.tax.certificate:
        yield SENTENCES["certificate"].en.format(certificate=document.tax.certificate)
    for party in (document.seller, document.buyer):
        if party.branch:
            branch = "Head office" if party.branch == HEAD_OFFICE else f"Branch {party.branch}"
            yield f"{party.name}: {branch}"
    yield f"SHA-256 {document.sha256}"
    yield document.verify_url


def _line(parent: ET.Element, document: Document, line: Line, net: Decimal) -> None:
    amount = net * _sign(document)
    item = _add(parent, "ram:IncludedSupplyChainTradeLineItem")
    _add(_add(item, "ram:AssociatedDocumentLineDocument"), "ram:LineID", str(line.position))
    product = _add(item, "ram:SpecifiedTradeProduct")
    _add(product, "ram:SellerAssignedID", line.resource)
    _add(product, "ram:Name", line.text.en)
    _add(product, "ram:Description", _described(line))
    price, basis, quantity = _priced(document, line, amount)
    unit = _unit_of(line)
    agreed = _add(item, "ram:SpecifiedLineTradeAgreement")
    net_price = _add(agreed, "ram:NetPriceProductTradePrice")
    _add(net_price, "ram:ChargeAmount", _plain(price))
    _add(net_price, "ram:BasisQuantity", _plain(basis), unitCode=unit)
    delivered = _add(item, "ram:SpecifiedLineTradeDelivery")
    _add(delivered, "ram:BilledQuantity", _plain(quantity), unitCode=unit)
    settled = _add(item, "ram:SpecifiedLineTradeSettlement")
    tax = _add(settled, "ram:ApplicableTradeTax")
    _add(tax, "ram:TypeCode", "VAT")
    _category_of(tax, document.tax)
    summed = _add(settled, "ram:SpecifiedTradeSettlementLineMonetarySummation")
    _add(summed, "ram:LineTotalAmount", _money(document, amount))


def _described(line: Line) -> str:
    return f"{line.project}: {line.text.th}" if line.project else line.text.th


def _unit_of(line: Line) -> str:
    if line.quantity is None:
        return _ONE
    return _UNITS.get(line.resource.partition(":")[0], _ONE)


def _priced(document: Document, line: Line, amount: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Return the net price, how many units it is for, and the quantity, negative where the line
    takes away."""
    turned = -1 if amount < 0 else 1
    quantity = round_half_up(abs(line.quantity or Decimal(0)), _FINE)
    if not quantity:
        return abs(amount), Decimal(1), Decimal(turned)
    if line.unit_price is None or line.unit_price < 0:
        return abs(amount), quantity, turned * quantity
    price = line.unit_price
    if document.tax.inclusive:
        price = price * 100 / (100 + document.tax.rate)
    return round_half_up(price, _FINE), Decimal(1), turned * quantity


def _agreement(parent: ET.Element, document: Document) -> None:
    agreement = _add(parent, "ram:ApplicableHeaderTradeAgreement")
    buyer = document.buyer
    _maybe(agreement, "ram:BuyerReference", buyer.cost_centre or buyer.project)
    untaxed = _category(document.tax) == _OUTSIDE
    seller = _add(agreement, "ram:SellerTradeParty")
    if untaxed:  # BR-CO-26: the seller is known by something, and BR-O-02: not by a VAT id
        host = urlsplit(document.verify_url).hostname
        _add(seller, "ram:ID", document.seller.tax_id or host or document.seller.name)
    _party(seller, document.seller, legal=False)
    _registered(seller, document.seller, scheme="FC" if untaxed else "VA")
    customer = _add(agreement, "ram:BuyerTradeParty")
    _maybe(customer, "ram:ID", buyer.project)
    _party(customer, buyer, legal=untaxed)
    if not untaxed:
        _registered(customer, buyer, scheme="VA")
    if buyer.po_number:
        order = _add(agreement, "ram:BuyerOrderReferencedDocument")
        _add(order, "ram:IssuerAssignedID", buyer.po_number)
    if buyer.project:
        project = _add(agreement, "ram:SpecifiedProcuringProject")
        _add(project, "ram:ID", buyer.project)
        _add(project, "ram:Name", "Project reference")


def _party(element: ET.Element, party: Party, *, legal: bool) -> None:
    _add(element, "ram:Name", party.name)
    if legal and party.tax_id:  # without tax, a tax id is a number of the organisation
        _add(_add(element, "ram:SpecifiedLegalOrganization"), "ram:ID", party.tax_id)
    if party.contact or party.phone or party.email:
        _contact(element, party)
    address = _add(element, "ram:PostalTradeAddress")
    lines = [line.strip() for line in party.address.splitlines() if line.strip()]
    places = ("ram:LineOne", "ram:LineTwo", "ram:LineThree")
    for tag, line in zip(places, [*lines[:2], ", ".join(lines[2:])], strict=False):
        _maybe(address, tag, line)
    _add(address, "ram:CountryID", party.country)


def _contact(element: ET.Element, party: Party) -> None:
    contact = _add(element, "ram:DefinedTradeContact")
    _add(contact, "ram:PersonName", party.contact or party.name)
    if party.phone:
        phone = _add(contact, "ram:TelephoneUniversalCommunication")
        _add(phone, "ram:CompleteNumber", party.phone)
    if party.email:
        _add(_add(contact, "ram:EmailURIUniversalCommunication"), "ram:URIID", party.email)


def _registered(element: ET.Element, party: Party, *, scheme: str) -> None:
    """Add a tax id; one for VAT begins with the country (BR-CO-09)."""
    if not party.tax_id:
        return
    bare = scheme == "FC" or party.tax_id.startswith(party.country)
    registration = _add(element, "ram:SpecifiedTaxRegistration")
    _add(
        registration,
        "ram:ID",
        party.tax_id if bare else f"{party.country}{party.tax_id}",
        schemeID=scheme,
    )


def _settlement(parent: ET.Element, document: Document) -> None:
    settlement = _add(parent, "ram:ApplicableHeaderTradeSettlement")
    _add(settlement, "ram:PaymentReference", document.number)
    _add(settlement, "ram:InvoiceCurrencyCode", document.currency)
    if document.payment.bank_details and not document.is_credit:
        means = _add(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
        _add(means, "ram:TypeCode", "1")  # not defined: the details are text
        _add(means, "ram:Information", " ".join(document.payment.bank_details.split()))
    _breakdown(settlement, document)
    period = _add(settlement, "ram:BillingSpecifiedPeriod")
    _day(_add(period, "ram:StartDateTime"), "udt", document.first_day)
    _day(_add(period, "ram:EndDateTime"), "udt", document.last_day)
    terms = _add(settlement, "ram:SpecifiedTradePaymentTerms")
    if document.due_on and not document.is_credit:
        _day(_add(terms, "ram:DueDateDateTime"), "udt", document.due_on)
    else:
        _add(terms, "ram:Description", "Nothing is to be paid for this document by itself.")
    _sums(settlement, document)
    if document.corrects:
        before = _add(settlement, "ram:InvoiceReferencedDocument")
        _add(before, "ram:IssuerAssignedID", document.corrects.number)
        _day(_add(before, "ram:FormattedIssueDateTime"), "qdt", document.corrects.issued_on)
    if document.buyer.cost_centre:
        account = _add(settlement, "ram:ReceivableSpecifiedTradeAccountingAccount")
        _add(account, "ram:ID", document.buyer.cost_centre)


def _breakdown(settlement: ET.Element, document: Document) -> None:
    sign = _sign(document)
    tax = _add(settlement, "ram:ApplicableTradeTax")
    _add(tax, "ram:CalculatedAmount", _money(document, sign * document.tax_amount))
    _add(tax, "ram:TypeCode", "VAT")
    _maybe(tax, "ram:ExemptionReason", _exemption(document.tax))
    _add(tax, "ram:BasisAmount", _money(document, sign * document.net))
    _category_of(tax, document.tax)


def _exemption(tax: Tax) -> str:
    """Return why there is no tax; nothing where a rate applies, be it zero (BR-Z-10)."""
    category = _category(tax)
    if category in {"S", "Z"}:
        return ""
    said = {"O": UNTAXED.en, "AE": SENTENCES["reverse_charge"].en, "E": "Exempt from tax"}
    return tax.reason or said[category]


def _category_of(element: ET.Element, tax: Tax) -> None:
    category = _category(tax)
    _add(element, "ram:CategoryCode", category)
    if category != _OUTSIDE:  # BR-O-05: no rate there
        rate = tax.rate if category == "S" else Decimal(0)
        _add(element, "ram:RateApplicablePercent", _plain(rate))


def _sums(settlement: ET.Element, document: Document) -> None:
    sign = _sign(document)
    net, tax, total = (
        _money(document, sign * amount)
        for amount in (document.net, document.tax_amount, document.total)
    )
    sums = _add(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    _add(sums, "ram:LineTotalAmount", net)
    _add(sums, "ram:TaxBasisTotalAmount", net)
    _add(sums, "ram:TaxTotalAmount", tax, currencyID=document.currency)
    _add(sums, "ram:GrandTotalAmount", total)
    _add(sums, "ram:DuePayableAmount", total)


# Writing elements.


def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"


def _add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, _tag(name), attributes)
    if text:
        element.text = _FORBIDDEN.sub("", text)
    return element


def _maybe(parent: ET.Element, name: str, text: str) -> None:
    if text:
        _add(parent, name, text)


def _day(parent: ET.Element, prefix: str, day: date) -> None:
    _add(parent, f"{prefix}:DateTimeString", day.strftime("%Y%m%d"), format="102")


def _money(document: Document, amount: Decimal) -> str:
    return format(round_half_up(amount, document.decimals) or Decimal(0), "f")


def _plain(value: Decimal) -> str:
    """Write a number without an exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
