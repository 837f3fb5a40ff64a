"""What a price list says, as one frozen value: read, checked, written and told about in one place.

``values`` are the value's types, ``checks`` tell all that is wrong with it, ``data`` turns it into
plain data (the log, files) and back, ``texts`` into words, and ``rows`` into rows of the database.
"""

from pricing.content.checks import problems
from pricing.content.data import as_data
from pricing.content.differences import Difference, differences, percent_change
from pricing.content.problem import Problem
from pricing.content.rows import CHILDREN, content_of
from pricing.content.values import (
    EquivalentContent,
    ListContent,
    Place,
    RateContent,
    TermsContent,
    flat,
)

__all__ = [
    "CHILDREN",
    "Difference",
    "EquivalentContent",
    "ListContent",
    "Place",
    "Problem",
    "RateContent",
    "TermsContent",
    "as_data",
    "content_of",
    "differences",
    "flat",
    "percent_change",
    "problems",
]
