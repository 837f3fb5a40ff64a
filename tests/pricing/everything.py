"""A month with every model, term and layer of prices, and costs that are split."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.factories import (
    COLUMNS,
    Row,
    import_bytes,
    make_cluster,
    make_project,
    make_user,
)
from tests.pricing.lists import flat, publish, slabs, split

START = datetime(2026, 10, 5, tzinfo=UTC)
A100 = "cpu=4,mem=32G,node=1,gres/gpu=2,gres/gpu:a100=2"
PLAIN = "cpu=4,mem=8192M,node=1"


def with_partition(*rows: tuple[Row, str]) -> bytes:
    lines = ["|".join((*COLUMNS, "Partition")), *(f"{r.text()}|{p}" for r, p in rows)]
    return ("\n".join(lines) + "\n").encode()


def hour(number: int, **values: object) -> Row:
    return Row(number, end=START + timedelta(hours=number), **values)  # type: ignore[arg-type]


def build() -> None:
    """Alice leads genomics, whose costs are split with partner; every model, term and layer."""
    alice = make_user("alice")
    genomics, partner = make_project("genomics", pi=alice), make_project("partner", tier="gov")
    solo = make_project("solo", pi=alice)
    publish(
        slabs("cpu", ("10", "2", "5"), (None, "1.5", "1"), allowance=Decimal(2)),
        slabs("mem", ("100", "0.1"), (None, "0.05"), model="volume"),
        flat("gpu", "12.345678"),
        flat("gpu:a100", "30", model="package", package_units=Decimal("1.5"),
             discount_percent=Decimal("12.5")),
        flat("gpu:a100", "1", partition="debug"),
        flat("unit:che", "0.333333", partition="che"),
        states={"FAILED": "50", "NODE_FAIL": "0"},
        equivalents={"che": {"cpu": ("1", "3"), "mem": ("1", "4"), "gpu:a100": ("16", "1")}},
        quantum_seconds=60, minimum_seconds=120, minimum_per_job=Decimal("4.5"),
    )  # fmt: skip
    publish(flat("cpu", "3"), flat("mem", "0.01"), flat("gpu", "9"), tier="gov")
    publish(flat("mem", "0.02"), project=solo)
    split(genomics, (genomics, "33.3333"), (partner, "66.6667"))
    import_bytes(
        make_cluster(),
        with_partition(
            (hour(1, seconds=3601, tres=A100), "gpu"),
            (hour(2, seconds=61), "gpu"),
            (hour(3, seconds=36001, state="FAILED"), "gpu"),
            (hour(4, seconds=7, tres=A100, account="solo"), "debug"),
            (hour(5, seconds=7199, tres=A100, account="solo"), "che"),
            (hour(6, seconds=3600, state="NODE_FAIL", account="solo"), "gpu"),
            (hour(7, seconds=36000, account="solo"), "gpu"),
        ),
    )
