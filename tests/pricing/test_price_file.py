"""Price lists as text: read strictly, with the line of each fault; written, they read the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.content import flat
from pricing.price_file import BadFile, Entry, Holder, read, write
from tests.pricing.contents import FULL, contents

BANGKOK, BERLIN = ZoneInfo("Asia/Bangkok"), ZoneInfo("Europe/Berlin")
GOOD = """\
version: 1
lists:
  - tier: mu
    effective_at: 2027-01-01
    currency: THB
    note: "Council decision"
    rates:
      cpu: 0.80
      gpu: "12.5"
      mem: 0.050001
"""


def faults(text: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(BadFile) as caught:
        read(text.encode() if isinstance(text, str) else text, zone=BANGKOK)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_a_file_says_exact_prices_from_a_local_day_on() -> None:
    (entry,) = read(GOOD.encode(), zone=BANGKOK)
    assert entry == Entry(
        holder=Holder("tier", "mu"), effective_at=datetime(2026, 12, 31, 17, tzinfo=UTC),
        currency="THB", content=flat(
            {"cpu": Decimal("0.80"), "gpu": Decimal("12.5"), "mem": Decimal("0.050001")}
        ),
        note="Council decision", line=3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("price", "good"),
    [
        ("0", True), ("123456789012.123456", True), ("'0.1'", True), ("1.10", True),
        ("-1", False), ("1e3", False), (".5", False), ("1_000", False), ("1,5", False),
        ("010", False), ("0x10", False), ("1:30", False), (".inf", False), (".nan", False),
        ("0.1234567", False), ("1234567890123", False), ("yes", False), ("", False),
        ("[1]", False), ("!!python/object:os.system 1", False), ("!mine 1", False), ("๑", False),
    ],
)  # fmt: skip
def test_a_price_is_read_from_its_text_or_refused(price: str, good: bool) -> None:
    text = GOOD.replace("0.80", price)
    if good:
        assert read(text.encode(), zone=BANGKOK)[0].content.prices["cpu"] == Decimal(
            price.strip("'")
        )
    else:
        ((line, message),) = faults(text)
        assert line == 8
        assert "unit price" in message


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("version: 1\n", "", 1, "lacks the key 'version'"),
        ("version: 1", "version: 2", 1, "version must be 1"),
        ("tier: mu", "teir: mu", 3, "no key 'teir'"),
        ("tier: mu", "tier: no", 3, "put it in quotes"),
        ("currency: THB", "currency: baht", 5, "three capital letters"),
        ("2027-01-01", "2027-02-30", 4, "no day or time"),
        ("2027-01-01", "01/02/2027", 4, "write the moment as"),
        ("2027-01-01", "99999-01-01", 4, "write the moment as"),
        ("2027-01-01", "0001-01-01", 4, "no day or time"),
        ("cpu: 0.80", "coffee: 0.80", 8, "“coffee” is not a resource"),
        ("tier: mu", "tier: mu\n    project: x", 3, "one of the keys 'tier', 'project', 'user'"),
        ("tier: mu", "tier: mu\n    ends_at: 2028-01-01", 4, "hold until its next list"),
        ("tier: mu", "user: mu\n    ends_at: 2026-01-01", 4, "end after it begins"),
        ("gpu: \"12.5\"", "cpu: 9", 9, "'cpu' is there twice"),
        ("\"Council decision\"", "[a]", 6, "note must be text"),
        ("\"Council decision\"", '"' + "x" * 201 + '"', 6, "at most 200"),
        ("\"Council decision\"", '"two\\nlines"', 6, "one line"),
        ("    note", "   note", 6, "no valid YAML"),
        ("lists:", "lists: &a\n  - *a\nmore:", 4, "no key 'more'"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line(old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    found = faults(GOOD.replace(old, new, 1))
    assert any(at == line and message in told for at, told in found), found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"), (b"- 1", "must have the keys"), (b"lists: 5\nversion: 1", "with a dash"),
        (b"version: 1\nlists:\n  - 7", "must have the keys"), (b"\xff\xfe\x00", "UTF-8"),
        (b"a: \x00", "YAML"), (b"[" * 50, "YAML"), (b"[" * 5000, "deeply"),
        (b"a: 1\n---\nb: 2\n", "YAML"), (b"x" * 1024 * 1025, "larger"), (b"*a", "YAML"),
        (b"version: 1\nlists:\n  - {tier: a, effective_at: 2027-01-01, currency: THB, rates: {}}",
         "at least one rate"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(content: bytes, message: str) -> None:
    found = faults(content)
    assert any(message in told for _line, told in found), found[:3]


def test_all_faults_are_told_at_once_in_their_order() -> None:
    text = GOOD.replace("0.80", "cheap").replace("THB", "baht").replace("mu", "[]")
    assert [line for line, _message in faults(text)] == [3, 5, 8]


def test_a_moment_is_there_once_a_tier_also_on_one_line() -> None:
    item = "{tier: mu, effective_at: 2027-01-01, currency: THB, rates: {cpu: 1}}"
    ((line, message),) = faults(f"version: 1\nlists: [{item}, {item}]\n")
    assert (line, "from this moment on already" in message) == (2, True)


@pytest.mark.parametrize("moment", ["2026-03-29 02:30", "2026-10-25 02:30"])
def test_a_time_at_which_clocks_are_set_needs_its_offset(moment: str) -> None:
    text = GOOD.replace("2027-01-01", moment)
    with pytest.raises(BadFile, match="4: clocks are set then"):
        read(text.encode(), zone=BERLIN)
    exact = read(text.replace(moment, f"{moment}+02:00").encode(), zone=BERLIN)
    assert exact[0].effective_at == datetime.fromisoformat(f"{moment}+02:00")


FULL_TEXT = """\
version: 1
lists:
  - project: genomics
    effective_at: 2027-01-01
    ends_at: 2028-01-01
    currency: THB
    rates:
      - resource: cpu
        basis: used
        price: 0.75
        allowance: 100
      - {resource: cpu, cluster: alpha, partition: cheap, price: 0.60}
      - resource: gpu
        model: graduated
        discount_percent: 2.5
        slabs: [{up_to: 100, price: 15}, {price: 12, fee: 20}]
      - resource: gpu:a100
        model: volume
        fee_at_zero: true
        slabs: [{up_to: 0.5, price: 40}, {price: 30}]
      - {resource: "license:matlab", model: package, price: 9, package: 10}
      - {resource: "unit:che", price: 0.5, fee: 50, discount_amount: 1}
    terms:
      quantum_seconds: 60
      minimum_seconds: 300
      suspended_is_free: true
      minimum_per_job: 0.01
      cap: 9000
      commitment: 100
    states:
      - {state: NODE_FAIL, percent: 0, reason: our hardware}
    equivalents:
      - code: che
        name: Core-hour equivalents
        cluster: beta
        combine: max
        parts: [{resource: mem, per: 4}, {resource: node, counts: 16}]
    free: [mem]
