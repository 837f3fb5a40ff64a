"""What an explanation consists of, step by step."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.money import total
from pricing.explain.made import Quantity
from pricing.models import RatingReason
from pricing.walk import Walk, plain
from usage.models import Job
from usage.stages import Stage


class PaidBy(StrEnum):
    """Why a project pays for a job."""

    MAPPING = "mapping"
    ACCOUNT = "account"
    OWNER = "owner"
    STORED = "stored"


class ListVerdict(StrEnum):
    """Why a published list counts, or does not."""

    COUNTS = "counts"
    BEGINS_LATER = "begins_later"
    OLDER = "older"
    REPLACED = "replaced"
    ENDED = "ended"


class Layer(StrEnum):
    """Whose list: negotiated ones come before the tier's, resource by resource."""

    USER = "user"
    PROJECT = "project"
    TIER = "tier"


class RateVerdict(StrEnum):
    """Why a rate prices a charge, or does not."""

    WINS = "wins"
    OTHER_CLUSTER = "other_cluster"
    OTHER_PARTITION = "other_partition"
    OTHER_QOS = "other_qos"
    OTHER_TYPE = "other_type"
    LESS_SPECIFIC = "less_specific"
    LATER_LAYER = "later_layer"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the accounting row stands: line of an import's input, which has a digest."""

    import_id: int
    origin: str
    line: int
    sha256: str
    revision: int


@dataclass(frozen=True, slots=True)
class TierStep:
    """The tier of the project at the job's end, and since and until when it has it."""

    code: str
    name: str
    starts_at: datetime
    ends_at: datetime | None
    override_reason: str


@dataclass(frozen=True, slots=True)
class ListStep:
    """A published list of the project's tier, the project or the user, and whether it counts for
    the job's end."""

    price_list: int
    name: str
    layer: Layer
    effective_at: datetime
    ends_at: datetime | None
    revision: int
    currency: str
    published_at: datetime | None
    verdict: ListVerdict


@dataclass(frozen=True, slots=True)
class RateStep:
    """A rate that could price a charge's resource. ``criteria`` are what it is limited to."""

    rate: int
    price_list_name: str
    layer: Layer
    resource: str
    criteria: tuple[tuple[str, str], ...]
    verdict: RateVerdict


@dataclass(frozen=True, slots=True)
class CounterStep:
    """A price by the month: that of the quantity after the charge, less what was charged before.

    ``until_now`` is None where what was charged before is not the price of the counter's quantity:
    charges had been taken back, or it is the first of the month.
    """

    before: int
    after: int
    so_far: Decimal
    total: Decimal
    until_now: Walk | None
    with_it: Walk


@dataclass(frozen=True, slots=True)
class ChargeStep:
    """A charge and its arithmetic.

    Where there is a unit price: quantity ÷ unit size × unit price, rounded half up at six decimals.
    Where a counter prices (``counter``): the price of the month's quantity with this charge, less
    what was charged before. ``unrounded`` is the amount before rounding, cut off after twelve
    decimals; ``is_exact`` tells that nothing had to be rounded. ``made_of`` is None where the row
    as it is now gives another quantity: the charge is of an earlier revision of it. ``least`` is
    the list's minimum of a job, of which a minimum charge is what was missing. What was charged by
    hand has no list (0); its text stands in the place of the name.
    """

    charge: int
    kind: str
    resource: str
    basis: str
    quantity: int
    made_of: Quantity | None
    unit_size: int
    unit_price: Decimal | None
    model: str
    counter: CounterStep | None
    least: Decimal | None
    unrounded: str
    is_exact: bool
    amount: Decimal
    currency: str
    price_list: int
    price_list_name: str
    rates: tuple[RateStep, ...]
    project: str
    share_percent: Decimal | None
    generation: int
    created_at: datetime
    reverses: int | None
    reversed_by: int | None

    @property
    def expression(self) -> str:
        """The arithmetic as one types it into a calculator."""
        if self.unit_price is not None:
            return f"{self.quantity} / {self.unit_size} * {plain(self.unit_price)}"
        if self.counter is not None and self.reverses is None:
            return f"{self.counter.total:f} - {self.counter.so_far:f}"
        if self.least is not None and self.reverses is None:
            return f"{self.least:f} - {self.least - self.amount:f}"
        return f"{self.amount:f}"


@dataclass(frozen=True, slots=True)
class NotPriced:
    """A resource that the job held and that costs nothing: free by the list, or covered by an
    equivalent (whose code is told)."""

    resource: str
    covered_by: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A job's way to its amount. ``stage`` says where it stands; ``reason`` why without a price.
    ``prices_of`` is the project whose tier and lists are told: the job's, or to a reader who only
    pays a share of it, the one that pays the share; empty if none is told.

    ``missing_rates`` are resources that were used and that the lists have no price for;
    ``not_used`` are those that cost nothing because the job used none; ``not_priced`` those that
    were used and are free. ``elsewhere_percent`` is the part of a split job that projects pay which
    the reader doesn't see. ``exempt_because`` is the reason of the cluster's exemption, or of the
    list's rule for the end state. ``outdated`` tells that by the tiers and lists of today another
    list counts than the one that was charged by; ``to_correct`` that its charges would be others
    now, and can't be replaced while they are on a document.
    """

    job: Job
    source: Source
    stage: Stage
    reason: str
    project: str
    project_name: str
    paid_by: PaidBy | None
    prices_of: str
    tier: TierStep | None
    lists: tuple[ListStep, ...]
    charges: tuple[ChargeStep, ...]
    earlier: tuple[ChargeStep, ...]
    not_used: tuple[str, ...]
    not_priced: tuple[NotPriced, ...]
    missing_rates: tuple[str, ...]
    outdated: bool
    elsewhere_percent: Decimal | None = None
    exempt_because: str = ""
    to_correct: bool = False

    @property
    def total(self) -> Decimal:
        """The sum of the charges in force, at six decimals."""
        return total(step.amount for step in self.charges)

    @property
    def currency(self) -> str:
        return self.charges[0].currency if self.charges else ""

    @property
    def reason_text(self) -> str:
        """Why there is no price, in the current language."""
        return str(RatingReason(self.reason).label) if self.reason else ""

    @property
    def counting(self) -> tuple[ListStep, ...]:
        """The lists that count for the job's end, negotiated ones first."""
        return tuple(step for step in self.lists if step.verdict is ListVerdict.COUNTS)
