from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.tres import InvalidTres, Tres, parse_req_mem, parse_tres, read_tres


def test_reads_all_that_is_billed() -> None:
    assert parse_tres(
        "billing=127,cpu=64,gres/gpu:h100=1,gres/gpu:a100=3,gres/gpu=4,mem=128000M,node=2,"
        "license/ansys=5,energy=77"
    ) == Tres(
        cpus=64,
        mem_kib=128000 * 1024,
        gpus=4,
        nodes=2,
        gpu_types=(("a100", 3), ("h100", 1)),
        billing=Decimal(127),
        other=(("energy", "77"), ("license/ansys", "5")),
    )


def test_nothing_is_no_resources() -> None:
    assert parse_tres("") == Tres(0, 0, 0, 0, (), None, ())


def test_billing_may_have_a_fraction() -> None:
    reading = read_tres("billing=0002.500000,cpu=1")
    assert reading.tres.billing == Decimal("2.5")
    assert reading.canonical == "cpu=1,billing=2.5"


@pytest.mark.parametrize(
    ("text", "kib"),
    [
        ("512", 512 * 1024),
        ("512M", 512 * 1024),
        ("2048K", 2048),
        ("250G", 250 * 1024**2),
        ("62.50G", 64000 * 1024),
        ("1.5T", 1536 * 1024**2),
        ("2P", 2 * 1024**4),
        ("0.000001K", 0),
        ("1.5K", 2),
        ("0", 0),
    ],
)
def test_memory_units_are_binary_and_exact(text: str, kib: int) -> None:
    assert parse_tres(f"mem={text}").mem_kib == kib


@pytest.mark.parametrize(
    ("text", "gpus", "types", "flags"),
    [
        ("gres/gpu=2", 2, (), ()),
        ("gres/gpu:a100=2", 2, (("a100", 2),), ()),
        ("gres/gpu=2,gres/gpu:a100=2", 2, (("a100", 2),), ()),
        ("gres/gpu:a100=1,gres/gpu:h100=2,gres/gpu=3", 3, (("a100", 1), ("h100", 2)), ()),
        # Two devices of a type that the site doesn't list by type: they are there all the same.
        ("gres/gpu=4,gres/gpu:a100=2", 4, (("a100", 2),), ("gpu_untyped_mismatch",)),
        ("gres/gpu=1,gres/gpu:a100=2", 2, (("a100", 2),), ("gpu_untyped_mismatch",)),
        ("gres/gpu:a100=0,gres/gpu=0", 0, (), ()),
    ],
)
def test_a_gpu_counts_once(
    text: str, gpus: int, types: tuple[tuple[str, int], ...], flags: tuple[str, ...]
) -> None:
    reading = read_tres(text)
    assert (reading.tres.gpus, reading.tres.gpu_types, reading.flags) == (gpus, types, flags)


@pytest.mark.parametrize(
    ("text", "flags"),
    [("gres/npu=1", ("unknown_tres",)), ("energy=5,fs/disk=1,vmem=2G,pages=0", ())],
)
def test_unknown_resources_are_kept_and_flagged(text: str, flags: tuple[str, ...]) -> None:
    reading = read_tres(f"cpu=1,{text}")
    assert len(reading.tres.other) == len(text.split(","))
    assert reading.flags == flags


@pytest.mark.parametrize(
    "text",
    [
        "cpu=-1",
        "cpu=2147483648",
        "cpu=1.5",
        "cpu=1_000",
        "cpu=+1",
        "cpu= 1",
        "cpu=٣",
        "cpu=²",
        "cpu=NaN",
        "cpu=Infinity",
        "cpu=1e400",
        "cpu=" + "9" * 5000,
        "cpu=" + "9" * 200,
        "cpu=",
        "cpu",
        "=4",
        "cpu=1,cpu=1",
        "cpu=1,",
        ",",
        "mem=-5M",
        "mem=4Gn",
        "mem=1_000M",
        "mem=٤G",
        "mem=NaN",
        "mem=1e9",
        "mem=5000000P",
        "mem=.5G",
        "node=2147483648",
        "gres/gpu=-1",
        "gres/gpu:a100=1.5",
        "gres/gpu:a100=2147483647,gres/gpu:h100=2147483647",
        "billing=9999999999999999999",
        "billing=9223372036854775808",
        "billing=1e3",
        "billing=1.0000001",
        "license/x=NaN",
        "license/x=1_0",
        "gres/npu=" + "1" * 21,
        "bad key=1",
        "cpu=1,\x07=2",
        "cpu=1," + "x" * 129 + "=1",
        "cpu=1," * 1000,
    ],
)
def test_refuses_what_is_no_plain_number(text: str) -> None:
    with pytest.raises(InvalidTres):
        parse_tres(text)


@pytest.mark.parametrize(
    ("text", "kib"),
    [
        ("4Gn", 3 * 4 * 1024**2),
        ("4Gc", 8 * 4 * 1024**2),
        ("4G", 4 * 1024**2),
        ("500M", 500 * 1024),
        ("500", 500 * 1024),
        ("2147486648Mn", None),
        ("4Gx", None),
        ("-4G", None),
    ],
)
def test_requested_memory_per_node_and_per_cpu(text: str, kib: int | None) -> None:
    if kib is None:
        with pytest.raises(InvalidTres):
            parse_req_mem(text, nodes=2**20, cpus=8)
    else:
        assert parse_req_mem(text, nodes=3, cpus=8) == kib


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cpu=4,mem=62.50G,node=1", "node=1,cpu=4,mem=64000M"),
        ("cpu=1,energy=12", "cpu=1,energy=-2"),
        ("cpu=1,bb/cray=10G", "cpu=1,bb/cray=10.00G"),
        ("gres/gpu=2,gres/gpu:a100=2", "gres/gpu:a100=2"),
    ],
)
def test_canonical_spelling_does_not_depend_on_print(one: str, other: str) -> None:
    assert read_tres(one).canonical == read_tres(other).canonical


@pytest.mark.parametrize(
    "text", ["cpu=5", "mem=2K", "node=2", "billing=1", "gres/gpu=1", "gres/gpu:a=1", "gres/x=1"]
)
def test_canonical_spelling_tells_all_that_is_billed(text: str) -> None:
    assert read_tres(text).canonical != read_tres("").canonical


@given(
    cpus=st.integers(0, 2**31 - 1),
    mib=st.integers(0, 2**35 - 1),
    types=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_.-]{0,12}", fullmatch=True), st.integers(1, 999)
    ),
    order=st.randoms(use_true_random=False),
)
def test_what_is_printed_is_read_back(
    cpus: int, mib: int, types: dict[str, int], order: object
) -> None:
    items = [f"cpu={cpus}", f"mem={mib}M", f"gres/gpu={sum(types.values())}"]
    items += [f"gres/gpu:{kind}={count}" for kind, count in types.items()]
    order.shuffle(items)  # type: ignore[attr-defined]
    tres = parse_tres(",".join(items))
    assert (tres.cpus, tres.mem_kib, tres.gpus) == (cpus, mib * 1024, sum(types.values()))
    assert dict(tres.gpu_types) == types


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tres = parse_tres(text)
    except InvalidTres:
        return
    assert min(tres.cpus, tres.mem_kib, tres.gpus, tres.nodes) >= 0
