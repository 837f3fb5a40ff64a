"""PDF documents: a Typst template and data make bytes, in any language of the site.

The same template, data and moment give the same bytes, so that a document can be made again and
compared. Templates stand beside the code that fills them; they read their data with
``json(bytes(sys.inputs.data))``, so what users wrote arrives as text and never as markup. Nothing
is fetched: the only fonts are ours (Sarabun, for Latin and Thai; licence in ``core/fonts``).
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from core.pdf_file import PdfFile
from core.pdf_text import make_searchable

FONTS = Path(__file__).parent / "fonts"
ARCHIVAL: Literal["a-3a"] = "a-3a"
"""PDF/A-3, which may carry other files, at its highest level: tagged, with text as Unicode."""

INSTEAD = "□"
"""What is printed for a character that no font has."""

_LACKING = re.compile(r'the text `"(.+?)"` could not be displayed', re.DOTALL)
_CODE = re.compile(r"\\u\{([0-9a-f]+)\}")
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200d\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_UNKNOWN_SCRIPTS = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a PDF: text, its media type, and what it is to the document, in the words of
    PDF/A-3 (``source``, ``alternative``, ``data``, ``supplement``)."""

    name: str
    content: str
    type: str
    relationship: str
    description: str


def render(
    template: Path,
    data: Mapping[str, Any],
    *,
    made_at: datetime,
    standard: Literal["a-3a"] | None = None,
    files: Iterable[Attachment] = (),
    finish: Callable[[PdfFile], None] | None = None,
) -> bytes:
    """Return the PDF that a template makes of data (what JSON can hold; numbers as text).

    ``made_at`` is the creation date that the file carries; ``standard`` one that it must conform
    to; the template attaches ``files``. It sees the files of its own folder and no others. Its Thai
    text can be searched and copied. A character that no font has is printed as a box where the
    standard forbids to leave it out. ``finish`` changes what typst can't. Raises RuntimeError if
    the template is wrong.
    """
    import typst  # noqa: PLC0415 - 7 MB of memory, only for those who print

    printed = json.dumps(_printable(data), ensure_ascii=False)
    attached = json.dumps([asdict(file) for file in files], ensure_ascii=False)
    while True:
        try:
            made = typst.compile(
                str(template),
                root=str(template.parent),
                font_paths=[str(FONTS)],
                ignore_system_fonts=True,
                sys_inputs={"data": printed, "files": attached},
                timestamp=int(made_at.astimezone(UTC).timestamp()),
                format="pdf",
                pdf_standards=[standard] if standard else [],
            )
        except typst.TypstError as error:
            simpler = _without_lacking(printed, str(error))
            if simpler == printed:
                raise
            printed = simpler
            continue
        if not isinstance(made, bytes):
            raise RuntimeError("one document was expected")
        file = PdfFile(made)
        make_searchable(file)
        if finish is not None:
            finish(file)
        return file.written()


def _printable(value: Any) -> Any:
    """Leave out of texts what is not to be seen: no font has controls, the standard forbids some,
    and what turns the direction of text could make it say something else. Characters for private
    use, which the standard forbids, too, are boxes."""
    if isinstance(value, str):
        return _PRIVATE.sub(INSTEAD, _CONTROLS.sub("", value))
    if isinstance(value, Mapping):
        return {name: _printable(item) for name, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list | tuple) else value


def _without_lacking(printed: str, complaint: str) -> str:
    """Return a text with a box for each character that typst complains of, and at once for all of
    a script that our fonts lack."""
    found = _LACKING.search(complaint)
    if found is None:
        return printed
    text = _CODE.sub(lambda code: chr(int(code[1], 16)), found[1])
    lacking = {each for each in text if not each.isascii()}
    scripts = {_script(each) for each in lacking} & _UNKNOWN_SCRIPTS
    return "".join(
        INSTEAD if each in lacking or (scripts and _script(each) in scripts) else each
        for each in printed
    )


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]
