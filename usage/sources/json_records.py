"""The records of the ``jobs`` array of a JSON answer, one at a time, in constant memory.

Slurm's answers have grown to gigabytes, and their ``errors`` may stand behind the jobs. So an
answer is read twice: ``check`` finds out whether it is whole and what it says, and only then
``records`` gives its jobs out.

The text is scanned as Latin-1, in which a character is a byte, by Python's own JSON decoder; a
record that is not plain ASCII is then decoded again as the UTF-8 that it is.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from usage.reasons import FileRefused
from usage.sources.unpacking import Readable
from usage.used import StepUse, step_of_record

CHUNK = 1 << 18
MAX_RECORD_BYTES = 32 << 20
MAX_ENVELOPE_BYTES = 1 << 20
MAX_DIGITS = 20
NOTHING_FOUND = 9003
"""The one error number that only says that there is no job."""

_BOM = "\xef\xbb\xbf"
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Record:
    """One element of ``jobs``: its bytes, where they are, and what they say.

    ``faults`` names numbers that no integer can hold; each stands in ``value`` as None.
    """

    offset: int
    raw: bytes
    value: dict[str, Any]
    faults: tuple[str, ...]
    bad_utf8: bool


@dataclass(slots=True)
class Envelope:
    """What stands around the jobs of an answer that is whole, and how many there are."""

    records: int = 0
    meta: dict[str, Any] = field(default_factory=dict)
    errors: list[Any] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    @property
    def failures(self) -> list[Any]:
        """The errors that say more than that nothing was found."""
        return [error for error in self.errors if error_number(error) != NOTHING_FOUND]


@dataclass(frozen=True, slots=True)
class _Element:
    """A piece of the text: its first byte, its characters (Latin-1) and what was decoded."""

    offset: int
    text: str
    value: Any


class _Duplicate(Exception):
    """A key that stands twice in one object."""


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Duplicate(next(key for key, _ in pairs if sum(key == k for k, _ in pairs) > 1))
    return found


def _checked(pairs: Sequence[tuple[str, Any]]) -> bool:
    """Look for duplicate keys, and forget the rest: only whether it is an object is needed."""
    _unique(pairs)
    return True


# ``len`` makes something small of a number's digits, at no cost and whatever they are.
_CHECKING = json.JSONDecoder(
    object_pairs_hook=_checked, parse_int=len, parse_float=len, parse_constant=len
)
_ENVELOPE = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=lambda text: text[:MAX_DIGITS], parse_float=len,
    parse_constant=len,
)  # fmt: skip


class _Numbers:
    """A decoder of records that survives every number, and tells which ones were none."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.decoder = json.JSONDecoder(
            object_hook=_small_step,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=self._fault,
        )

    def _integer(self, text: str) -> int | None:
        if len(text) <= MAX_DIGITS:
            return int(text)
        self._fault(text)
        return None

    def _float(self, text: str) -> float | None:
        value = float(text) if len(text) <= 400 else float("inf")
        if abs(value) != float("inf"):
            return value
        self._fault(text)
        return None

    def _fault(self, text: str) -> None:
        if len(self.faults) < 8:
            self.faults.append(text[:24])


def _small_step(found: dict[str, Any]) -> dict[str, Any] | StepUse:
    """Keep of a job's steps only what they used, as they go by: there may be thousands."""
    return step_of_record(found) if "step" in found else found


class _Cursor:
    """A place in a stream of JSON text, with as much of it in memory as one value needs."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._text = ""
        self._base = 0
        self._at = 0
        self._ended = False

    def skip_mark(self) -> None:
        while len(self._text) < len(_BOM) and self._fill():
            pass
        if self._text.startswith(_BOM):
            self._at = len(_BOM)

    def next(self) -> str:
        """The next character that isn't white space, without passing it; empty at the end."""
        while True:
            text, length = self._text, len(self._text)
            while self._at < length and text[self._at] in _SPACE:
                self._at += 1
            if self._at < length:
                return text[self._at]
            if not self._fill():
                return ""

    def take(self, *wanted: str) -> str:
        """Pass one of the wanted characters and return it. Raises FileRefused."""
        found = self.next()
        if found in wanted:
            self._at += 1
            return found
        raise _cut() if not found else _malformed(self._base + self._at)

    def value(self, decoder: json.JSONDecoder, limit: int, before: Callable[[], None]) -> _Element:
        """Decode the value that begins here. ``before`` is called before each attempt."""
        self.next()
        while True:
            try:
                before()
                value, end = decoder.raw_decode(self._text, self._at)
            except ValueError:
                end, value = 0, None
            except RecursionError:
                raise FileRefused("nested", "This JSON is nested deeper than any answer.") from None
            except _Duplicate as duplicate:
                raise FileRefused(
                    "duplicate_key", f"The JSON has the key {str(duplicate)[:40]!r} twice."
                ) from None
            # A number may go on behind what is there.
            if end and (end < len(self._text) or self._ended):
                break
            self._more(limit)
        element = _Element(self._base + self._at, self._text[self._at : end], value)
        self._at = end
        return element

    def _more(self, limit: int) -> None:
        """Read on, since the value that begins here is not whole."""
        held = len(self._text) - self._at
        if held > limit:
            raise FileRefused(
                "record_too_long",
                f"What begins at byte {self._base + self._at} is no JSON, or longer than {limit}"
                " bytes. Leave the steps of jobs out.",
            )
        if not self._fill(max(CHUNK, held)):
            raise _cut() if self._ended_within() else _malformed(self._base + self._at)

    def _ended_within(self) -> bool:
        """Whether the text that is left could be the beginning of something whole."""
        return self._text[self._at : self._at + 1] in ("", "{", "[", '"', "-", *"0123456789tfn")

    def _fill(self, size: int = CHUNK) -> bool:
        block = b"" if self._ended else self._stream.read(size)
        if not block:
            self._ended = True
            return False
        self._text = self._text[self._at :] + block.decode("latin-1")
        self._base += self._at
        self._at = 0
        return True


