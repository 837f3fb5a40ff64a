"""Charges and ratings as lines of COPY's text format: the fast way into the database.

Nothing in them needs escaping: keys, numbers, moments, and codes that CHECKs of the database know.
"""

import hashlib
from decimal import Decimal

from pricing.judging import JobFacts, Verdict
from pricing.models import Charge

CHARGE_COLUMNS = (
    "job_id", "project_id", "resource", "generation", "rate_id", "job_end", "quantity",
    "unit_size", "unit_price", "amount", "currency", "estimated", "reverses_id",
)  # fmt: skip
RATING_COLUMNS = (
    "job_id", "status", "reason", "project_id", "job_revision", "generation", "since", "due",
)  # fmt: skip
NULL = "\\N"
ZERO = Decimal(0)


class ChargeLines:
    """Makes the lines of a batch's charges; counts them, adds them up and takes their digest.

    The digest is the SHA-256 over all lines in their order, in UTF-8: CHARGE_COLUMNS with a tab
    between them and a line feed at the end.
    """

    def __init__(self) -> None:
        self.count = 0
        self.amounts: dict[str, Decimal] = {}
        self._sha256 = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()

    def charge(self, job: JobFacts, verdict: Verdict, generation: int) -> str:
        """Return the charges that a job comes to."""
        head = f"{job.pk}\t{verdict.project_id}\t"
        middle, end = f"\t{generation}\t", f"\t{job.end_text}\t"
        tail = f"\t{'t' if job.estimated else 'f'}\t{NULL}\n"
        lines = []
        for resource, quantity, unit_size, rate, amount, currency in verdict.amounts:
            lines.append(
                f"{head}{resource}{middle}{rate.rate_id}{end}{quantity}\t{unit_size}"
                f"\t{rate.unit_price!s}\t{amount!s}\t{currency}{tail}"
            )
            self.amounts[currency] = self.amounts.get(currency, ZERO) + amount
        self.count += len(lines)
        return self._taken("".join(lines))

    def reversal(self, charge: Charge) -> str:
        """Return the charge that negates another one exactly."""
        return self._like(charge, charge.generation, -charge.quantity, -charge.amount, charge.pk)

    def replacement(self, charge: Charge, generation: int) -> str:
        """Return the charge that stands in for one that was reversed, under the same rate."""
        return self._like(charge, generation, charge.quantity, charge.amount, NULL)

    def _like(
        self, charge: Charge, generation: int, quantity: int, amount: Decimal, reverses: int | str
    ) -> str:
        self.count += 1
        self.amounts[charge.currency] = self.amounts.get(charge.currency, ZERO) + amount
        return self._taken(
            f"{charge.job_id}\t{charge.project_id}\t{charge.resource}\t{generation}"
            f"\t{charge.rate_id}\t{charge.job_end.isoformat(sep=' ')}\t{quantity}"
            f"\t{charge.unit_size}\t{charge.unit_price!s}\t{amount!s}\t{charge.currency}"
            f"\t{'t' if charge.estimated else 'f'}\t{reverses}\n"
        )

    def _taken(self, text: str) -> str:
        self._sha256.update(text.encode())
        return text


def rating_line(job: JobFacts, verdict: Verdict, generation: int, since: str) -> str:
    """Return the rating of a job that had none."""
    project = NULL if verdict.project_id is None else verdict.project_id
    return (
        f"{job.pk}\t{verdict.status}\t{verdict.reason}\t{project}\t{job.revision}"
        f"\t{generation}\t{since}\tf\n"
    )
