"""Equal values have one text, and what has no exact text is refused."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import canonical_json, sha256_of

texts = st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(texts, values, max_size=6))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)
    assert sha256_of(value) == sha256_of(backwards)


def test_exact_values_have_a_text() -> None:
    bangkok = timezone(timedelta(hours=7))
    value = {
        "b": Decimal("1.50"),
        "a": datetime(2026, 1, 1, 7, tzinfo=bangkok),
        "d": date(2026, 1, 1),
        "u": UUID(int=0),
        "t": ("ไทย", True, None),
    }
    assert canonical_json(value) == (
        '{"a":"2026-01-01T00:00:00.000000+00:00","b":"1.50","d":"2026-01-01",'
        '"t":["ไทย",true,null],"u":"00000000-0000-0000-0000-000000000000"}'
    )
    assert canonical_json(datetime(2026, 1, 1, tzinfo=UTC)) == canonical_json(value["a"])


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), Decimal("NaN"), Decimal("Infinity"), datetime(2026, 1, 1), b"x", object()],  # noqa: DTZ001 - naive on purpose
)
def test_inexact_values_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json([value])
