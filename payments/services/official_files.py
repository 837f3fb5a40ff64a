"""Files of official receipts: rendered once and kept."""

from payments.models import OfficialFile, OfficialReceipt
from payments.official_documents import document_of
from receipts.models import DocumentLanguage
from receipts.rendering.document import Language
from receipts.rendering.pdf import pdf_of
from receipts.services.files import kept_file


def own_language(official: OfficialReceipt) -> DocumentLanguage:
    """Return the language that an official receipt was given in."""
    return DocumentLanguage(official.content.get("language") or DocumentLanguage.BOTH)


def official_file(
    *, official: OfficialReceipt, language: DocumentLanguage | None = None, copy: bool = False
) -> OfficialFile:
    """Return the PDF of an official receipt, as it was rendered first.

    Without a language, in its own. Raises Conflict if what is stored is not what was given.
    """
    chosen = language or own_language(official)
    return kept_file(
        OfficialFile.objects.all(),
        lambda: pdf_of(document_of(official), Language(chosen.value), copy=copy),
        official=official,
        language=chosen,
        is_copy=copy,
    )