"""


def test_a_file_says_all_that_a_list_can_say() -> None:
    (entry,) = read(FULL_TEXT.encode(), zone=BANGKOK)
    assert entry.content == FULL
    assert entry.holder == Holder("project", "genomics")
    assert entry.ends_at == datetime(2027, 12, 31, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("price: 0.60}", "price: 0.60, colour: red}", 12, "a rate has no key 'colour'"),
        ("model: graduated", "model: steps", 14, "must be one of flat, graduated"),
        ("up_to: 100", "up_to: -1", 16, "the end of a slab must be a plain number"),
        ("{up_to: 100, price: 15}", "{up_to: 100}", 16, "a slab lacks the key 'price'"),
        ("{price: 12, fee: 20}", "{up_to: 50, price: 12}", 13, "The last slab"),
        ("{price: 12, fee: 20}", "{up_to: 50, price: 12}, {price: 1}", 13, "Slabs must rise"),
        ("fee_at_zero: true", "fee_at_zero: maybe", 19, "write true or false"),
        ("{resource: cpu, cluster: alpha, partition: cheap", "{resource: cpu", 12, "two rates"),
        ("cluster: alpha, partition: cheap", "basis: lots", 12, "must be one of allocated"),
        ("quantum_seconds: 60", "quantum_seconds: 1.5", 24, "whole seconds"),
        ("quantum_seconds: 60", "quantum_seconds: 0", 24, "86,400 started seconds"),
        ("cap: 9000", "cap: 9", 24, "can't be less than the least"),
        ("reason: our hardware", "reason: ''", 31, "needs a reason"),
        ("state: NODE_FAIL", "state: broken", 31, "no state of Slurm"),
        ("code: che", "code: other", 22, "does not define the equivalent “che”"),
        ("resource: node,", "resource: energy,", 33, "can't be a part"),
        ("free: [mem]", "free: [coffee]", 38, "“coffee” is not a resource"),
        ("free: [mem]", "free: mem", 38, "`free` must be a list"),
        ("package: 10", "package: 0", 21, "more than zero units"),
        ("allowance: 100", "allowance: 100\n        package: 2", 8, "Only a package rate"),
        ("gpu:a100\n        model: volume", "gpu:a100\n        basis: used", 17, "slabs"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_full_list_is_told_with_its_line(
    old: str, new: str, line: int, message: str
) -> None:
    assert old in FULL_TEXT
    found = faults(FULL_TEXT.replace(old, new, 1))
    shown = [(at, told) for at, told in found if message in told]
    assert [at for at, _told in shown] == [line], found


ENTRIES = st.lists(
    st.builds(
        Entry,
        holder=st.builds(
            Holder,
            st.sampled_from(["tier", "project", "user"]),
            st.text("abcyesno0123_-", min_size=1, max_size=8),
        ),
        effective_at=st.integers(0, 7 * 10**15).map(
            lambda micros: datetime(1972, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        ),
        currency=st.sampled_from(["THB", "USD", "NOK"]),
        content=contents(),
        note=st.text(st.characters(exclude_categories=["C", "Z"]), max_size=200),
    ),
    max_size=3,
    unique_by=lambda entry: entry.key,
)


@given(ENTRIES, st.sampled_from([BANGKOK, BERLIN]))
def test_what_was_written_reads_the_same(entries: list[Entry], zone: ZoneInfo) -> None:
    again = read(write(entries, zone=zone).encode(), zone=zone)
    assert [replace(entry, line=0) for entry in again] == entries


def test_a_small_file_of_aliases_is_no_endless_one() -> None:
    slabs = "[&s {price: 1}" + ", *s" * 999 + "]"
    rate = f"    - &r {{resource: cpu, model: graduated, slabs: {slabs}}}\n"
    head = GOOD.partition("      cpu:")[0]
    (found,) = faults(head + rate + "    - *r\n" * 999)
    assert "parts" in found[1]
