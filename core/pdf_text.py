"""Thai text that every reader of a PDF can search and copy (pure).

A Thai syllable is one cluster of several glyphs: consonant, vowel, tone mark. Typst says the text
of a cluster in an ``ActualText``, and in the font's table of characters gives the whole cluster to
its first glyph. Readers that know no ``ActualText`` (Firefox, macOS, pypdf, MuPDF) then copy
garbage, and where a raised mark is drawn by itself, all of them copy the cluster twice.

Here each glyph gets the character that it draws, which the clusters of the document tell: as many
glyphs as characters stand in the same order. Each ``ActualText`` says what its own glyphs do, no
more. It keeps together what overlaps, and says ``ำ``, which is drawn as a ring and ``า``.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from core.pdf_file import NotAsWritten, PdfFile, references

SARA_AM, RING, SARA_AA = "\u0e33", "\u0e4d", "\u0e32"

_TOKEN = re.compile(
    rb"/Span<</ActualText(?P<actual><[0-9A-F]*>|\([^()\\]*\))>>\s*BDC"
    rb"|/\w+\s*<<(?:[^<>]|<[^<>]*>)*>>\s*BDC"  # of structure, passed by with its texts
    rb"|(?P<end>\bEMC\b)"
    rb"|/(?P<font>f\d+) [-\d.]+ Tf"
    rb"|<(?P<hex>[0-9A-Fa-f]*)>"
    rb"|(?P<open>\()"
)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_FONT = re.compile(rb"/(f\d+) (\d+) 0 R")
_CHARACTERS = re.compile(rb"<([0-9A-F]{4})> <([0-9A-F]+)>")
_SECTION = re.compile(rb"(?:\d+ beginbfchar\n(?:<[0-9A-F]{4}> <[0-9A-F]+>\n)*endbfchar\n)+")
_MOST_IN_SECTION = 100

Characters = dict[int, str]
"""By number of the glyph in its font."""


@dataclass(slots=True)
class _Piece:
    """Glyphs that are drawn together, and the text of the cluster that they are of."""

    text: str
    glyphs: list[int]
    begin: tuple[int, int] | None = None
    end: tuple[int, int] | None = None
    said: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Font:
    """A font of the document: its table of characters, and what was drawn with it, in order."""

    table: int
    characters: Characters
    pieces: list[_Piece] = field(default_factory=list)
    certain: set[int] = field(init=False)
    """The glyphs whose text is one character: those are a cluster by themselves, and right."""

    def __post_init__(self) -> None:
        self.certain = {glyph for glyph, text in self.characters.items() if len(text) == 1}


def make_searchable(file: PdfFile) -> None:
    """Let the glyphs of a PDF of typst say their characters. Raises NotAsWritten."""
    pages = [
        (content, page)
        for number, page in file.objects.items()
        if page.startswith(b"<</Type/Page/")
        for content in references(page, "Contents")
        if number
    ]
    fonts: dict[int, _Font] = {}
    drawn: dict[int, list[_Piece]] = {}
    for content, page in pages:
        drawn[content] = _read(file.stream(content), _fonts_of(file, page, fonts))
    for font in fonts.values():
        _learn(font)
        file.replace_stream(font.table, _table(file.stream(font.table), font.characters))
    by_piece = {id(piece): font for font in fonts.values() for piece in font.pieces}
    for content, pieces in drawn.items():
        file.replace_stream(content, _rewritten(file.stream(content), pieces, by_piece))


def _fonts_of(file: PdfFile, page: bytes, known: dict[int, _Font]) -> Mapping[str, _Font]:
    """Return the fonts of a page by the names that its content uses."""
    (resources,) = references(page, "Resources") or [0]
    found = {}
    for name, number in _FONT.findall(file.objects.get(resources, page)):
        key = int(number)
        if key not in known:
            tables = references(file.objects[key], "ToUnicode")
            if not tables:
                continue
            known[key] = _Font(tables[0], _characters(file.stream(tables[0])))
        found[name.decode()] = known[key]
    return found


def _characters(table: bytes) -> Characters:
    return {
        int(glyph, 16): bytes.fromhex(text.decode()).decode("utf-16-be")
        for glyph, text in _CHARACTERS.findall(table)
    }


def _table(before: bytes, characters: Characters) -> bytes:
    """Return a table of characters with others in it, in sections of a hundred as PDF asks for."""
    rows = [
        b"<%04X> <%b>\n" % (glyph, text.encode("utf-16-be").hex().upper().encode())
        for glyph, text in sorted(characters.items())
    ]
    sections = [rows[n : n + _MOST_IN_SECTION] for n in range(0, len(rows), _MOST_IN_SECTION)]
    text = b"".join(
        b"%d beginbfchar\n%bendbfchar\n" % (len(part), b"".join(part)) for part in sections
    )
    after, count = _SECTION.subn(lambda _: text, before, count=1)
    if count != 1 and characters:
        raise NotAsWritten("a font's table of characters")
    return after


def _read(content: bytes, fonts: Mapping[str, _Font]) -> list[_Piece]:
    """Return what a page draws; the pieces are added to those of their fonts too."""
    drawn: list[_Piece] = []
    font: _Font | None = None
    inside: _Piece | None = None
    at = 0
    while token := _TOKEN.search(content, at):
        at = token.end()
        if token["actual"] is not None:
            inside = _Piece(_text(token["actual"]), [], begin=token.span())
        elif token["end"] and inside is not None:
            inside.end = token.span()
            drawn.append(inside)
            if font is not None:
                font.pieces.append(inside)
            inside = None
        elif token["font"]:
            font = fonts.get(token["font"].decode())
        elif font is not None and (token["open"] or token["hex"] is not None):
            codes, at = _string(content, token)
            glyphs = struct.unpack(f">{len(codes) // 2}H", codes)
            if inside is not None:
                inside.glyphs += glyphs
            elif not font.certain.issuperset(glyphs):
                font.pieces += [
                    _Piece(font.characters.get(each, ""), [each])
                    for each in glyphs
                    if each not in font.certain
                ]
    return drawn


def _text(written: bytes) -> str:
    if written.startswith(b"("):
        return written[1:-1].decode("ascii")
    return bytes.fromhex(written[1:-1].decode()).decode("utf-16")


def _string(content: bytes, token: re.Match[bytes]) -> tuple[bytes, int]:
    """Return the bytes of a string, and where it ends."""
    if token["hex"] is not None:
        return bytes.fromhex(token["hex"].decode()), token.end()
    at, depth = token.end(), 1
    while depth:
        byte = content[at : at + 1]
        at += 2 if byte == b"\\" else 1
        depth += {b"(": 1, b")": -1}.get(byte, 0)
    return _ESCAPE.sub(_unescaped, content[token.end() : at - 1]), at


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return bytes([int(code, 8)]) if code.isdigit() else _ESCAPED.get(code, code)


def _learn(font: _Font) -> None:
    """Find the character of each glyph; what stands alone says it for certain."""
    clusters = list(_clusters(font.pieces))
    learnt = {
        pieces[0].glyphs[0]: text
        for pieces, text in clusters
        if len(pieces) == len(pieces[0].glyphs) == 1
    } | {glyph: font.characters[glyph] for glyph in font.certain}
    for pieces, text in clusters:
        glyphs = [glyph for piece in pieces for glyph in piece.glyphs]
        drawn, said = _parts(text, len(glyphs))
        if len(drawn) != len(glyphs):
            continue
        for glyph, character in zip(glyphs, drawn, strict=True):
            learnt.setdefault(glyph, character)
        rest = iter(said)
        for piece in pieces:
            piece.said = [next(rest) for _ in piece.glyphs]
    font.characters |= learnt


def _clusters(pieces: list[_Piece]) -> Iterator[tuple[list[_Piece], str]]:
    """Join the pieces of each cluster: they carry the same text, a glyph for each character."""
    at = 0
    while at < len(pieces):
        first, count = pieces[at], len(pieces[at].glyphs)
        cluster = [first]
        at += 1
        while (
            at < len(pieces)
            and pieces[at].text == first.text
            and count + len(pieces[at].glyphs) <= len(first.text)
        ):
            cluster.append(pieces[at])
            count += len(pieces[at].glyphs)
            at += 1
        yield cluster, first.text


def _parts(text: str, glyphs: int) -> tuple[list[str], list[str]]:
    """Return what each glyph of a cluster draws and what it is to say.

    ``ำ`` is drawn as a ring before the tone mark, or joined with it, and ``า`` after it.
    """
    before, am, after = text.partition(SARA_AM)
    if not am:
        return list(text), list(text)
    base, tones = before[:1], before[1:]
    if tones and glyphs == len(text) + len(after):
        return [base, RING + tones, SARA_AA, *after], [base, tones, SARA_AM, *after]
    return [base, RING, *tones, SARA_AA, *after], [base, "", *tones, SARA_AM, *after]


def _rewritten(content: bytes, pieces: list[_Piece], fonts: Mapping[int, _Font]) -> bytes:
    """Return the content of a page, where each ``ActualText`` says what its own glyphs do."""
    parts, at = [], 0
    for piece in pieces:
        font = fonts.get(id(piece))
        if font is None or not piece.said or piece.begin is None or piece.end is None:
            continue
        said = f"\ufeff{''.join(piece.said)}".encode("utf-16-be").hex().upper()
        new = b"/Span<</ActualText<%b>>>BDC" % said.encode()
        parts += [content[at : piece.begin[0]], new, content[piece.begin[1] : piece.end[0]], b"EMC"]
        at = piece.end[1]
    return b"".join([*parts, content[at:]])
