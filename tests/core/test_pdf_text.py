"""Thai text in a PDF, copied by readers that know ActualText (PDFium) and that don't (pypdf)."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pypdf
import pypdfium2
import pytest
import typst
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.pdf import FONTS, render
from core.pdf_file import NotAsWritten, PdfFile
from core.pdf_text import make_searchable

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEMPLATE = """
#let data = json(bytes(sys.inputs.data))
#set page(width: 2000pt)
#set text(font: "Sarabun", lang: "th", ligatures: false)
#for each in data.lines [#par(each)]
"""
WORDS = (
    "น้ำมัน", "จำนวนเงินรวมทั้งสิ้น", "กู้ยืม", "ที่ผู้เสียภาษี", "ฐานะ", "ญู", "ปู่ย่า", "ป้ำเป๋อ",
    "ใบกำกับภาษี", "ใบเสร็จรับเงิน", "สำนักงานใหญ่", "ฟ้า", "ฝ้าย", "ปี่", "ปิ้ง", "ช้ำ", "ก๋วยเตี๋ยว",
    "ฎีกา", "ฏุ", "ฤๅษี", "สิทธิ์", "ศูนย์ต้นทุน", "กุญแจ", "ผู้ป่วย", "เก็บ", "ๆ", "ฯลฯ", "พ.ศ.", "๑๒๓",
    "office first flow", "1,234.50",
)  # fmt: skip
CONSONANTS = [chr(code) for code in range(0x0E01, 0x0E2F) if code not in {0x0E24, 0x0E26}]
VOWELS = ["", "ั", "ิ", "ี", "ึ", "ื", "ุ", "ู"]
TONES = ["", "่", "้", "๊", "๋"]
SYLLABLES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(CONSONANTS),
    st.sampled_from(VOWELS),
    st.sampled_from(TONES),
    st.sampled_from(["", "า", "น"]),
) | st.builds("{}{}ำ".format, st.sampled_from(CONSONANTS), st.sampled_from(TONES))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("typst") / "document.typ"
    path.write_text(TEMPLATE)
    return path


def copied(data: bytes) -> list[str]:
    """Return the lines as Chromium copies them."""
    text: str = pypdfium2.PdfDocument(data)[0].get_textpage().get_text_range()
    return text.split("\r\n")


def drawn(text: str) -> str:
    """Return a text with ``ำ`` as what is drawn: a ring, below the tone mark, and ``า``."""
    return re.sub("([่-๋]?)ำ", "ํ\\1า", text)


def extracted(data: bytes) -> list[str]:
    """Return the lines as a reader sees them that looks at glyphs alone."""
    return pypdf.PdfReader(io.BytesIO(data)).pages[0].extract_text().splitlines()


def test_thai_is_copied_as_it_was_written(template: Path) -> None:
    data = render(template, {"lines": WORDS}, made_at=NOON)
    assert copied(data) == list(WORDS)
    assert extracted(data) == [drawn(word) for word in WORDS]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(["พำ", "ก"])
@given(st.lists(st.lists(SYLLABLES, min_size=1, max_size=8).map("".join), min_size=1, max_size=30))
def test_every_syllable_is_copied_as_it_was_written(template: Path, lines: list[str]) -> None:
    data = render(template, {"lines": lines}, made_at=NOON)
    # Where a line ends is a guess of the reader, which may take it for a space: what is compared
    # are the letters.
    assert "".join(" ".join(copied(data)).split()) == "".join(lines)
    assert "".join(extracted(data)) == "".join(drawn(line) for line in lines)


def test_only_what_is_copied_changes_and_not_what_is_seen(template: Path) -> None:
    data = {"data": json.dumps({"lines": WORDS})}
    before = typst.compile(str(template), font_paths=[str(FONTS)], sys_inputs=data)
    assert isinstance(before, bytes)
    file = PdfFile(before)
    make_searchable(file)
    after = file.written()
    assert copied(before) != copied(after)
    assert pixels(before) == pixels(after)
    read = pypdf.PdfReader(io.BytesIO(after), strict=True)
    assert {number for number in file.objects if read.get_object(number) is None} == set()


def pixels(data: bytes) -> bytes:
    seen: bytes = pypdfium2.PdfDocument(data)[0].render(scale=2).to_pil().tobytes()
    return seen


def test_a_file_of_another_make_is_refused() -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(10, 10)
    made = io.BytesIO()
    writer.write(made)
    with pytest.raises(NotAsWritten):
        PdfFile(made.getvalue())
