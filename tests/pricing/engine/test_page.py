"""The tables of docs/pricing.md: the engine and a calculator come to what is printed there."""

import ast
import operator
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from pricing.engine import (
    Equivalent,
    ExemptByState,
    Model,
    NoRate,
    Part,
    Rate,
    Slab,
    StatePolicy,
    TooLarge,
    Unreadable,
    choose,
    cumulative,
    job_minimum,
    shares,
    ties,
    true_up,
)
from pricing.resources import resource_of
from tests.pricing.engine.jobs import JOB, quantities, rate
from usage.tres import parse_tres

Row = dict[str, str]

PAGE = (Path(__file__).parents[3] / "docs/pricing.md").read_text(encoding="utf-8")
SIZE = resource_of("sku:unit").unit_size
OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def table(*columns: str) -> list[Row]:
    """The rows of the page's table with these columns."""
    header = re.escape("| " + " | ".join(columns) + " |")
    (found,) = re.findall(rf"^{header}\n\|[-|]+\|\n((?:\|.*\|\n)+)", PAGE, re.MULTILINE)
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in found.splitlines()]
    return [dict(zip(columns, row, strict=True)) for row in cells]


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("−", "-"))


def optional(text: str) -> Decimal | None:
    return number(text) if text else None


def calculated(text: str) -> Fraction:
    """What a calculator makes of the printed arithmetic."""
    plain = text.replace(",", "").replace("×", "*").replace("÷", "/").replace("−", "-")
    exact = re.sub(r"\d+(\.\d+)?", lambda found: f"'{found[0]}'", plain)
    return value(ast.parse(exact, mode="eval").body)


def value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return Fraction(OPERATIONS[type(node.op)](value(node.left), value(node.right)))
    if isinstance(node, ast.UnaryOp):
        return -value(node.operand)
    assert isinstance(node, ast.Constant)
    return Fraction(str(node.value))


def slab(text: str) -> Slab:
    """``20.00 and 200.00 once up to 100``."""
    found = re.fullmatch(r"([\d.]+)(?: and ([\d.]+) once)?(?: up to (\d+)| above|)", text)
    assert found, text
    return Slab(optional(found[3] or ""), number(found[1]), number(found[2] or "0"))


def rates() -> dict[str, Rate]:
    found = {}
    for row in table("Rate", "Model", "Prices", "Free units", "Discount", "Fee without use"):
        model, _, package = row["Model"].partition(" of ")
        percent = re.search(r"([\d.]+) %", row["Discount"])
        amount = re.search(r"([\d.]+)$", row["Discount"])
        found[row["Rate"]] = Rate(
            1,
            1,
            "THB",
            "sku:unit",
            Model(model),
            tuple(slab(text) for text in row["Prices"].split("; ")),
            SIZE,
            package_units=number(package or "1"),
            allowance=number(row["Free units"] or "0"),
            discount_percent=number(percent[1] if percent else "0"),
            discount_amount=number(amount[1] if amount else "0"),
            fee_at_zero=row["Fee without use"] == "yes",
        )
    return found


def units(text: str) -> int:
    return int(number(text) * SIZE)


@pytest.mark.parametrize("row", table("Rate", "Units", "Arithmetic", "Price"), ids=str)
def test_months(row: Row) -> None:
    price = number(row["Price"])
    assert calculated(row["Arithmetic"]) == price
    assert cumulative(rates()[row["Rate"]], units(row["Units"])) == price


def test_charges_by_a_counter() -> None:
    priced, amount, quantity = rates()["D"], Decimal(0), 0
    charged: dict[str, Decimal] = {}
    rows = table("What", "Units", "Month before", "Month after", "Arithmetic", "Charge")
    for row in rows:
        assert units(row["Month before"]) == quantity
        quantity += units(row["Units"])
        assert units(row["Month after"]) == quantity
        reversed_job = row["What"].removesuffix(" is reversed")
        charge = cumulative(priced, quantity) - amount
        if reversed_job != row["What"]:
            charge = -charged[reversed_job]
        charged[row["What"]] = charge
        amount += charge
        assert charge == number(row["Charge"]) == calculated(row["Arithmetic"])
    assert amount == cumulative(priced, quantity)
    assert len(rows) == 5


@pytest.mark.parametrize(
    "row", table("Code", "What is counted", "A price is for", "Base units in it"), ids=str
)
def test_resources(row: Row) -> None:
    resource = resource_of(row["Code"].strip("`"))
    assert resource.unit == row["A price is for"]
    assert resource.unit_size == number(row["Base units in it"])


def limited(place: int, text: str) -> Rate:
    """```gpu:a100` in short with high``."""
    found = re.fullmatch(r"`([a-z0-9:]+)`(?: in (\w+))?(?: with (\w+))?", text)
    assert found, text
    return Rate(
        place,
        1,
        "THB",
        found[1],
        Model.FLAT,
        (Slab(None, Decimal(1)),),
        3600,
        partition=found[2] or "",
        qos=found[3] or "",
    )


