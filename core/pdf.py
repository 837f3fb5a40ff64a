"""PDF documents: a Typst template and data make bytes, in any language of the site.

The same template, data and moment give the same bytes, so that a document can be made again and
compared. Templates stand beside the code that fills them; they read their data with
``json(bytes(sys.inputs.data))``, so what users wrote arrives as text and never as markup. Nothing
is fetched: the only fonts are ours (Sarabun, for Latin and Thai; licence in ``core/fonts``).
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import typst

from core.pdf_text import make_searchable

FONTS = Path(__file__).parent / "fonts"
ARCHIVAL: Literal["a-3a"] = "a-3a"
"""PDF/A-3, which may carry other files, at its highest level: tagged, with text as Unicode."""


def render(
    template: Path,
    data: Mapping[str, Any],
    *,
    made_at: datetime,
    standard: Literal["a-3a"] | None = None,
) -> bytes:
    """Return the PDF that a template makes of data (what JSON can hold; numbers as text).

    ``made_at`` is the creation date that the file carries; ``standard`` one that it must conform
    to. The template sees the files of its own folder and no others. Its Thai text can be searched
    and copied. Raises RuntimeError if the template is wrong, or does not keep to the standard.
    """
    made = typst.compile(
        str(template),
        root=str(template.parent),
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        timestamp=int(made_at.astimezone(UTC).timestamp()),
        format="pdf",
        pdf_standards=[standard] if standard else [],
    )
    if not isinstance(made, bytes):
        raise RuntimeError("one document was expected")
    return make_searchable(made)
