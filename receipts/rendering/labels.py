"""The words that stand on every document, Thai and English side by side (pure).

They are here and not in the catalogues of pages because a document may carry both languages at
once, because some of them are prescribed (the titles: sections 86/4, 86/10 and 105 of the Thai
Revenue Code), and because a word changed here changes the version of the renderer.
"""

from collections.abc import Mapping

from receipts.rendering.document import HEAD_OFFICE, Kind, Language, TaxCategory, Text

TITLES: Mapping[Kind, Text] = {
    Kind.INVOICE: Text("Invoice", "ใบแจ้งหนี้"),
    Kind.TAX_INVOICE: Text("Tax invoice / Invoice", "ใบกำกับภาษี / ใบแจ้งหนี้"),
    Kind.RECEIPT_TAX_INVOICE: Text("Receipt / Tax invoice", "ใบเสร็จรับเงิน / ใบกำกับภาษี"),
    Kind.RECEIPT: Text("Receipt", "ใบเสร็จรับเงิน"),
    Kind.CREDIT_NOTE: Text("Credit note", "ใบลดหนี้"),
}

ORIGINAL = Text("Original", "ต้นฉบับ")
COPY = Text("Copy", "สำเนา")
UNTAXED = Text("Not subject to tax", "ไม่อยู่ในบังคับภาษี")

LABELS: Mapping[str, Text] = {
    "seller": Text("Issued by", "ผู้ออกเอกสาร"),
    "buyer": Text("Billed to", "ลูกค้า"),
    "credited": Text("Credited to", "ลูกค้า"),
    "received_from": Text("Received from", "ได้รับเงินจาก"),
    "tax_id": Text("Tax ID", "เลขประจำตัวผู้เสียภาษี"),
    "contact": Text("Contact", "ผู้ติดต่อ"),
    "project": Text("Project", "โครงการ"),
    "department": Text("Department", "หน่วยงาน"),
    "po_number": Text("Purchase order", "เลขที่ใบสั่งซื้อ"),
    "cost_centre": Text("Cost centre", "ศูนย์ต้นทุน"),
    "number": Text("No.", "เลขที่"),
    "issued_on": Text("Date", "วันที่"),
    "due_on": Text("Due date", "วันครบกำหนดชำระ"),
    "paid_on": Text("Received on", "วันที่รับเงิน"),
    "period": Text("Usage period", "ช่วงเวลาการใช้งาน"),
    "currency": Text("Currency", "สกุลเงิน"),
    "price_lists": Text("Price lists", "ตารางอัตราค่าบริการ"),
    "position": Text("#", "ลำดับ"),
    "item": Text("Description", "รายการ"),
    "quantity": Text("Quantity", "จำนวน"),
    "unit": Text("Unit", "หน่วย"),
    "unit_price": Text("Unit price", "ราคาต่อหน่วย"),
    "amount": Text("Amount", "จำนวนเงิน"),
    "net": Text("Value before tax", "มูลค่าก่อนภาษี"),
    "total": Text("Total", "จำนวนเงินรวมทั้งสิ้น"),
    "total_credit": Text("Total credited", "จำนวนเงินที่ลดรวมทั้งสิ้น"),
    "words": Text("In words", "ตัวอักษร"),
    "corrects": Text("Credit note for", "อ้างถึงเอกสารเลขที่"),
    "reason": Text("Reason", "เหตุผล"),
    "original_value": Text("Value on the original document", "มูลค่าตามเอกสารเดิม"),
    "right_value": Text("Correct value", "มูลค่าที่ถูกต้อง"),
    "difference": Text("Difference", "ผลต่าง"),
    "pay": Text("How to pay", "วิธีชำระเงิน"),
    "reference": Text("Reference", "เลขที่อ้างอิง"),
    "promptpay": Text("PromptPay", "พร้อมเพย์"),
    "scan_to_pay": Text("Scan to pay", "สแกนเพื่อชำระเงิน"),
    "scan_to_verify": Text("Scan to verify", "สแกนเพื่อตรวจสอบเอกสาร"),
    "verify": Text("Verification", "ตรวจสอบความถูกต้อง"),
    "signed": Text("Authorised signature", "ผู้มีอำนาจลงนาม"),
    "signed_on": Text("Date", "วันที่"),
    "annex": Text("Annex: the jobs behind the lines", "ภาคผนวก: งานในแต่ละรายการ"),
    "job": Text("Job", "งาน"),
    "user": Text("User", "ผู้ใช้"),
    "ended": Text("Ended", "สิ้นสุดเมื่อ"),
    "resource": Text("Resource", "ทรัพยากร"),
    "line": Text("Line", "รายการที่"),
}

