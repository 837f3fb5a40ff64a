"""Tax ids: numbers that can't be one are refused where they are typed."""

import pytest
from django.core.exceptions import ValidationError

from accounts.tax_ids import checked_tax_id


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", ""),
        ("0-9940-00158-37-8", "0994000158378"),
        ("0105536000313", "0105536000313"),
        ("DE 136 695 976", "DE136695976"),
        ("XX-12345", "XX12345"),  # of this country nothing is known
    ],
)
def test_numbers_that_can_be_one_are_kept_plain(typed: str, kept: str) -> None:
    assert checked_tax_id(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["0105536000314", "12345", "DE136695975", "?", "1a", "๐๑๐๕๕๓๖๐๐๐๓๑๓"],
)
def test_numbers_that_cannot_be_one_are_refused(typed: str) -> None:
    with pytest.raises(ValidationError):
        checked_tax_id(typed)
