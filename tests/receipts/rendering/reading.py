"""Reading a PDF with other programs than the one that wrote it."""

import io
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import pypdf
import pypdfium2
import zxingcpp

XMP = {
    "rdf": "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}",
    "pdfaid": "{http://www.aiim.org/pdfa/ns/id/}",
    "fx": "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}",
    "pdfaSchema": "{http://www.aiim.org/pdfa/ns/schema#}",
}


@dataclass(frozen=True, slots=True)
class Attached:
    """A file in a PDF, associated with the document as PDF/A-3 asks for."""

    content: bytes
    relationship: str
    type: str


def reader(data: bytes) -> pypdf.PdfReader:
    """Return pypdf's view of a file."""
    return pypdf.PdfReader(io.BytesIO(data), strict=True)


def catalogue(data: bytes) -> Any:
    """Return the root of a file's objects."""
    return reader(data).trailer["/Root"]


def attached(data: bytes) -> dict[str, Attached]:
    """Return the files that a document is associated with, by name."""
    root = catalogue(data)
    listed = root["/Names"]["/EmbeddedFiles"]["/Names"]
    found = {}
    for entry in root["/AF"]:
        spec = entry.get_object()
        stream = spec["/EF"]["/UF"].get_object()
        found[str(spec["/UF"])] = Attached(
            stream.get_data(), spec["/AFRelationship"], stream["/Subtype"]
        )
    assert sorted(found) == listed[::2]
    return found


def metadata(data: bytes) -> ET.Element:
    """Return the XMP metadata of a file."""
    return ET.fromstring(catalogue(data)["/Metadata"].get_object().get_data())


def said(root: ET.Element, prefix: str, name: str) -> list[str]:
    """Return the values of a property in metadata."""
    return [element.text or "" for element in root.iter(f"{XMP[prefix]}{name}")]


def pages(data: bytes) -> list[str]:
    """Return the text of each page as Chromium copies it, white space as single spaces."""
    document = pypdfium2.PdfDocument(data)
    return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def codes(data: bytes) -> set[str]:
    """Return what the QR codes of the first page say, as a camera would see it."""
    image = pypdfium2.PdfDocument(data)[0].render(scale=3).to_pil()
    return {found.text for found in zxingcpp.read_barcodes(image)}
