"""Every charge of a month computed anew, from the evidence as it came and by what is stored.

``rows`` reads the raw rows again, file by file, and interprets them; ``jobs`` makes charges of them
by the stored lists, and compares; ``counters`` walks the month's counters and true-ups from charge
to charge. Nothing is written. What differs is named: a replay without a difference is exact.
"""

from pricing.replay.found import Difference, Replayed
from pricing.replay.month import replay_month

__all__ = ["Difference", "Replayed", "replay_month"]
