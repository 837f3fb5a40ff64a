"""One text for one value: the JSON that is hashed, signed and compared.

Keys are sorted, no white space, UTF-8, no floats. Two equal values always give the same bytes, so a
digest taken today can be recomputed from the stored row in ten years.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID


def _plain(value: Any) -> Any:
    """Reduce a value to str, int, bool, None, list and dict; refuse what has no exact text."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} has no canonical form")
        return format(value, "f")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a date and time without a zone has no canonical form")
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value.

    Decimals keep their digits as text, times become UTC with microseconds. Raises TypeError for
    floats and other inexact or unknown types, ValueError for NaN, infinity and naive times.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_of(value: Any) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON in UTF-8."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
