"""What a document says: both parties and the particulars as they are at issue, and its hash."""

from decimal import Decimal

from django.conf import settings
from django.db.models.functions import Coalesce

from accounts.models import Project
from core.canonical import sha256_of
from pricing.models import Charge, PriceList
from receipts.models import BillingProfile, Line, LineCharge, PurchaseOrder, Receipt
from receipts.taxing import Taxed


def parties_of(project: Project, order: PurchaseOrder | None = None) -> dict[str, dict[str, str]]:
    """Return both parties as they are now, and the order's number, to be kept on the document."""
    profile = BillingProfile.objects.filter(project=project).first() or BillingProfile()
    return {
        "seller": {
            "name": settings.SITE_NAME,
            "address": settings.SITE_ADDRESS,
            "tax_id": settings.SITE_TAX_ID,
            "branch": settings.SITE_BRANCH,
            "contact": settings.SITE_CONTACT,
        },
        "buyer": {
            "project": project.code,
            "name": project.billing_name or project.name,
            "address": project.billing_address,
            "tax_id": project.tax_id,
            "branch": profile.branch,
            "contact": profile.contact_name,
            "department": project.department.name if project.department else "",
            "po_number": order.number if order else project.po_number,
            "cost_centre": project.cost_centre,
        },
    }


def particulars_of(receipt: Receipt, taxed: Taxed) -> dict[str, object]:
    """Return what else the document says for ever: what it is called, what is given when it is
    paid, why it is taxed so, the price lists behind it, and how to pay it."""
    profile = BillingProfile.objects.filter(project=receipt.project_id).first() or BillingProfile()
    notes = receipt.kind == Receipt.Kind.CREDIT_NOTE
    return {
        "title": "credit_note" if notes else settings.DOCUMENT_AT_ISSUE,
        "at_payment": "none" if notes else settings.DOCUMENT_AT_PAYMENT,
        "corrects": receipt.corrects.number if receipt.corrects else "",
        "tax_reason": taxed.reason,
        "exemption_certificate": taxed.certificate,
        "withholding_percent": str(profile.withholding_percent.normalize()),
        "price_lists": _price_lists(receipt),
        "projects": {
            str(pk): code
            for pk, code in receipt.lines.order_by().values_list("project", "project__code")
        },
        "language": profile.document_language,
        "promptpay_id": profile.promptpay_id or settings.SITE_PROMPTPAY_ID,
        "bank_details": settings.SITE_BANK_DETAILS,
    }


def _price_lists(receipt: Receipt) -> list[dict[str, object]]:
    """The lists that its charges are priced by, oldest first."""
    lists = Charge.objects.filter(document_line__line__receipt=receipt).order_by()
    ids = lists.annotate(by=Coalesce("price_list", "rate__price_list")).values("by").distinct()
    found = PriceList.objects.filter(pk__in=ids).select_related("tier").order_by("pk")
    return [
        {
            "id": item.pk,
            "tier": item.tier.code if item.tier else "",
            "revision": item.revision,
            "effective_at": item.effective_at.isoformat(),
        }
        for item in found
    ]


def content_of(receipt: Receipt) -> dict[str, object]:
    """Return what the document says, whose canonical JSON is hashed and can be checked later."""
    return {
        "kind": receipt.kind,
        "number": receipt.number,
        "issued_at": receipt.issued_at,
        "due_on": receipt.due_on,
        "parties": receipt.parties,
        "particulars": receipt.particulars,
        "corrects": receipt.corrects.sha256 if receipt.corrects else None,
        "reason": receipt.reason,
        "period": receipt.period,
        "window": [receipt.window_start, receipt.window_end],
        "currency": receipt.currency,
        "lines": [
            [
                line.position,
                _code(receipt, line),
                line.resource,
                line.text,
                line.quantity,
                line.unit_size,
                None if line.unit_price is None else _plain(line.unit_price),
                _plain(line.amount),
                line.jobs,
                line.corrects.position if line.corrects else None,
            ]
            for line in receipt.lines.select_related("corrects").order_by("position")
        ],
        "charges": list(
            LineCharge.objects.filter(line__receipt=receipt)
            .order_by("charge_id")
            .values_list("charge_id", flat=True)
        ),
        "net": _plain(receipt.net_amount),
        "tax_category": receipt.tax_category,
        "tax_rate": _plain(receipt.tax_rate),
        "tax_inclusive": receipt.tax_inclusive,
        "tax": _plain(receipt.tax_amount),
        "total": _plain(receipt.total),
    }


def _code(receipt: Receipt, line: Line) -> str:
    """The code of a line's project as it was at issue: a project may have another one later."""
    return str(receipt.particulars["projects"][str(line.project_id)])


def hash_of(receipt: Receipt) -> str:
    """Return the SHA-256 of what the document says."""
    return sha256_of(content_of(receipt))


def _plain(amount: Decimal) -> Decimal:
    """Drop trailing zeros, so that a value read back hashes as the value that was written."""
    return amount.normalize() if amount else Decimal(0)
