"""Why a job, a charge or nothing: every step from the accounting row to the amount.

``job`` walks from the row over payer, split, tier and lists to the charges; ``chosen`` says rule by
rule which list counts and which rate wins; ``made`` how a quantity comes about; ``charges`` how an
amount does; ``steps`` is what all that consists of. Commands, API and pages show it; the words are
in ``pricing.wording``.
"""

from pricing.explain.job import explain_charge, explain_job
from pricing.explain.steps import (
    ChargeStep,
    CounterStep,
    Explanation,
    Layer,
    ListStep,
    ListVerdict,
    NotPriced,
    PaidBy,
    RateStep,
    RateVerdict,
)

__all__ = [
    "ChargeStep",
    "CounterStep",
    "Explanation",
    "Layer",
    "ListStep",
    "ListVerdict",
    "NotPriced",
    "PaidBy",
    "RateStep",
    "RateVerdict",
    "explain_charge",
    "explain_job",
]
