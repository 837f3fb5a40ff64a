"""What a job and a month come to at least and at most."""

from decimal import Decimal

from core.money import CHARGE_DECIMALS, round_half_up
from pricing.engine.errors import InvalidRate


def job_minimum(total: Decimal, *, minimum: Decimal, percent: Decimal = Decimal(100)) -> Decimal:
    """Return what a job's own minimum charge adds to the sum of its charges; often nothing.

    ``percent`` is the part of a split job that this project bears: it bears that part of the
    minimum too.
    """
    least = round_half_up((minimum * percent).scaleb(-2), CHARGE_DECIMALS)
    return max(least - total, Decimal(0))


def true_up(total: Decimal, *, cap: Decimal | None, commitment: Decimal | None) -> Decimal:
    """Return what closing a month adds to its charges so that they keep to cap and commitment.

    Negative above the cap, positive below the commitment, else zero. Raises InvalidRate if the cap
    is below the commitment.
    """
    if cap is not None and commitment is not None and cap < commitment:
        raise InvalidRate("the cap is below the commitment")
    if cap is not None and total > cap:
        return cap - total
    if commitment is not None and total < commitment:
        return commitment - total
    return Decimal(0)
