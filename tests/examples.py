"""How many examples a property is tried with when each of them is a whole story of billing."""

from hypothesis import settings

SUITE = 15


def few(count: int) -> int:
    """`count` in the ordinary suite, and as many times more as the profile shows than that.

    A default of Hypothesis would be a hundred stories of a second each. `make test-properties` and
    `HYPOTHESIS_PROFILE=thorough` look longer at all properties, these too.
    """
    return max(1, count * settings().max_examples // SUITE)
