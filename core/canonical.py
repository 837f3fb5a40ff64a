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
    if type(value) is int or type(value) is str:  # most there is: keys of charges by the thousand
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [_plain(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> str | int | None:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID) or (isinstance(value, date) and not isinstance(value, datetime)):
        return str(value)
    raise TypeError(f"{value!r} has no canonical form")


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value.

    Decimals keep their digits as text, times become UTC with microseconds. Raises TypeError for
    what has no exact text: floats, NaN and infinity, times without a zone, unknown types.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_of(value: Any) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON in UTF-8."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
