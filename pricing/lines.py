"""Charges and ratings as lines of COPY's text format: the fast way into the database.

Nothing in them needs escaping: keys, numbers, moments, and codes that CHECKs of the database know.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from accounts.periods import PeriodBook
from core.intervals import microseconds
from core.money import CHARGE_DECIMALS
from pricing.counting import Priced
from pricing.engine import PricedRate
from pricing.judging import JobFacts, Verdict
from pricing.models import Charge

CHARGE_COLUMNS = (
    "job_id", "project_id", "resource", "generation", "rate_id", "job_end", "period_id", "quantity",
    "unit_size", "unit_price", "amount", "currency", "estimated", "reverses_id",
)  # fmt: skip
"""What a charge of one project by one price says; the other columns have their defaults."""
WIDE_COLUMNS = (
    *CHARGE_COLUMNS, "share_id", "kind", "price_list_id", "counter_before", "counter_after",
    "basis",
)  # fmt: skip
RATING_COLUMNS = (
    "job_id", "status", "reason", "project_id", "job_revision", "generation", "since", "due",
)  # fmt: skip
NULL = "\\N"
_NO_COUNTER = f"\t{NULL}\t{NULL}\tusage\t{NULL}\t{NULL}\t{NULL}\t\n"


class ChargeLines:
    """Makes the lines of a batch's charges; counts them, adds them up and takes their digest.

    ``periods`` says where each is booked; for lines that are made while COPY runs it has to cover
    their ends before.

    The digest is the SHA-256 over all lines in their order, in UTF-8: CHARGE_COLUMNS or
    WIDE_COLUMNS with a tab between them and a line feed at the end. Amounts by plain prices stand
    there in millionths (``750000e-6``), others as they are printed (``0.750000``).
    """

    def __init__(self, periods: PeriodBook) -> None:
        self._booked = periods.of
        self.count = 0
        self._millionths: dict[str, int] = defaultdict(int)
        self._prices: dict[int, str] = {}
        self._sha256 = hashlib.sha256()

    @property
    def amounts(self) -> dict[str, Decimal]:
        """The sums by currency."""
        return {code: Decimal(f"{n}e-{CHARGE_DECIMALS}") for code, n in self._millionths.items()}

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()

    def charge(self, job: JobFacts, verdict: Verdict, generation: int) -> str:
        """Return the charges of a job by plain prices, in CHARGE_COLUMNS."""
        return self._plain(job, verdict, generation, f"\t{NULL}\n")

    def plain(self, job: JobFacts, verdict: Verdict, generation: int) -> str:
        """Return what ``charge`` does, in WIDE_COLUMNS."""
        return self._plain(job, verdict, generation, _NO_COUNTER)

    def _plain(self, job: JobFacts, verdict: Verdict, generation: int, rest: str) -> str:
        head = f"{job.pk}\t{verdict.project_id}\t"
        middle = f"\t{generation}\t"
        end = f"\t{job.end_text}\t{self._booked(job.end)}\t"
        tail = f"\t{'t' if job.estimated else 'f'}{rest}"
        lines, prices = [], self._prices
        for resource, quantity, rate, millionths, currency in verdict.amounts:
            price = prices.get(rate.rate_id) or self._price(rate)
            lines.append(
                f"{head}{resource}{middle}{rate.rate_id}{end}{quantity}{price}"
                f"{millionths}e-{CHARGE_DECIMALS}\t{currency}{tail}"
            )
            self._millionths[currency] += millionths
        self.count += len(lines)
        return self._taken("".join(lines))

    def _price(self, rate: PricedRate) -> str:
        text = f"\t{rate.unit_size}\t{rate.unit_price!s}\t"
        return self._prices.setdefault(rate.rate_id, text)

    def priced(self, job: JobFacts, charges: Iterable[Priced], generation: int) -> str:
        """Return a job's charges in WIDE_COLUMNS."""
        estimated = "t" if job.estimated else "f"
        end = job.end_text, self._booked(job.end)
        return "".join(
            self._wide(charge, f"{job.pk}", generation, end, estimated=estimated)
            for charge in charges
        )

    def jobless(self, charge: Priced) -> str:
        """Return a charge that has no job, in WIDE_COLUMNS."""
        end = self._end(datetime.fromisoformat(charge.end_text))
        return self._wide(charge, NULL, 1, end, estimated="f")

    def reversal(self, charge: Charge, counter: tuple[int | None, int | None]) -> str:
        """Return the charge that negates another one exactly, in WIDE_COLUMNS; ``counter`` is
        where its counter stands before and after."""
        negated = like(charge, counter, -charge.quantity, -charge.amount)
        return self._of(charge, negated, charge.generation, charge.pk)

    def replacement(self, charge: Charge, priced: Priced, generation: int) -> str:
        """Return the charge that stands in for one that was reversed, in WIDE_COLUMNS."""
        return self._of(charge, priced, generation, NULL)

    def _of(self, charge: Charge, priced: Priced, generation: int, reverses: int | str) -> str:
        job = NULL if charge.job_id is None else f"{charge.job_id}"
        estimated = "t" if charge.estimated else "f"
        end = self._end(charge.job_end)
        return self._wide(priced, job, generation, end, estimated=estimated, reverses=reverses)

    def _end(self, moment: datetime) -> tuple[str, str]:
        """Return the end as text, and the period into which it is booked."""
        return moment.isoformat(sep=" "), self._booked(microseconds(moment))

    def _wide(
        self,
        charge: Priced,
        job: str,
        generation: int,
        end: tuple[str, str],
        *,
        estimated: str,
        reverses: int | str = NULL,
    ) -> str:
        self.count += 1
        self._millionths[charge.currency] += int(charge.amount.scaleb(CHARGE_DECIMALS))
        values = (
            job, charge.project_id, charge.resource, generation, charge.rate_id, *end,
            charge.quantity, charge.unit_size, charge.unit_price, charge.amount, charge.currency,
            estimated, reverses, charge.share_id, charge.kind, charge.price_list_id,
            charge.counter_before, charge.counter_after, charge.basis,
        )  # fmt: skip
        text = "\t".join(NULL if value is None else str(value) for value in values)
        return self._taken(f"{text}\n")

    def _taken(self, text: str) -> str:
        self._sha256.update(text.encode())
        return text


def like(
    charge: Charge, counter: tuple[int | None, int | None], quantity: int, amount: Decimal
) -> Priced:
    """Return a charge that is like another one but for where its counter stands, the quantity and
    the amount."""
    return Priced(
        charge.project_id, charge.share_id, charge.kind, charge.resource, charge.rate_id,
        charge.price_list_id, quantity, charge.unit_size, charge.unit_price, *counter, amount,
        charge.currency, charge.basis,
    )  # fmt: skip


def rating_line(job: JobFacts, verdict: Verdict, generation: int, since: str) -> str:
    """Return the rating of a job that had none."""
    project = NULL if verdict.project_id is None else verdict.project_id
    return (
        f"{job.pk}\t{verdict.status}\t{verdict.reason}\t{project}\t{job.revision}"
        f"\t{generation}\t{since}\tf\n"
    )
