"""What a PDF says of itself to be known as Factur-X (pure).

The specification (Factur-X 1.0, section 6.2.2) asks for four properties in the metadata, and PDF/A
for a description of any property that it does not know. Typst attaches files but can't write these,
so they are put into the metadata that it wrote.
"""

from core.pdf_file import NotAsWritten, PdfFile, references
from receipts.rendering.einvoice import FILE_NAME

LEVEL = "EN 16931"

_NAMESPACE = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
_PROPERTIES = {
    "DocumentFileName": (FILE_NAME, "The name of the embedded XML document"),
    "DocumentType": ("INVOICE", "The type of the hybrid document in capital letters"),
    "Version": ("1.0", "The version of the standard that the embedded XML follows"),
    "ConformanceLevel": (LEVEL, "The conformance level of the embedded XML document"),
}
_SCHEMAS = b"<pdfaExtension:schemas><rdf:Bag>"
_END = b"</rdf:RDF>"


def mark_facturx(file: PdfFile) -> None:
    """Let a PDF of typst say that it is Factur-X. Raises NotAsWritten."""
    catalogue = next(each for each in file.objects.values() if each.startswith(b"<</Type/Catalog"))
    (number,) = references(catalogue, "Metadata")
    metadata = file.stream(number)
    if metadata.count(_SCHEMAS) != 1 or metadata.count(_END) != 1:
        raise NotAsWritten("the metadata")
    metadata = metadata.replace(_SCHEMAS, _SCHEMAS + _schema().encode())
    file.replace_stream(number, metadata.replace(_END, _values().encode() + _END))


def _schema() -> str:
    properties = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{description}</pdfaProperty:description></rdf:li>"
        for name, (_, description) in _PROPERTIES.items()
    )
    return (
        '<rdf:li rdf:parseType="Resource">'
        "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
        f"<pdfaSchema:namespaceURI>{_NAMESPACE}</pdfaSchema:namespaceURI>"
        "<pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{properties}</rdf:Seq></pdfaSchema:property></rdf:li>"
    )


def _values() -> str:
    values = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (value, _) in _PROPERTIES.items())
    return f'<rdf:Description rdf:about="" xmlns:fx="{_NAMESPACE}">{values}</rdf:Description>'
