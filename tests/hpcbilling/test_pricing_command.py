"""Price lists as code: export, plan and apply, which proposes and never publishes."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Tier
from core.actor import Actor
from core.errors import Conflict
from core.site import site_zone
from hpcbilling.management.commands.pricing import Command
from pricing import plans
from pricing.content import ListContent, content_of, flat
from pricing.models import PriceList
from pricing.price_file import BadFile, Entry, Holder, read, read_file, write
from pricing.services import Head, propose_price_list
from tests import console
from tests.examples import few
from tests.factories import (
    Row,
    approve,
    exempt,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    publish_list,
    publish_prices,
)
from tests.pricing.contents import CLUSTERS, FULL, contents
from usage.exemption_decisions import approve_exemption, waiting

pytestmark = pytest.mark.django_db
YEAR = datetime(2027, 1, 1, tzinfo=UTC)
NEW = """
  - tier: mu
    effective_at: 2027-02-01
    currency: THB
    note: Dearer
    rates: {cpu: "0.90", mem: "0.05"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The lists of the site as a file."""
    make_user("clerk", groups=("finance",))
    path = tmp_path / "prices.yaml"
    run("export", str(path))
    return path


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    out = io.StringIO()
    try:
        call_command("pricing", *arguments, stdout=out)
    except SystemExit as stop:
        return int(str(stop.code)), out.getvalue()
    return 0, out.getvalue()


def add(file: Path, text: str) -> None:
    """Add lists, behind those that the file has."""
    lists = file.read_text().replace("exemptions: []\n", "")
    file.write_text(lists + text)


def test_what_was_exported_is_no_difference(file: Path) -> None:
    assert run("plan", str(file)) == (0, "No difference.\n")
    assert run("export")[1] == file.read_text()
    assert "tier: gov" not in run("export", "--tier", "mu")[1]


def test_a_plan_shows_each_price_and_what_it_comes_to(file: Path) -> None:
    make_project("genomics")
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    import_rows(make_cluster(), Row(1, end=end))
    add(file, NEW)
    code, text = run("plan", str(file))
    assert code == 2
    assert "mu from 2027-02-01 00:00+07:00 (line " in text
    assert "cpu        0.75 ->        0.9 THB / CPU-core-hour +20.0 %" in text
    assert "gpu          12 ->          - THB / GPU-hour      no price any more" in text
    assert "mem        0.05 ->       0.05 THB / GB-hour       same" in text
    assert "charges of the last 30 days: 3.40 -> 4.00 THB (+17.6 %)" in text
    assert not PriceList.objects.exclude(status="published").exists(), "a plan wrote"


def test_apply_proposes_once_and_never_publishes(file: Path) -> None:
    add(file, NEW)
    code, text = run("apply", str(file), "--by", "clerk")
    assert (code, "Proposed: mu 2027-02-01 r1" in text) == (0, True)
    made = PriceList.objects.exclude(status="published").get()
    assert made.submitted_by is not None
    assert (made.status, made.note, made.submitted_by.username) == ("submitted", "Dearer", "clerk")
    assert console.actions()[-2:] == ["price_list.drafted", "price_list.submitted"]
    code, text = run("plan", str(file))
    assert (code, "waits for approval: mu 2027-02-01 r1 by clerk" in text) == (2, True)
    assert "Nothing to propose." in run("apply", str(file), "--by", "clerk")[1]
    assert PriceList.objects.exclude(status="published").count() == 1
    approve(made)
    assert run("plan", str(file)) == (0, "No difference.\n")
    assert "Nothing to propose." in run("apply", str(file), "--by", "clerk")[1]


def test_another_price_for_the_same_moment_is_a_revision(file: Path) -> None:
    add(file, NEW)
    publish_prices("mu", datetime(2027, 1, 31, 17, tzinfo=UTC), cpu="1")
    code, text = run("plan", str(file))
    assert (code, "a revision of mu 2027-02-01 r1" in text) == (2, True)
    run("apply", str(file), "--by", "clerk")
    made = PriceList.objects.get(status="submitted")
    assert made.revision == 2
    approve(made)
    assert run("plan", str(file))[0] == 0
    assert "cpu: '0.9'" in run("export")[1]


def test_what_was_published_elsewhere_is_told_and_left_alone(file: Path) -> None:
    publish_prices("mu", YEAR, cpu="1")
    code, text = run("plan", str(file))
    assert (code, "published here but not in the file: mu 2027-01-01 r1" in text) == (2, True)
    assert "Nothing to propose." in run("apply", str(file), "--by", "clerk")[1]


def test_a_tier_that_the_file_does_not_name_is_left_alone(file: Path) -> None:
    run("export", str(file), "--tier", "mu")
    code, text = run("plan", str(file))
    assert (code, "left alone: gov, private" in text) == (0, True)


@pytest.mark.parametrize("act", [("plan",), ("apply", "--by", "clerk")])
def test_a_bad_file_is_told_by_line_and_does_nothing(file: Path, act: tuple[str, ...]) -> None:
    lines = file.read_text().count("\n")
    add(file, NEW.replace("mu", "nobody"))
    with pytest.raises(CommandError, match=rf":{lines + 1}: there is no tier 'nobody'") as caught:
        run(act[0], str(file), *act[1:])
    assert caught.value.returncode == 1
    add(file, NEW.replace("0.90", "-1"))
    with pytest.raises(CommandError, match=r"unit price"):
        run(act[0], str(file), *act[1:])
    with pytest.raises(CommandError, match="No such file"):
        run(act[0], str(file) + "x", *act[1:])
    assert not PriceList.objects.exclude(status="published").exists()


def test_a_list_of_the_past_tells_what_is_charged_since(file: Path) -> None:
    make_project("genomics")
    import_rows(make_cluster(), Row(1), Row(2))
    add(file, NEW.replace("2027-02", "2026-10"))
    code, text = run("plan", str(file))
    assert (code, "begins in the past: 2 jobs are charged since then (6.80 THB)" in text) == (
        2,
        True,
    )
    add(file, NEW.replace("2027-02", "2026-09"))
    assert run("plan", str(file))[1].count("begins in the past") == 1, "until the next list"


def test_all_or_nothing_is_proposed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = file.read_text().count("\n")
    add(file, NEW + NEW.replace("mu", "private"))
    before = console.actions()

    def propose(**values: Any) -> PriceList:
        if values["head"].tier.code == "private":
            raise Conflict("no", "Not this one.")
        return propose_price_list(**values)

    monkeypatch.setattr(plans, "propose_price_list", propose)
    with pytest.raises(CommandError, match=rf":{lines + 7}: Not this one"):
        run("apply", str(file), "--by", "clerk")
    assert not PriceList.objects.exclude(status="published").exists()
    assert console.actions() == before


@pytest.mark.parametrize("name", ["nobody", "auditor-person"])
def test_only_finance_staff_proposes(file: Path, name: str) -> None:
    console.visitor("auditor")
    add(file, NEW)
    with pytest.raises(CommandError):
        run("apply", str(file), "--by", name)
    assert not PriceList.objects.exclude(status="published").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["plan", "FILE"], 2), (["plan"], 1), (["plan", "nothing-there"], 1), ([], 1),
     (["apply", "FILE", "--by", "nobody"], 1), (["plan", "SAME"], None)],
)  # fmt: skip
def test_a_difference_alone_exits_with_two(
    file: Path, arguments: list[str], code: int | None, capsys: Any
) -> None:
    same = file.with_name("same.yaml")
    same.write_text(file.read_text())
    add(file, NEW)
    names = {"FILE": str(file), "SAME": str(same)}
    argv = ["manage.py", "pricing", *(names.get(item, item) for item in arguments)]
    if code is None:
        Command().run_from_argv(argv)
        return
    with pytest.raises(SystemExit) as stop:
        Command().run_from_argv(argv)
    assert stop.value.code == code
    capsys.readouterr()


def test_a_full_list_is_planned_applied_and_exported_again(file: Path) -> None:
    for name in CLUSTERS:
        make_cluster(name)
    make_project("genomics")
    held = Holder("project", "genomics")
    end = YEAR + timedelta(days=365)
    text = write([Entry(held, YEAR, "THB", FULL, ends_at=end)], zone=site_zone())
    add(file, text.partition("lists:\n")[2])
    code, told = run("plan", str(file))
    assert (code, "project genomics from 2027-01-01 07:00+07:00" in told) == (2, True)
    for line in (
        "up to 100: 15.00 THB, rest: 12.00 THB and a fee of 20.00 THB; 2.5 % off",
        "Core-hour equivalents: the largest of Memory in GB ÷ 4, 16 × Node",
        "Jobs that end as NODE_FAIL: - -> 0 % is billed: our hardware",
        "Billed by started: - -> 60",
        "Free resources: - -> Memory",
    ):
        assert line in told, told
    run("apply", str(file), "--by", "clerk")
    made = PriceList.objects.get(status="submitted")
    assert content_of(made) == FULL
    approve(made)
    assert run("plan", str(file)) == (0, "No difference.\n")
    assert read(run("export")[1].encode(), zone=site_zone())[-4].content == FULL


def test_what_the_site_does_not_have_is_told_with_its_line(file: Path) -> None:
    make_project("genomics")
    lines = file.read_text().count("\n")
    held = Holder("project", "genomics")
    text = write([Entry(held, YEAR, "THB", FULL)], zone=site_zone())
    add(file, text.partition("lists:\n")[2])
    with pytest.raises(CommandError, match=rf":{lines + 8}: There is no cluster “alpha”"):
        run("apply", str(file), "--by", "clerk")


EXEMPT = """
exemptions:
  - {cluster: alpha, partition: test, starts_at: 2027-01-01, reason: test nodes}
  - {cluster: alpha, user: bob, starts_at: 2026-01-01, ends_at: 2026-02-01, reason: benchmark}
"""


def test_exemptions_are_proposed_and_those_of_the_past_wait(file: Path) -> None:
    cluster = make_cluster()
    text = file.read_text().replace("exemptions: []\n", EXEMPT)
    file.write_text(text)
    code, told = run("plan", str(file))
    assert code == 2
    assert "exemption of alpha: partition test from 2027-01-01 00:00+07:00 (line " in told
    assert told.count(": new") == 2
    told = run("apply", str(file), "--by", "clerk")[1]
    assert "Made: exemption of alpha: partition test (in force)" in told
    assert "Made: exemption of alpha: user bob (waits for a second person)" in told
    assert console.actions()[-2:] == ["exemption.created"] * 2
    assert "user bob" in run("plan", str(file))[1]
    assert "waits for a second person" in run("plan", str(file))[1]
    (past,) = waiting()
    approver = Actor.of(make_user("second"))
    approve_exemption(exemption_id=past.pk, ends_at=past.ends_at, actor=approver)
    assert run("plan", str(file)) == (0, "No difference.\n")
    again = read_file(run("export")[1].encode(), zone=site_zone()).exemptions
    assert [(e.given, e.reason) for e in again or ()] == [
        ({"user": "bob"}, "benchmark"), ({"partition": "test"}, "test nodes"),
    ]  # fmt: skip
    exempt(cluster, qos="low", starts_at=YEAR)
    code, told = run("plan", str(file))
    assert (code, "qos low" in told, "here but not in the file" in told) == (2, True, True)
    file.write_text(
        text.replace("starts_at: 2027-01-01,", "starts_at: 2027-01-01, ends_at: 2028-01-01,")
    )
    assert "ends otherwise here" in run("plan", str(file))[1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cluster: alpha, user", "cluster: gamma, user", "no cluster 'gamma'"),
        ("reason: test nodes", "reason: ''", "needs a reason"),
        ("partition: test, ", "", "give an `ends_at`"),
        ("ends_at: 2026-02-01", "ends_at: 2025-02-01", "end after it begins"),
        ("user: bob", "owner: bob", "no key 'owner'"),
        ("user: bob, starts_at: 2026-01-01, ends_at: 2026-02-01",
         "partition: test, starts_at: 2027-01-01", "says this already"),
    ],
)  # fmt: skip
def test_a_wrong_exemption_is_told_by_line(file: Path, old: str, new: str, message: str) -> None:
    make_cluster()
    assert old in EXEMPT
    file.write_text(file.read_text().replace("exemptions: []\n", EXEMPT.replace(old, new)))
    with pytest.raises(CommandError, match=rf":\d+: .*{message}"):
        run("plan", str(file))


class Generated(TestCase):
    """Lists of all kinds: what is there is exported, planned without a difference, and restored."""

    @settings(max_examples=few(5), deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["mu", "gov", "private"]),
                st.integers(0, 5000).map(lambda hours: YEAR + timedelta(hours=hours)),
                contents(),
            ),
            max_size=3,
        )
    )
    def test_export_then_plan_is_no_difference(
        self, made: list[tuple[str, datetime, ListContent]]
    ) -> None:
        for name in CLUSTERS:
            make_cluster(name)
        for tier, moment, content in made:
            publish_list(Head(moment, "THB", tier=Tier.objects.get(code=tier)), content)
        text = write(plans.current_entries(), zone=site_zone())
        entries = read(text.encode(), zone=site_zone())
        assert plans.make_plan(entries).steps == ()
        if made:
            key = (Holder("tier", made[-1][0]), made[-1][1])
            other = flat({"cpu": Decimal(7777)})
            entries = [replace(e, content=other) if e.key == key else e for e in entries]
            (step,) = plans.make_plan(entries).steps
            assert (step.holder, step.effective_at) == key


def test_an_unknown_tier_is_no_plan() -> None:
    content = flat({"cpu": Decimal(1)})
    for kind in ("tier", "project", "user"):
        with pytest.raises(BadFile, match=f"no {kind}"):
            plans.make_plan([Entry(Holder(kind, "x"), YEAR, "THB", content, line=1)])
    assert Tier.objects.count() == 3