SENTENCES: Mapping[str, Text] = {
    "rounding": Text(
        "Each charge is quantity × unit price at six decimals; each line is the sum of its charges,"
        " rounded once, half up, to the currency's smallest unit; tax is computed once, on the sum"
        " of the lines.",
        "ค่าบริการแต่ละรายการย่อยคือจำนวน × ราคาต่อหน่วย คำนวณถึงทศนิยมหกตำแหน่ง แต่ละบรรทัดคือผลรวมของรายการย่อย"
        " ปัดเศษครั้งเดียวแบบครึ่งขึ้นให้ตรงหน่วยย่อยของสกุลเงิน และคำนวณภาษีครั้งเดียวจากยอดรวมของทุกบรรทัด",
    ),
    "inclusive": Text("Amounts of lines include tax.", "จำนวนเงินในแต่ละบรรทัดรวมภาษีแล้ว"),
    "reverse_charge": Text(
        "Reverse charge: the customer accounts for the tax.",
        "ลูกค้าเป็นผู้มีหน้าที่นำส่งภาษีมูลค่าเพิ่มแทนผู้ให้บริการ (reverse charge)",
    ),
    "certificate": Text("Certificate: {certificate}", "หนังสือรับรอง: {certificate}"),
    "verify": Text(
        "This address shows the number, date, amount and digest that were issued.",
        "ที่อยู่นี้แสดงเลขที่ วันที่ จำนวนเงิน และค่าแฮชตามที่ออกเอกสาร",
    ),
    "embedded": Text(
        "The digest is that of receipt.json, attached to the PDF.",
        "ค่าแฮชคำนวณจากไฟล์ receipt.json ที่แนบใน PDF",
    ),
    "more_jobs": Text(
        "{count} more are not printed; the CSV file of the document has them all.",
        "ยังมีอีก {count} รายการที่ไม่ได้พิมพ์ ดูทั้งหมดได้ในไฟล์ CSV ของเอกสาร",
    ),
    "jobs_one": Text("{count} job", "{count} งาน"),
    "jobs": Text("{count} jobs", "{count} งาน"),
}


def tax_label(category: TaxCategory, rate: str, *, included: bool) -> Text:
    """Return what stands before the amount of tax."""
    if category is TaxCategory.EXEMPT:
        return Text("Exempt from tax", "ได้รับยกเว้นภาษีมูลค่าเพิ่ม")
    if category is TaxCategory.REVERSE_CHARGE:
        return Text("Tax (reverse charge)", "ภาษีมูลค่าเพิ่ม (ลูกค้านำส่งแทน)")
    inside = Text(" (included)", " (รวมในราคาแล้ว)") if included else Text("", "")
    return Text(f"VAT {rate}%{inside.en}", f"ภาษีมูลค่าเพิ่ม {rate}%{inside.th}")


def branch_label(branch: str) -> Text | None:
    """Return how a branch number is printed, as the Director-General's notification on VAT no. 199
    asks for; None where there is none."""
    if not branch:
        return None
    if branch == HEAD_OFFICE:
        return Text("Head office", "สำนักงานใหญ่")
    return Text(f"Branch {branch}", f"สาขาที่ {branch}")


def said(text: Text, language: Language, *, between: str = " / ") -> str:
    """Return a text in a document's language; both, Thai first, where it has both."""
    if language is Language.ENGLISH:
        return text.en
    if language is Language.THAI or text.en == text.th:
        return text.th
    return f"{text.th}{between}{text.en}"
