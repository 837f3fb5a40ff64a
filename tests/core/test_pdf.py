"""Documents are the same bytes each time, in Thai too, and what people wrote stays text."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdf
import pytest

from core.pdf import FONTS, render

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEMPLATE = """
#let data = json(bytes(sys.inputs.data))
#set text(font: "Sarabun", lang: data.lang)
= #data.title
#if data.body.starts-with("#") [#data.body] else { panic("read as markup") }
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "document.typ"
    path.write_text(TEMPLATE)
    return path


def test_the_same_data_make_the_same_bytes(template: Path) -> None:
    data = {"lang": "th", "title": "ใบแจ้งหนี้ที่ยังไม่ชำระ", "body": "#panic() *น้ำ*"}
    made = render(template, data, made_at=NOON)
    assert made.startswith(b"%PDF-")
    resources: Any = pypdf.PdfReader(io.BytesIO(made)).pages[0]["/Resources"]
    fonts = {font["/BaseFont"].partition("+")[2] for font in resources["/Font"].values()}
    assert fonts == {"Sarabun-Regular", "Sarabun-Bold"}
    assert made == render(template, data, made_at=NOON)
    assert made != render(template, data, made_at=NOON.replace(hour=13))


def test_a_template_sees_no_file_of_another_folder(template: Path) -> None:
    template.write_text('#read("/../../etc/passwd")')
    with pytest.raises(RuntimeError, match="escape the project root"):
        render(template, {}, made_at=NOON)


def test_the_fonts_come_with_their_licence() -> None:
    assert "SIL Open Font License" in (FONTS / "OFL.txt").read_text()
    assert {font.stem for font in FONTS.glob("*.ttf")} == {"Sarabun-Regular", "Sarabun-Bold"}
