"""What a job is recognised as unchanged by: identity and all that a price can depend on. Pure.

Not covered: the name, the nodes' names, the display id, flags, and ``started``, which a source
without NodeList can't tell. Nor, of a job that has not ended, its times so far: they grow, and it
is charged at its end only. ``usage.merge`` has the same in SQL, which a test compares.
"""

from hashlib import sha256


def fingerprint(text: str, submit: int, start: int | None, end: int | None) -> str:
    """Return the digest (hex) of a job's times, in seconds since 1970, and of ``text``, which says
    the rest."""
    # Zero stands for no time: no job's time is that early.
    return sha256(f"{submit}\x1f{start or 0}\x1f{end or 0}\x1f{text}".encode()).hexdigest()


def measured(*figures: int | None) -> str:
    """Return what was measured of a job as text; an unknown figure is an empty one."""
    return "\x1f".join("" if figure is None else str(figure) for figure in figures)


UNMEASURED = measured(None, None, None)
