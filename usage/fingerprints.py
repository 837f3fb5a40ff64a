"""What a job is recognised as unchanged by: identity and all that a price can depend on. Pure.

Not covered: the name, the nodes' names, the display id, flags, and ``started``, which a source
without NodeList can't tell. Nor, of a job that has not ended, its times so far: they grow, and it
is charged at its end only. ``usage.merge`` has the same in SQL, which a test compares.
"""

from datetime import UTC, datetime
from hashlib import sha256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fingerprint(text: str, submit: datetime, start: datetime | None, end: datetime | None) -> str:
    """Return the digest (hex) of a job's times and of ``text``, which says the rest."""
    if start is None or end is None:
        # The epoch stands for no time: no job's time is that early.
        start, end = start or _EPOCH, end or _EPOCH
    since, begun, ended = submit - _EPOCH, start - _EPOCH, end - _EPOCH
    times = (
        f"{since.days * 86400 + since.seconds}\x1f{begun.days * 86400 + begun.seconds}"
        f"\x1f{ended.days * 86400 + ended.seconds}\x1f{text}"
    )
    return sha256(times.encode()).hexdigest()


def measured(*figures: int | None) -> str:
    """Return what was measured of a job as text; an unknown figure is an empty one."""
    return "\x1f".join("" if figure is None else str(figure) for figure in figures)


UNMEASURED = measured(None, None, None)
