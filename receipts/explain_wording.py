"""A receipt's explanation in words and figures, in the current language."""

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import formatting
from pricing.charge_wording import Part, Row
from pricing.labels import base_unit_name
from pricing.walk import plain
from receipts.explain import LineStep, ReceiptExplanation, charges_of_line
from receipts.models import Receipt

SHOWN_CHARGES = 10
"""Charges of each line that are told; the rest is on the pages of the line and in its CSV."""


def told(found: ReceiptExplanation) -> list[Part]:
    """Return the parts of an explanation, from the charges to the total."""
    parts = [Part(_("Document"), tuple(_document(found.receipt)))]
    parts += [_line(step, found.receipt) for step in found.lines]
    parts.append(Part(_("What it comes to"), tuple(_sums(found))))
    return parts


def _document(receipt: Receipt) -> Iterator[Row]:
    yield Row(receipt.get_kind_display(), f"{receipt} ({receipt.get_status_display()})")
    if receipt.corrects is not None:
        original = receipt.corrects
        said = f"{original} ({plain(original.total)} {original.currency})"
        yield Row(_("Gives back of"), said)
        yield Row(_("Reason"), receipt.reason)
    yield Row(_("Project"), receipt.project.code)
    yield Row(
        _("Jobs that ended"),
        f"{formatting.moment(receipt.window_start)} – {formatting.moment(receipt.window_end)}",
    )


def _line(step: LineStep, receipt: Receipt) -> Part:
    line = step.line
    title = _("Line %(number)s: %(name)s") % {"number": line.position, "name": line.title}
    return Part(title, tuple(_line_rows(step, receipt)))


def _line_rows(step: LineStep, receipt: Receipt) -> Iterator[Row]:
    line = step.line
    if line.corrects is not None:
        told = _("line %(number)s of %(receipt)s, which says %(amount)s")
        original = line.corrects
        values = {
            "number": original.position,
            "receipt": original.receipt,
            "amount": f"{plain(original.amount)} {receipt.currency}",
        }
        yield Row(_("Takes back of"), told % values)
    for charge in charges_of_line(line).select_related("job__cluster")[:SHOWN_CHARGES]:
        what = charge.job or charge.get_kind_display()
        if charge.reverses_id is not None:
            what = _("%(what)s, takes back #%(charge)s") % {
                "what": what,
                "charge": charge.reverses_id,
            }
        yield Row(f"#{charge.pk}", f"{charge.amount:f} ({what})", exact=True)
    more = step.charges - SHOWN_CHARGES
    if more > 0:
        yield Row("…", ngettext("%(n)s more charge", "%(n)s more charges", more) % {"n": more})
    if line.has_quantity:
        yield Row(_("Quantity"), f"{step.quantity} {base_unit_name(line.resource)}", exact=True)
    if line.unit_price is not None:
        price = f"{plain(line.unit_price)} {receipt.currency}"
        yield Row(
            _("Unit price"),
            _("%(price)s per %(size)s %(unit)s; each charge was rounded at six decimals")
            % {"price": price, "size": line.unit_size, "unit": base_unit_name(line.resource)},
        )
    yield Row(
        _("Sum"),
        ngettext("%(n)s charge: %(sum)s", "%(n)s charges: %(sum)s", step.charges)
        % {"n": step.charges, "sum": f"{step.charged:f}"},
        exact=True,
    )
    amount = f"{step.charged:f} ≈ {plain(step.amount)} {receipt.currency}"
    yield Row(_("Amount"), _("%(amount)s, half up, once for the line") % {"amount": amount})
    if not step.agrees:
        yield _differs(f"{line.quantity}, {line.charged:f}, {plain(line.amount)}")


def _sums(found: ReceiptExplanation) -> Iterator[Row]:
    receipt = found.receipt
    yield Row(_("Net"), f"{found.net_expression} = {plain(found.net)}", exact=True)
    tax = found.tax_expression.replace("*", "×").replace("/", "÷")
    yield Row(_("Tax"), f"{tax} ≈ {plain(found.tax)}", exact=True)
    total = f"{found.total_expression} = {plain(found.total)} {receipt.currency}"
    yield Row(_("Total"), total, exact=True)
    if found.digest:
        yield Row("SHA-256", found.digest, exact=True)
    if found.agrees:
        yield Row(_("Check"), _("The document says just that."))
    else:
        figures = (receipt.net_amount, receipt.tax_amount, receipt.total)
        yield _differs(f"{', '.join(map(plain, figures))}, {receipt.sha256}")


def _differs(text: str) -> Row:
    return Row(_("Check"), _("The document says otherwise: %(text)s") % {"text": text})
