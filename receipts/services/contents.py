"""What a document says: both parties and the particulars as they are at issue, and its hash."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models.functions import Coalesce

from accounts.models import Project
from core.bulk import any_of
from core.canonical import sha256_of
from pricing.models import PriceList
from receipts.models import BillingProfile, Line, LineCharge, PurchaseOrder, Receipt
from receipts.taxing import Taxed


@dataclass(frozen=True, slots=True)
class Rows:
    """What stands on documents, by their keys: the lines in order, and the charges behind them."""

    lines: Mapping[int, Sequence[Line]]
    charges: Mapping[int, Sequence[int]]


def rows_of(receipt_ids: Collection[int]) -> Rows:
    """Read what stands on documents, of all of them at once."""
    lines: dict[int, list[Line]] = {key: [] for key in receipt_ids}
    found = Line.objects.filter(receipt__in=receipt_ids).select_related("corrects", "project")
    for line in found.order_by("receipt", "position"):
        lines[line.receipt_id].append(line)
    charges: dict[int, list[int]] = {key: [] for key in receipt_ids}
    of_line = {line.pk: key for key, mine in lines.items() for line in mine}
    links = LineCharge.objects.filter(any_of("line_id", of_line)).order_by().values_list("line")
    for line_id, ids in links.annotate(ids=ArrayAgg("charge_id")):
        charges[of_line[line_id]] += ids
    for ids in charges.values():
        ids.sort()
    return Rows(lines, charges)


def profiles_of(project_ids: Collection[int]) -> dict[int, BillingProfile]:
    """Return how projects are billed; what has no profile is not in it."""
    found = BillingProfile.objects.filter(project__in=project_ids).order_by()
    return {profile.project_id: profile for profile in found}


def parties_of(
    project: Project, order: PurchaseOrder | None = None, profile: BillingProfile | None = None
) -> dict[str, dict[str, str]]:
    """Return both parties as they are now, and the order's number, to be kept on the document."""
    profile = profile or profiles_of([project.pk]).get(project.pk) or BillingProfile()
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


def particulars_of(
    receipt: Receipt,
    taxed: Taxed,
    profile: BillingProfile,
    lines: Sequence[Line],
    price_lists: Sequence[PriceList],
) -> dict[str, object]:
    """Return what else the document says for ever: what it is called, what is given when it is
    paid, why it is taxed so, the price lists behind it, and how to pay it."""
    notes = receipt.kind == Receipt.Kind.CREDIT_NOTE
    title = "credit_note" if notes else settings.DOCUMENT_AT_ISSUE
    return {
        "title": title,
        "at_payment": at_payment(title),
        "corrects": receipt.corrects.number if receipt.corrects else "",
        "tax_reason": taxed.reason,
        "exemption_certificate": taxed.certificate,
        "withholding_percent": str(profile.withholding_percent.normalize()),
        "price_lists": [
            {
                "id": item.pk,
                "tier": item.tier.code if item.tier else "",
                "revision": item.revision,
                "effective_at": item.effective_at.isoformat(),
            }
            for item in price_lists
        ],
        "projects": {str(line.project_id): line.project.code for line in lines},
        "language": profile.document_language,
        "promptpay_id": profile.promptpay_id or settings.SITE_PROMPTPAY_ID,
        "bank_details": settings.SITE_BANK_DETAILS,
    }


def at_payment(title: str) -> str:
    """Return what is given when a document of a title is paid. Only an invoice gets its tax invoice
    then: what is one already would be declared twice, and of an opening balance the tax is known
    elsewhere only. A credit note is not paid."""
    chosen = str(settings.DOCUMENT_AT_PAYMENT)
    if title == "credit_note" or chosen == "none":
        return "none"
    return chosen if title == "invoice" else "receipt"


def price_lists_of(rows: Rows) -> dict[int, list[PriceList]]:
    """Return the lists that the charges of documents are priced by, oldest first."""
    of_line = {line.pk: key for key, lines in rows.lines.items() for line in lines}
    links = LineCharge.objects.filter(any_of("line_id", of_line)).order_by()
    by_list = links.annotate(by=Coalesce("charge__price_list", "charge__rate__price_list"))
    pairs = {(of_line[line], by) for line, by in by_list.values_list("line", "by").distinct()}
    lists = PriceList.objects.select_related("tier").in_bulk({by for _, by in pairs if by})
    return {
        key: [lists[by] for by in sorted(by for mine, by in pairs if mine == key and by)]
        for key in rows.lines
    }


def content_of(receipt: Receipt, rows: Rows | None = None) -> dict[str, object]:
    """Return what the document says, whose canonical JSON is hashed and can be checked later.

    ``rows`` may have been read before, for several documents at once.
    """
    rows = rows or rows_of([receipt.pk])
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
            for line in rows.lines[receipt.pk]
        ],
        "charges": rows.charges[receipt.pk],
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


def hash_of(receipt: Receipt, rows: Rows | None = None) -> str:
    """Return the SHA-256 of what the document says."""
    return sha256_of(content_of(receipt, rows))


def _plain(amount: Decimal) -> Decimal:
    """Drop trailing zeros, so that a value read back hashes as the value that was written."""
    return amount.normalize() if amount else Decimal(0)
