"""Documents to print: one that has everything, and what makes others of it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from core.canonical import canonical_json
from core.money import round_half_up
from receipts.rendering.document import (
    Correction,
    Document,
    JobRow,
    Kind,
    Line,
    Party,
    Payment,
    Tax,
    TaxCategory,
    Text,
)

SELLER = Party(
    name="ศูนย์คอมพิวเตอร์สมรรถนะสูง มหาวิทยาลัยตัวอย่าง",
    address="999 ถนนพุทธมณฑลสาย 4\nตำบลศาลายา อำเภอพุทธมณฑล\nจังหวัดนครปฐม 73170",
    tax_id="0994000160976",
    branch="00000",
    email="billing@hpc.example",
    phone="02 123 4567",
)
BUYER = Party(
    name="บริษัท ทดลองน้ำใจ จำกัด",
    address="1 ถนนสุขุมวิท แขวงคลองเตย\nเขตคลองเตย กรุงเทพมหานคร 10110",
    tax_id="0105536000313",
    branch="00001",
    contact="คุณอลิสา ผู้ซื้อ",
    project="genomics",
    department="ฝ่ายวิจัย",
    po_number="PO-2569/017",
    cost_centre="CC-4711",
)
BAHT = Payment(
    bank_details="ธนาคารกรุงไทย สาขาศาลายา\nเลขที่บัญชี 123-4-56789-0",
    promptpay_id="0994000160976",
)


def line(position: int, amount: str, **values: Any) -> Line:
    """Return a line of CPU hours, or of what the values say."""
    said: dict[str, Any] = {
        "project": "genomics",
        "resource": "cpu",
        "text": Text("CPU", "ซีพียู"),
        "quantity": Decimal("1600.5"),
        "unit": Text("CPU-core-hour", "ชั่วโมงแกน CPU"),
        "unit_price": Decimal("0.8"),
        "jobs": 12,
    }
    return Line(position=position, amount=Decimal(amount), **said | values)


LINES = (
    line(1, "1280.40"),
    line(
        2,
        "4500.00",
        resource="gpu:a100",
        text=Text("GPU a100", "GPU a100"),
        quantity=Decimal(90),
        unit=Text("GPU-hour", "ชั่วโมง GPU"),
        unit_price=Decimal(50),
        jobs=3,
    ),
    line(3, "333.33", resource="mem", text=Text("Memory", "หน่วยความจำ"), unit_price=None),
    line(
        4,
        "-13.73",
        resource="credit",
        text=Text("Outage of 3 November", "ระบบขัดข้องเมื่อวันที่ 3 พฤศจิกายน"),
        quantity=None,
        unit=None,
        unit_price=None,
        jobs=0,
    ),
)
JOBS = tuple(
    JobRow(
        line=1 + n % 2,
        cluster="erawan",
        job=str(41_000 + n),
        user="alice",
        ended="2026-11-03 12:34",
        resource=LINES[n % 2].text,
        quantity=Decimal("133.375"),
        amount=Decimal("106.7"),
    )
    for n in range(15)
)


def totals(lines: tuple[Line, ...], tax: Tax, decimals: int) -> dict[str, Decimal]:
    """Return net, tax and total by the rules of the house."""
    whole = sum((each.amount for each in lines), Decimal(0))
    if tax.category is not TaxCategory.STANDARD:
        return {"net": whole, "tax_amount": Decimal(0), "total": whole}
    if tax.inclusive:
        inside = round_half_up(whole * tax.rate / (100 + tax.rate), decimals)
        return {"net": whole - inside, "tax_amount": inside, "total": whole}
    outside = round_half_up(whole * tax.rate / 100, decimals)
    return {"net": whole, "tax_amount": outside, "total": whole + outside}


def document(**values: Any) -> Document:
    """Return a tax invoice of 7 %, or what the values make of it; sums follow from the lines."""
    lines = values.setdefault("lines", LINES)
    tax = values.setdefault("tax", Tax(rate=Decimal(7)))
    said: dict[str, Any] = {
        "kind": Kind.TAX_INVOICE,
        "number": "RC-2026-000123",
        "issued_on": date(2026, 12, 1),
        "due_on": date(2026, 12, 31),
        "first_day": date(2026, 11, 1),
        "last_day": date(2026, 11, 30),
        "seller": SELLER,
        "buyer": BUYER,
        "currency": "THB",
        "decimals": 2,
        "price_lists": ("mu 2026-10-01",),
        "payment": BAHT,
        "jobs": JOBS,
        "content": canonical_json({"number": "RC-2026-000123", "note": "น้ำ"}),
        "verify_url": "https://billing.example/verify/Zm9vYmFyYmF6cXV4MTIzNA",
    }
    said |= totals(lines, tax, values.get("decimals", 2)) | values
    return Document(**said)


def credit_note(**values: Any) -> Document:
    """Return a credit note of the whole document that the values describe."""
    whole = document(**values)
    lines = tuple(
        replace(
            each, amount=-each.amount, quantity=None if each.quantity is None else -each.quantity
        )
        for each in whole.lines
    )
    return replace(
        whole,
        kind=Kind.CREDIT_NOTE,
        number="CN-2026-000007",
        due_on=None,
        lines=lines,
        net=-whole.net,
        tax_amount=-whole.tax_amount,
        total=-whole.total,
        corrects=Correction(
            whole.number, whole.issued_on, "Jobs were counted twice", whole.net, whole.net
        ),
    )
