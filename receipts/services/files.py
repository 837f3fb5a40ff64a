"""Files of issued documents: rendered once and kept."""

import hashlib

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from core.errors import Conflict
from receipts.models import DocumentFile, DocumentLanguage, FileForm, Receipt
from receipts.rendering.assemble import document_of
from receipts.rendering.document import Language
from receipts.rendering.einvoice import NoEInvoice, einvoice
from receipts.rendering.pdf import RENDERER, pdf_of


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
    stored = _stored(receipt, FileForm.PDF, chosen, copy=copy)
    if stored is not None:
        return stored
    content = pdf_of(document_of(receipt), Language(chosen.value), copy=copy)
    return _keep(receipt, FileForm.PDF, content, language=chosen, copy=copy)


def xml_file(*, receipt: Receipt) -> DocumentFile:
    """Return the e-invoice of an issued document, as it was made first. Raises Conflict where
    there is no document, or EN 16931 has no words for it."""
    stored = _stored(receipt, FileForm.XML, "", copy=False)
    if stored is not None:
        return stored
    try:
        content = einvoice(document_of(receipt))
    except NoEInvoice as error:
        raise Conflict(
            "no_einvoice", _("There is no e-invoice of this document: %(why)s") % {"why": error}
        ) from error
    return _keep(receipt, FileForm.XML, content)


def _stored(receipt: Receipt, form: FileForm, language: str, *, copy: bool) -> DocumentFile | None:
    kept = DocumentFile.objects.filter(receipt=receipt, form=form)
    return kept.filter(language=language, is_copy=copy).first()


def _keep(
    receipt: Receipt, form: FileForm, content: bytes, *, language: str = "", copy: bool = False
) -> DocumentFile:
    """Store a file; who was slower than another gets the other's."""
    try:
        with transaction.atomic():
            return DocumentFile.objects.create(
                receipt=receipt,
                form=form,
                language=language,
                is_copy=copy,
                content=content,
                sha256=hashlib.sha256(content).hexdigest(),
                renderer=RENDERER,
            )
    except IntegrityError:
        stored = _stored(receipt, form, language, copy=copy)
        if stored is None:
            raise
        return stored
