"""Price lists as a text file: a strict reading of YAML, and its writing.

The schema is documented in `docs/prices-as-code.md`. Values are read from the text that stands in
the file: a price never becomes a float, a date never depends on what YAML takes it for.
"""

from pricing.price_file.entries import BadFile, Entry, Fault, Holder
from pricing.price_file.exemptions import ExemptionEntry
from pricing.price_file.reading import PriceFile, read, read_file
from pricing.price_file.writing import price_text, write

__all__ = [
    "BadFile",
    "Entry",
    "ExemptionEntry",
    "Fault",
    "Holder",
    "PriceFile",
    "price_text",
    "read",
    "read_file",
    "write",
]
