"""Prices, computed: values in, values out. No Django, no I/O, no floats.

``rates`` says what a quantity costs, ``choice`` which rate of a list is for a job, ``terms`` what a
list says beside its rates, ``tariff`` and ``shape`` bring these together for jobs of a kind,
``quantities`` measures a job, ``shares`` divides it over projects, ``period`` closes a month, and
``errors`` are the reasons for having no price. The order is: quantum, minimum time, shares, each
share's own tier, list and counter, allowance, slabs, discounts, minimum per job, cap and
commitment.
"""

from pricing.engine.choice import choose, criteria, specificity, ties
from pricing.engine.errors import (
    ExemptByState,
    InvalidRate,
    NoRate,
    TooLarge,
    Unpriceable,
    Unreadable,
)
from pricing.engine.period import job_minimum, true_up
from pricing.engine.plain import Amount, PricedRate, Prices
from pricing.engine.quantities import Measured, Usage, measure
from pricing.engine.rates import Basis, Model, Rate, Slab, cumulative, linear_amount
from pricing.engine.shape import FALLBACK, Item
from pricing.engine.shares import shares
from pricing.engine.tariff import Tariff
from pricing.engine.terms import Equivalent, Part, StatePolicy, Terms

__all__ = [
    "FALLBACK",
    "Amount",
    "Basis",
    "Equivalent",
    "ExemptByState",
    "InvalidRate",
    "Item",
    "Measured",
    "Model",
    "NoRate",
    "Part",
    "PricedRate",
    "Prices",
    "Rate",
    "Slab",
    "StatePolicy",
    "Tariff",
    "Terms",
    "TooLarge",
    "Unpriceable",
    "Unreadable",
    "Usage",
    "choose",
    "criteria",
    "cumulative",
    "job_minimum",
    "linear_amount",
    "measure",
    "shares",
    "specificity",
    "ties",
    "true_up",
]
