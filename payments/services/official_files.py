"""Files of official receipts: rendered once and kept."""

import hashlib

from django.db import IntegrityError, transaction

from payments.models import OfficialFile, OfficialReceipt
from payments.official_documents import document_of
from receipts.models import DocumentLanguage
from receipts.rendering.document import Language
from receipts.rendering.pdf import RENDERER, pdf_of


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
    stored = _stored(official, chosen, copy=copy)
    if stored is not None:
        return stored
    content = pdf_of(document_of(official), Language(chosen.value), copy=copy)
    return _keep(official, content, chosen, copy=copy)


def _stored(
    official: OfficialReceipt, language: DocumentLanguage, *, copy: bool
) -> OfficialFile | None:
    kept = OfficialFile.objects.filter(official=official)
    return kept.filter(language=language, is_copy=copy).first()


def _keep(
    official: OfficialReceipt, content: bytes, language: DocumentLanguage, *, copy: bool
) -> OfficialFile:
    """Store a file; who was slower than another gets the other's."""
    try:
        with transaction.atomic():
            return OfficialFile.objects.create(
                official=official,
                language=language,
                is_copy=copy,
                content=content,
                sha256=hashlib.sha256(content).hexdigest(),
                renderer=RENDERER,
            )
    except IntegrityError:
        stored = _stored(official, language, copy=copy)
        if stored is None:
            raise
        return stored