@pytest.mark.parametrize("row", table("The list has", "Job", "GPU", "Wins"), ids=str)
def test_which_rate_wins(row: Row) -> None:
    texts = row["The list has"].split("; ")
    list_rates = [limited(place, text) for place, text in enumerate(texts)]
    job = re.fullmatch(r"partition (\w+)(?:, QOS (\w+))?", row["Job"])
    assert job
    found = choose(
        list_rates,
        resource=f"gpu:{row['GPU']}",
        cluster_id=1,
        partition=job[1],
        qos=job[2] or "normal",
    )
    assert found is not None
    assert texts[found.rate_id] == row["Wins"]
    assert ties(list_rates) == []


def test_the_last_list_would_be_refused_without_its_third_rate() -> None:
    texts = table("The list has", "Job", "GPU", "Wins")[-1]["The list has"].split("; ")
    assert len(ties([limited(place, text) for place, text in enumerate(texts[:2])])) == 1


TIMES = (
    "Ran", "Suspended", "Minimum", "Quantum", "Suspended time is free", "CPUs count", "GPUs count",
)  # fmt: skip


@pytest.mark.parametrize("row", table(*TIMES), ids=str)
def test_times(row: Row) -> None:
    usage = JOB._replace(
        tres="cpu=1,gres/gpu=1",
        elapsed_seconds=int(row["Ran"]),
        suspended_seconds=int(row["Suspended"]),
    )
    found = quantities(
        usage,
        rate(1, "cpu"),
        rate(2, "gpu"),
        minimum_seconds=int(row["Minimum"]),
        quantum_seconds=int(row["Quantum"]),
        suspended_is_free=row["Suspended time is free"] == "yes",
    )
    assert found.get("cpu", 0) == int(row["CPUs count"])
    assert found.get("gpu", 0) == int(row["GPUs count"])


@pytest.mark.parametrize(
    "row", table("Combine", "Counts", "Job holds", "Arithmetic", "Equivalents"), ids=str
)
def test_equivalents(row: Row) -> None:
    parts = []
    for text in row["Counts"].split("; "):
        resource, counts, *per = text.replace(" per", "").split(" ")
        parts.append(Part(resource, number(counts), number(per[0] if per else "1")))
    tres = row["Job holds"].replace(" GB", "G").replace(", ", ",").replace("gpu=", "gres/gpu=")
    found = Equivalent("su", row["Combine"], tuple(parts)).of(parse_tres(tres))
    assert found == calculated(row["Arithmetic"]) == number(row["Equivalents"])


@pytest.mark.parametrize("row", table("Quantity", "Percentages", "Exact shares", "Shares"), ids=str)
def test_shares(row: Row) -> None:
    quantity = int(row["Quantity"])
    percents = [number(text) for text in row["Percentages"].split(", ")]
    assert ", ".join(map(str, shares(quantity, percents))) == row["Shares"]
    for percent, exact in zip(percents, row["Exact shares"].split(", "), strict=True):
        assert quantity * percent / 100 == number(exact)


@pytest.mark.parametrize(
    "row", table("What", "Comes to", "At least", "At most", "Arithmetic", "Line"), ids=str
)
def test_minimum_cap_and_commitment(row: Row) -> None:
    total, least, most = (
        number(row["Comes to"]),
        optional(row["At least"]),
        optional(row["At most"]),
    )
    if row["What"] == "a month":
        line = true_up(total, cap=most, commitment=least)
    else:
        percent = re.match(r"(\d+) %", row["What"])
        share = Decimal(percent[1] if percent else 100)
        line = job_minimum(total, minimum=least or Decimal(0), percent=share)
    assert line == number(row["Line"]) == calculated(row["Arithmetic"])


def test_a_second_at_the_price_of_an_hour_is_rounded_once() -> None:
    cpu = Rate(1, 1, "THB", "cpu", Model.FLAT, (Slab(None, Decimal("0.75")),), 3600)
    assert "0.75 ÷ 3,600 = 0.000208333…, so 0.000208" in PAGE
    assert calculated("0.75 ÷ 3,600") == Fraction("0.000208") + Fraction(1, 3_000_000)
    assert cumulative(cpu, 1) == Decimal("0.000208")


def test_half_of_an_odd_number_of_seconds() -> None:
    assert "50 % of 3,601 CPU-seconds are\n1,801" in PAGE
    half = {"FAILED": StatePolicy("FAILED", Decimal(50), "x")}
    job = JOB._replace(state="FAILED", tres="cpu=1", elapsed_seconds=3601)
    assert quantities(job, rate(1, "cpu"), states=half) == {"cpu": 1801}


def test_codes_of_what_has_no_price() -> None:
    codes = {row["Code"].strip("`") for row in table("Code", "Why")}
    assert codes == {error.code for error in (NoRate, ExemptByState, TooLarge, Unreadable)}
