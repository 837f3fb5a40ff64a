"""Files of issued documents: rendered once and kept."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _

from core.errors import Conflict
from receipts.models import DocumentFile, DocumentLanguage, FileForm, Receipt
from receipts.rendering.assemble import document_of
from receipts.rendering.document import Language
from receipts.rendering.einvoice import NoEInvoice, einvoice
from receipts.rendering.pdf import RENDERER, pdf_of

File = TypeVar("File", bound=Model)


def own_language(receipt: Receipt) -> DocumentLanguage:
    """Return the language that a document was issued in."""
    return DocumentLanguage(receipt.particulars.get("language") or DocumentLanguage.BOTH)


def pdf_file(
    *, receipt: Receipt, language: DocumentLanguage | None = None, copy: bool = False
) -> DocumentFile:
    """Return the PDF of an issued document, as it was rendered first.

    Without a language, that of the document. Raises Conflict where there is no document.
    """
    chosen = language or own_language(receipt)
    return kept_file(
        DocumentFile.objects.all(),
        lambda: pdf_of(document_of(receipt), Language(chosen.value), copy=copy),
        receipt=receipt,
        form=FileForm.PDF,
        language=chosen,
        is_copy=copy,
    )


def xml_file(*, receipt: Receipt) -> DocumentFile:
    """Return the e-invoice of an issued document, as it was made first. Raises Conflict where
    there is no document, or EN 16931 has no words for it."""

    def make() -> bytes:
        try:
            return einvoice(document_of(receipt))
        except NoEInvoice as error:
            raise Conflict(
                "no_einvoice", _("There is no e-invoice of this document: %(why)s") % {"why": error}
            ) from error

    return kept_file(
        DocumentFile.objects.all(),
        make,
        receipt=receipt,
        form=FileForm.XML,
        language="",
        is_copy=False,
    )


def kept_file(files: QuerySet[File], make: Callable[[], bytes], **which: Any) -> File:
    """Return one of a document's files, which is made the first time it is asked for; who made it
    more slowly than another gets the other's."""
    found = files.filter(**which).first()
    if found is not None:
        return found
    content = make()
    made = {
        "content": content,
        "sha256": hashlib.sha256(content).hexdigest(),
        "renderer": RENDERER,
    }
    return files.get_or_create(**which, defaults=made)[0]
