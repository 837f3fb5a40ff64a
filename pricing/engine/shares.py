"""Dividing a job's quantity over several projects."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm


def shares(quantity: int, percents: Sequence[Decimal]) -> list[int]:
    """Divide base units by percentages that sum to 100; the parts sum to the quantity exactly.

    Largest remainder: each part is its exact share rounded down or up; what is left over goes to
    the largest remainders, of equal ones to the first. Raises ValueError.
    """
    parts_of_100 = sum(map(Fraction, percents))  # exact, as sums of Decimals are not
    if quantity < 0 or any(percent < 0 for percent in percents) or parts_of_100 != 100:
        raise ValueError(f"{quantity} can't be divided by {', '.join(map(str, percents))} percent")
    whole = lcm(*(percent.as_integer_ratio()[1] for percent in percents))
    exact = [divmod(quantity * int(percent * whole), 100 * whole) for percent in percents]
    parts = [floor for floor, _ in exact]
    left = quantity - sum(parts)
    by_remainder = sorted(range(len(exact)), key=lambda place: -exact[place][1])
    for place in by_remainder[:left]:
        parts[place] += 1
    return parts
