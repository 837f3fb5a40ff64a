"""Official receipts as files to download, for whoever may see the receipt."""

from django.http import Http404, HttpRequest, HttpResponse

from payments.models import OfficialReceipt
from payments.services.official_files import official_file, own_language
from receipts.models import DocumentLanguage


def pdf_response(request: HttpRequest, official: OfficialReceipt) -> HttpResponse:
    """Return an official receipt as a file, in the language and with the mark that are asked for.

    Raises Http404 for a language or mark that there is none of.
    """
    language = request.GET.get("language") or own_language(official)
    copy = request.GET.get("copy", "")
    if language not in DocumentLanguage.values or copy not in {"", "0", "1"}:
        raise Http404
    made = official_file(official=official, language=DocumentLanguage(language), copy=copy == "1")
    answer = HttpResponse(bytes(made.content), content_type="application/pdf")
    name = "".join(each if each.isascii() and each.isalnum() else "-" for each in official.number)
    marks = f"-{language}{'-copy' if made.is_copy else ''}"
    answer["Content-Disposition"] = f'attachment; filename="{name}{marks}.pdf"'
    answer["Cache-Control"] = "private, no-store"
    return answer
