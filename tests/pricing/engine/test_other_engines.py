"""Prices that other usage-billing engines document, computed by ours.

Each table names the page or file that its numbers are quoted from. Where engines differ in what no
usage costs, both answers are here: it is a setting of the rate.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import pytest

from pricing.engine import Model, Rate, Slab, cumulative, true_up
from pricing.resources import resource_of


def rate(model: str, *slabs: tuple[str | None, str, str], **terms: object) -> Rate:
    """Slabs are (up to, unit price, flat fee); a unit is that of a SKU."""
    made = tuple(
        Slab(None if up_to is None else Decimal(up_to), Decimal(price), Decimal(fee))
        for up_to, price, fee in slabs
    )
    code = "sku:call"
    numbers = {key: Decimal(v) if isinstance(v, str) else v for key, v in terms.items()}
    return Rate(
        1,
        1,
        "USD",
        code,
        Model(model),
        made,
        resource_of(code).unit_size,
        **numbers,  # type: ignore[arg-type]
    )


class Table(NamedTuple):
    """A price as documented, and what so many units of it cost there."""

    source: str
    rate: Rate
    totals: dict[str, str]


STRIPE_FONTS = (("5", "7", "0"), ("10", "6.5", "0"), (None, "6", "0"))
STRIPE_UNITS = (
    ("5", "5", "0"),
    ("10", "4", "0"),
    ("15", "3", "0"),
    ("20", "2", "0"),
    (None, "1", "0"),
)
LAGO_GRADUATED = (("10", "10", "2"), ("20", "5", "3"), (None, "5", "3"))
LAGO_VOLUME = (("100", "2", "10"), ("200", "1", "0"), (None, "0.5", "50"))
OPENMETER_VOLUME = (("5", "0", "100"), ("10", "0", "150"), ("15", "10", "0"), (None, "5", "0"))
OPENMETER_GRADUATED = (("5", "0", "100"), ("10", "0", "50"), ("15", "10", "0"), (None, "5", "0"))
ORACLE_UNITS = (("250", "1", "0"), ("500", "2", "0"), (None, "3", "0"))
ORACLE_SLABS = (("250", "0", "10"), ("500", "0", "20"), (None, "0", "30"))
ORACLE = (
    "docs.oracle.com/en/industries/financial-services/banking-liquidity-management-cloud-service/"
    "14.7.4.0.0/oblug/examples-tier-based-amount.html"
)

TABLES = {
    "Stripe, one price": Table(
        "stripe.com/docs/billing/subscriptions/tiers",
        rate("flat", (None, "5", "0")),
        {"1": "5", "5": "25", "6": "30", "20": "100", "25": "125"},
    ),
    "Stripe, volume": Table(
        "stripe.com/docs/billing/subscriptions/tiers",
        rate("volume", *STRIPE_UNITS),
        {"1": "5", "5": "25", "6": "24", "20": "40", "25": "25"},
    ),
    "Stripe, graduated": Table(
        "stripe.com/docs/billing/subscriptions/tiers: 25 for the first 5, and 4 for the sixth",
        rate("graduated", *STRIPE_UNITS),
        {"6": "29"},
    ),
    "Stripe, volume of fonts": Table(
        "docs.stripe.com/subscriptions/pricing-models/tiered-pricing",
        rate("volume", *STRIPE_FONTS),
        {"1": "7", "5": "35", "6": "39", "20": "120", "25": "150"},
    ),
    "Stripe, graduated fonts": Table(
        "docs.stripe.com/subscriptions/pricing-models/tiered-pricing",
        rate("graduated", *STRIPE_FONTS),
        {"5": "35"},
    ),
    "Lago, graduated, nothing for nothing": Table(
        "getlago/lago-api 14c9e1d8 spec/services/charges/charge_models/graduated_service_spec.rb",
        rate("graduated", ("10", "10", "2"), (None, "5", "3")),
        {"0": "0", "1": "12", "10": "102", "11": "110", "12": "115"},
    ),
    "Lago, graduated, a fee for nothing": Table(
        "getlago/lago-api 21b5d477 spec/services/charge_models/graduated_service_spec.rb",
        rate("graduated", *LAGO_GRADUATED, fee_at_zero=True),
        {"0": "2", "1": "12", "10": "102", "11": "110", "12": "115", "21": "163"},
    ),
    "Lago, graduated, first slab for free": Table(
        "getlago/lago-api 21b5d477 spec/services/charge_models/graduated_service_spec.rb",
        rate(
            "graduated", ("0.01", "0", "0"), ("10", "10", "2"), (None, "5", "3"), fee_at_zero=True
        ),
        {"0": "0"},
    ),
    "Lago, graduated, slabs of parts of a unit": Table(
        "getlago/lago-api 21b5d477 spec/services/charge_models/graduated_service_spec.rb",
        rate("graduated", ("0.1", "10", "0"), ("1", "5", "0"), (None, "2", "0")),
        {"0.05": "0.5", "0.5": "3"},
    ),
    "Lago, graduated, of the guide": Table(
        "getlago.com/docs/guide/plans/charges/charge-models/graduated.md: 1 for each of the first"
        " 100, 0.50 for the next 100, then 0.10",
        rate("graduated", ("100", "1", "0"), ("200", "0.5", "0"), (None, "0.1", "0")),
        {"100": "100", "200": "150", "201": "150.1"},
    ),
    "Lago, volume": Table(
        "getlago/lago-api 130b2749 spec/services/charges/charge_models/volume_service_spec.rb",
        rate("volume", *LAGO_VOLUME),
        {"0": "0", "1": "12", "100": "210", "101": "101", "200": "200", "300": "200"},
    ),
    "Lago, volume, of the guide": Table(
        "getlago.com/docs/guide/plans/charges/charge-models/volume.md",
        rate(
            "volume",
            ("10000", "0.0010", "10"),
            ("50000", "0.0008", "10"),
            ("100000", "0.0006", "10"),
            (None, "0.0004", "10"),
        ),
        {"65000": "49"},
    ),
    "Lago, package": Table(
        "getlago/lago-api 0a09b0bd spec/services/charges/charge_models/package_service_spec.rb",
        rate("package", (None, "100", "0"), package_units="10"),
        {"121": "1300"},
    ),
    "Lago, package with free units": Table(
        "getlago/lago-api 0a09b0bd spec/services/charges/charge_models/package_service_spec.rb",
        rate("package", (None, "100", "0"), package_units="10", allowance="10"),
        {"121": "1200"},
    ),
    "Lago, package, of the guide": Table(
        "getlago.com/docs/guide/plans/charges/charge-models/package.md",
        rate("package", (None, "5", "0"), package_units="100", allowance="100"),
        {"100": "0", "201": "10"},
    ),
    "OpenMeter, package": Table(
        "openmeterio/openmeter 4897a975 openmeter/billing/service/lineservice/pricepackage_test.go",
        rate("package", (None, "15", "0"), package_units="10"),
        {"0": "0", "1": "15", "9": "15", "10": "15", "11": "30", "60": "90", "110": "165"},
    ),
    "OpenMeter, volume with flat prices": Table(
        "openmeterio/openmeter 24f44033"
        " openmeter/billing/service/lineservice/pricevolumetiered_test.go",
        rate("volume", *OPENMETER_VOLUME, fee_at_zero=True),
        {
            "0": "100",
            "3": "100",
            "5": "100",
            "7": "150",
            "14": "140",
            "15": "150",
            "16": "80",
            "100": "500",
        },
    ),
    "OpenMeter, volume by unit alone": Table(
        "openmeterio/openmeter 24f44033"
        " openmeter/billing/service/lineservice/pricevolumetiered_test.go",
        rate("volume", (None, "5", "0"), fee_at_zero=True),
        {"0": "0"},
    ),
    "OpenMeter, graduated with flat prices": Table(
        "openmeterio/openmeter 182a332b"
        " openmeter/billing/service/lineservice/pricegraduatedtiered_test.go",
        rate("graduated", *OPENMETER_GRADUATED, fee_at_zero=True),
        {"0": "100", "3": "100", "5": "100", "5.001": "150", "7": "150", "12": "170", "22": "235"},
    ),
    "Chargebee, package": Table(
        "chargebee.com/docs/billing/2.0/product-catalog/package-pricing",
        rate("package", (None, "1.25", "0"), package_units="1000000"),
        {"10": "1.25", "1000000": "1.25", "1500000": "2.5"},
    ),
    "Zuplo, one price": Table(
        "zuplo.com/docs/articles/monetization/pricing-models",
        rate("flat", (None, "0.001", "0")),
        {"100000": "100"},
    ),
    "Zuplo, graduated": Table(
        "zuplo.com/docs/articles/monetization/pricing-models",
        rate("graduated", ("1000", "0.10", "0"), ("10000", "0.05", "0"), (None, "0.01", "0")),
        {"15000": "600"},
    ),
    "Zuplo, volume": Table(
        "zuplo.com/docs/articles/monetization/pricing-models",
        rate("volume", ("1000", "0.10", "0"), ("10000", "0.05", "0"), (None, "0.01", "0")),
        {"15000": "150"},
    ),
    "Autumn, graduated": Table(
        "docs.useautumn.com/documentation/modelling-pricing/graduated-pricing.md",
        rate("graduated", ("1000", "0.01", "0"), ("10000", "0.008", "0"), (None, "0.005", "0")),
        {"15000": "107"},
    ),
    "Flexprice, started packages": Table(
        "docs.flexprice.io/docs/product-catalogue/plans/billing-models/tiered: 4.5 packages are 5",
        rate("package", (None, "1", "0"), package_units="1000"),
        {"4500": "5"},
    ),
    "Flexprice, a price for a range": Table(
        "docs.flexprice.io/docs/product-catalogue/plans/billing-models/package.md",
        rate("volume", ("1000", "0", "50"), ("5000", "0", "200"), (None, "0", "350")),
        {"1500": "200", "4500": "200"},
    ),
    "Oracle, slabs by unit": Table(ORACLE, rate("graduated", *ORACLE_UNITS), {"1000": "2250"}),
    "Oracle, slabs by fee": Table(ORACLE, rate("graduated", *ORACLE_SLABS), {"1000": "60"}),
    "Oracle, variable by unit": Table(ORACLE, rate("volume", *ORACLE_UNITS), {"1000": "3000"}),
    "Oracle, variable by fee": Table(ORACLE, rate("volume", *ORACLE_SLABS), {"1000": "30"}),
}


def rows(tables: dict[str, Table]) -> Iterator[object]:
    for name, table in tables.items():
        for units, total in table.totals.items():
            yield pytest.param(table.rate, units, total, id=f"{name}: {units}")


@pytest.mark.parametrize(("priced", "units", "total"), [*rows(TABLES)])
def test_the_price_is_the_documented_one(priced: Rate, units: str, total: str) -> None:
    assert cumulative(priced, int(Decimal(units) * priced.unit_size)) == Decimal(total)


@pytest.mark.parametrize(
    ("priced", "before", "units", "charge"),
    [
        # pricepackage_test.go: after 17 units in two packages, 5 more begin a third.
        (TABLES["OpenMeter, package"].rate, "17", "5", "15"),
        # pricegraduatedtiered_test.go: from 12 to 22 units, 3 at 5 and 7 at 1.
        (
            rate(
                "graduated",
                ("5", "0", "100"),
                ("10", "0", "50"),
                ("15", "5", "0"),
                (None, "1", "0"),
            ),
            "12",
            "10",
            "22",
        ),
        # pricegraduatedtiered_test.go: the flat price of a slab is not billed again in it.
        (TABLES["OpenMeter, graduated with flat prices"].rate, "7", "1", "0"),
        # stripe.com/docs/billing/subscriptions/tiers: the total goes down from 5 to 6 units.
        (TABLES["Stripe, volume"].rate, "5", "1", "-1"),
        # volume_service_spec.rb: 210 at the limit of the first range, 101 one unit later.
        (TABLES["Lago, volume"].rate, "100", "1", "-109"),
    ],
)
def test_a_later_part_is_charged_the_difference(
    priced: Rate, before: str, units: str, charge: str
) -> None:
    start = int(Decimal(before) * priced.unit_size)
    end = start + int(Decimal(units) * priced.unit_size)
    assert cumulative(priced, end) - cumulative(priced, start) == Decimal(charge)


@pytest.mark.parametrize(
    ("total", "cap", "commitment", "line"),
    [
        # pricevolumetiered_test.go: minimum spend, and maximum spend of 125 at a price of 150
        ("100", None, "150", "50"),
        ("500", None, "100", "0"),
        ("100", None, "100", "0"),
        ("100", "100", None, "0"),
        ("150", "125", None, "-25"),
        # pricepackage_test.go: no usage with a minimum spend; 90 + 75 with a maximum of 100
        ("0", None, "100", "100"),
        ("15", "100", None, "0"),
        ("165", "100", None, "-65"),
        # pricegraduatedtiered_test.go: the rest to a minimum of 1000 after a fee of 100; 160 + 22
        # with a maximum of 170
        ("100", None, "1000", "900"),
        ("182", "170", None, "-12"),
    ],
)
def test_a_month_is_brought_to_its_cap_or_commitment_as_in_openmeter(
    total: str, cap: str | None, commitment: str | None, line: str
) -> None:
    assert true_up(
        Decimal(total),
        cap=None if cap is None else Decimal(cap),
        commitment=None if commitment is None else Decimal(commitment),
    ) == Decimal(line)
