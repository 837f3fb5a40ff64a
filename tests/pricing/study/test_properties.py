"""On random lists and jobs: both ways of a study agree with each other and with rating."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Project
from hpcbilling.workflows import rate_pending
from pricing.models import PriceList
from pricing.selectors import live_charges
from pricing.study import study
from tests.examples import few
from tests.factories import (
    COLUMNS,
    OCTOBER,
    SYSTEM,
    Row,
    import_bytes,
    make_cluster,
    make_project,
)
from tests.pricing.lists import draft, flat, publish, slabs, split

pytestmark = pytest.mark.django_db
PARTITIONS, STATES = ("cpu", "gpu"), ("COMPLETED", "NODE_FAIL", "FAILED")

prices = st.decimals(0, 20, places=6).map(str)
wheres = st.sampled_from(({}, {"partition": "gpu"}, {"qos": "long"}))
extras = st.sampled_from(
    (
        {},
        {"allowance": Decimal("1.5")},
        {"discount_percent": Decimal("12.5")},
        {"discount_amount": Decimal(3)},
    )
)


@st.composite
def rates_of(draw: st.DrawFn, resource: str) -> dict[str, Any]:
    """A rate of any model."""
    kind = draw(st.sampled_from(("flat", "graduated", "volume", "package")))
    more = draw(extras)
    if kind in {"graduated", "volume"}:
        steps = ((draw(st.sampled_from(("2", "10.5"))), draw(prices), "1"), (None, draw(prices)))
        return slabs(resource, *steps, model=kind, **more)
    if kind == "package":
        return flat(resource, draw(prices), model=kind, package_units=Decimal("2.5"), **more)
    return flat(resource, draw(prices), **more)


@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    """Rates for all, perhaps one more for some jobs, and perhaps terms that need the engine."""
    rates: list[dict[str, Any]] = [draw(rates_of(resource)) for resource in ("cpu", "mem", "gpu")]
    where = draw(wheres)
    if where:
        rates.append({**draw(rates_of("cpu")), **where})
    if draw(st.booleans()):
        rates.append(flat("gpu:a100", draw(prices)))
    terms: dict[str, Any] = draw(
        st.sampled_from(
            (
                {},
                {},
                {},
                {"quantum_seconds": 3600},
                {"minimum_per_job": Decimal(2)},
                {"states": {"NODE_FAIL": "0", "FAILED": "33.3333"}},
                {"cap": Decimal(20)},
            )
        )
    )
    if "minimum_per_job" in terms:
        # What a job reaches by itself depends on its place among those that a counter prices, and
        # jobs that are rated anew, project by project, may come in another order.
        rates = [flat(resource, draw(prices)) for resource in ("cpu", "mem", "gpu")]
    return {"rates": rates, **terms}


@st.composite
def rows_of(draw: st.DrawFn) -> list[str]:
    """Jobs as sacct prints them, of several projects, shapes, partitions and end states."""
    found = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        cpus, gpus = draw(st.integers(1, 64)), draw(st.integers(0, 2))
        row = Row(
            number,
            seconds=draw(st.integers(0, 40000)),
            account=draw(st.sampled_from(("genomics", "physics", "shared"))),
            state=draw(st.sampled_from(STATES)),
            tres=f"cpu={cpus},mem={cpus * 1500}M,node=1"
            + (f",gres/gpu={gpus},gres/gpu:a100={gpus}" if gpus else ""),
        )
        found.append(f"{row.text()}|{draw(st.sampled_from(PARTITIONS))}|long")
    return found


def in_force() -> Decimal:
    return live_charges().aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


def usage_of(price_list: PriceList, *, thorough: bool) -> Decimal:
    """What the study says of usage, without what closing the month adds."""
    found = study(price_list=price_list, window=OCTOBER, thorough=thorough)
    assert sum(line.after for line in found.projects) == found.total.after
    return sum((x.after for x in found.resources if x.code != "true_up"), Decimal(0))


@settings(max_examples=few(5))
@given(held=contents(), wanted=contents(), rows=rows_of())
def test_a_study_is_what_rating_makes_of_a_list(
    held: dict[str, Any], wanted: dict[str, Any], rows: list[str]
) -> None:
    with transaction.atomic():
        make_project("genomics")
        _shared_by(make_project("physics"))
        present = publish(*held.pop("rates"), **held)
        header = "|".join((*COLUMNS, "Partition", "QOS"))
        import_bytes(make_cluster(), "\n".join((header, *rows, "")).encode())
        charged = in_force()
        assert usage_of(present, thorough=True) == charged
        assert usage_of(present, thorough=False) == charged
        new = draft(*wanted["rates"], **{k: v for k, v in wanted.items() if k != "rates"})
        quick, thorough = usage_of(new, thorough=False), usage_of(new, thorough=True)
        assert quick == thorough
        publish(*wanted.pop("rates"), **wanted)
        rate_pending(actor=SYSTEM)
        assert in_force() == quick
        transaction.set_rollback(True)


def _shared_by(payer: Project) -> None:
    """A third project whose costs are shared with another one."""
    shared = make_project("shared")
    split(shared, (payer, "33.3333"), (shared, "66.6667"))
