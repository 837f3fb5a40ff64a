"""How pulls are told on a terminal, and how days are given there. In English, as all commands."""

from argparse import ArgumentTypeError
from datetime import date, timedelta

from usage.models import Window
from usage.pulls import Progress


def day_argument(text: str) -> date:
    """Return the day that an argument such as 2026-11-30 names. Raises ArgumentTypeError."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is not a day: write 2026-11-30.") from error


def window_line(window: Window) -> str:
    """Return one line on a window: its span, what became of it, who answered and who did not."""
    line = f"{window.start:%Y-%m-%d %H:%M} – {window.end:%Y-%m-%d %H:%M} UTC: {window.status}"
    if window.source:
        line += f" from {window.source}"
    for attempt in window.tried:
        line += f"; {attempt['source']} failed ({attempt['code']})"
    return line


def progress_line(found: Progress) -> str:
    """Return one line on how far a pull is, and how long it may take still."""
    line = f"{found.done} of {found.total} windows ({found.percent} %)"
    if found.failed:
        line += f", {found.failed} failed"
    if found.left is not None:
        line += f", about {short(found.left)} left"
    return line


def short(span: timedelta) -> str:
    """Return a time to wait as people say it, such as ``2 h 5 min``."""
    seconds = int(span.total_seconds())
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