def check(stream: Readable, seen: Callable[[bytes], None] = lambda raw: None) -> Envelope:
    """As ``scan``, and refuse an answer that reports errors: its jobs may be there, and wrong."""
    envelope = scan(stream, seen)
    bad = envelope.failures
    if bad:
        raise FileRefused(
            "answer_errors",
            f"Slurm reported errors, so its answer may be partial: {describe_error(bad[0])}",
        )
    return envelope


def scan(stream: Readable, seen: Callable[[bytes], None] = lambda raw: None) -> Envelope:
    """Read an answer to its end and return what stands around its jobs.

    ``seen`` is given the bytes of each record. Raises FileRefused for what is not one whole JSON
    object; one without a ``jobs`` array of objects is refused unless it reports errors instead.
    """
    envelope = Envelope()
    for element in _walk(stream, envelope, _CHECKING, lambda: None):
        if element.value is not True:
            raise _malformed(element.offset)
        envelope.records += 1
        seen(element.text.encode("latin-1"))
    if "jobs" not in envelope.keys and not envelope.failures:
        raise FileRefused("no_jobs", "The JSON has no list of jobs. Is it the answer about jobs?")
    return envelope


def records(stream: Readable) -> Iterator[Record]:
    """Yield the records of an answer that was checked."""
    numbers = _Numbers()
    for element in _walk(stream, Envelope(), numbers.decoder, numbers.faults.clear):
        raw = element.text.encode("latin-1")
        value, bad = element.value, False
        if not element.text.isascii():
            text = raw.decode("utf-8", "replace")
            bad = "\ufffd" in text and not _is_utf8(raw)
            numbers.faults.clear()
            value = numbers.decoder.decode(text)
        said = value if isinstance(value, dict) else {}
        yield Record(element.offset, raw, said, tuple(numbers.faults), bad)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _walk(
    stream: Readable, envelope: Envelope, decoder: json.JSONDecoder, before: Callable[[], None]
) -> Iterator[_Element]:
    """Yield the elements of ``jobs``, and note the rest in the envelope."""
    cursor = _Cursor(stream)
    cursor.skip_mark()
    cursor.take("{")
    more = cursor.next() != "}" or cursor.take("}") != "}"
    while more:
        key = cursor.value(_ENVELOPE, MAX_ENVELOPE_BYTES, lambda: None).value
        if not isinstance(key, str):
            raise _malformed(0)
        if key in envelope.keys:
            raise FileRefused("duplicate_key", f"The JSON has the key {key[:40]!r} twice.")
        envelope.keys.add(key)
        cursor.take(":")
        if key == "jobs":
            yield from _array(cursor, decoder, before)
        else:
            value = cursor.value(_ENVELOPE, MAX_ENVELOPE_BYTES, lambda: None).value
            _note(envelope, key, value)
        more = cursor.take(",", "}") == ","
    if cursor.next():
        raise FileRefused("not_json", "Something follows the end of the JSON.")


def _array(
    cursor: _Cursor, decoder: json.JSONDecoder, before: Callable[[], None]
) -> Iterator[_Element]:
    cursor.take("[")
    if cursor.next() == "]":
        cursor.take("]")
        return
    while True:
        yield cursor.value(decoder, MAX_RECORD_BYTES, before)
        if cursor.take(",", "]") == "]":
            return


def _note(envelope: Envelope, key: str, value: Any) -> None:
    if key == "meta" and isinstance(value, dict):
        envelope.meta = value
    if key == "errors":
        envelope.errors = value if isinstance(value, list) else [value] if value else []


def error_number(error: Any) -> int:
    """The number of an entry of ``errors``, 0 if it has none."""
    number = error.get("error_number", "") if isinstance(error, dict) else ""
    text = str(number)
    return int(text) if text.isascii() and text.isdigit() else 0


def describe_error(error: Any) -> str:
    """An entry of ``errors`` in one short line."""
    if not isinstance(error, dict):
        return str(error)[:200]
    texts = (str(error.get(name) or "") for name in ("description", "error", "source"))
    told = "; ".join(text[:200] for text in texts if text)
    return f"{error_number(error)} {told}".strip()


def _malformed(offset: int) -> FileRefused:
    return FileRefused("not_json", f"This is no answer of Slurm in JSON: see byte {offset}.")


def _cut() -> FileRefused:
    return FileRefused("json_cut", "The JSON is cut off before its end. Nothing of it is used.")
