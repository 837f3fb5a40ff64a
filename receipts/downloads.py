"""Documents as files to download, for whoever may see the receipt."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from core.errors import Invalid
from receipts.models import DocumentLanguage, Receipt
from receipts.rendering.assemble import content_text
from receipts.services.files import own_language, pdf_file, xml_file

TYPES: Mapping[str, str] = {
    "pdf": "application/pdf",
    "xml": "application/xml",
    "json": "application/json",
}


def has_files(receipt: Receipt) -> bool:
    """Tell whether a document is issued, by this site."""
    return receipt.status not in Receipt.BEFORE_ISSUE and receipt.kind != Receipt.Kind.OPENING


def file_response(request: HttpRequest, receipt: Receipt, form: str) -> HttpResponse:
    """Return a document in a form; a PDF in the language and with the mark that are asked for.

    Raises Conflict where there is no such document, Invalid for another language or mark.
    """
    name = str(receipt.number)
    if form == "pdf":
        language, copy = _asked(request, receipt)
        content = bytes(pdf_file(receipt=receipt, language=language, copy=copy).content)
        name = f"{name}-{language}{'-copy' if copy else ''}"
    elif form == "xml":
        content = bytes(xml_file(receipt=receipt).content)
    else:
        content = content_text(receipt).encode()
    answer = HttpResponse(content, content_type=TYPES[form])
    answer["Content-Disposition"] = f'attachment; filename="{_safe(name)}.{form}"'
    answer["Cache-Control"] = "private, no-store"
    return answer


def _asked(request: HttpRequest, receipt: Receipt) -> tuple[DocumentLanguage, bool]:
    language = request.GET.get("language") or own_language(receipt)
    copy = request.GET.get("copy", "")
    if language not in DocumentLanguage.values:
        raise Invalid("language", _("Documents are in en, th or both."))
    if copy not in {"", "0", "1"}:
        raise Invalid("copy", _("Say 1 for a copy, or nothing for the original."))
    return DocumentLanguage(language), copy == "1"


def _safe(name: str) -> str:
    """Return a number as a name of a file: numbers may have slashes, and any letters."""
    return "".join(each if each.isascii() and each.isalnum() else "-" for each in name)
