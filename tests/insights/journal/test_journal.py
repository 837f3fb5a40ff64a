"""The journal: balanced, complete, and of a closed month for ever the same."""

import io
import os
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
import time_machine
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Department, Project, User
from audit.models import AuditEvent
from core.actor import Actor
from core.errors import Invalid
from hpcbilling.closing import close_period
from insights.checks import layouts_can_be_written
from insights.journal import (
    Line,
    Unmapped,
    entries_of,
    export_journal,
    journal,
    totals_of,
)
from insights.journal.entries import Entry, layouts_of, written
from insights.journal.facts import issued_postings
from insights.models import JournalExport, LedgerAccount
from payments.services import Transfer, record_transfer
from pricing.labels import NAMES
from receipts.models import Receipt
from receipts.services import create_receipt, void_receipt
from tests import scenes
from tests.factories import (
    OCTOBER,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    publish_prices,
)
from usage.models import Cluster

pytestmark = pytest.mark.django_db

IN_OCTOBER = datetime(2026, 10, 20, 5, tzinfo=UTC)
IN_NOVEMBER = datetime(2026, 11, 5, 5, tzinfo=UTC)
MONTH, NEXT = date(2026, 10, 1), date(2026, 11, 1)
Sums = dict[str, Decimal]


@override_settings(SITE_TAX_RATE=Decimal(7))
def build() -> tuple[User, Project, Cluster]:
    """Two jobs of four core-hours and eight GB-hours each, in October."""
    alice = make_user("alice", groups=("finance",))
    genomics = make_project("genomics", pi=alice)
    publish_prices("mu", datetime(2020, 1, 1, tzinfo=UTC), cpu="2.5", mem="0.125")
    cluster = make_cluster()
    import_rows(cluster, Row(1), Row(2, end=datetime(2026, 10, 16, tzinfo=UTC)))
    return alice, genomics, cluster


used = scenes.standing(build)


@pytest.fixture
def alice(used: tuple[User, Project, Cluster]) -> User:
    return used[0]


@pytest.fixture
def genomics(used: tuple[User, Project, Cluster], settings: LazySettings) -> Project:
    settings.SITE_TAX_RATE = Decimal(7)
    return used[1]


@pytest.fixture
def cluster(used: tuple[User, Project, Cluster], genomics: Project) -> Cluster:
    return used[2]


def balances(lines: list[Line]) -> Sums:
    return {found.account: found.balance for found in totals_of(lines)}


def sums_by_entry(lines: list[Line]) -> set[Decimal]:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line.entry, line.currency] += line.amount
    return set(sums.values())


def a_month(genomics: Project, alice: User) -> Receipt:
    """Billed in October and paid in November; then billed wrongly, and void."""
    actor = Actor.of(alice)
    with time_machine.travel(IN_OCTOBER, tick=False):
        receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=actor)
    with time_machine.travel(IN_NOVEMBER, tick=False):
        paid = Transfer("T-1", IN_NOVEMBER.date(), receipt.total, receipt.currency)
        assert record_transfer(receipt_id=receipt.pk, transfer=paid, actor=actor) == "applied"
    receipt.refresh_from_db()
    return receipt


def test_what_is_charged_issued_and_paid_goes_where_it_belongs(
    cluster: Cluster, genomics: Project, alice: User
) -> None:
    receipt = a_month(genomics, alice)
    assert (receipt.net_amount, receipt.tax_amount) == (Decimal("22.00"), Decimal("1.54"))
    october, november = journal(MONTH), journal(NEXT)
    assert balances(october) == {
        "1120": Decimal("23.54"),  # asked for
        "1130": Decimal("0.00"),  # earned, and billed
        "2150": Decimal("-1.54"),
        "4100": Decimal("-22.00"),
    }
    assert balances(november) == {
        "1110": Decimal("23.54"),
        "1120": Decimal("-23.54"),
        "2120": Decimal("0.00"),
    }
    assert {line.day for line in october if line.kind == "charge"} == {"2026-10-31"}
    assert {line.day for line in november} == {"2026-11-05"}
    assert [line.kind for line in october] == ["charge"] * 4 + ["issue"] * 3
    assert sums_by_entry(october + november) == {Decimal(0)}


def test_a_void_receipt_takes_all_of_it_back_in_the_month_of_the_note(
    cluster: Cluster, genomics: Project, alice: User
) -> None:
    with time_machine.travel(IN_OCTOBER, tick=False):
        made = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=Actor.of(alice))
    with time_machine.travel(IN_NOVEMBER, tick=False):
        void_receipt(receipt_id=made.pk, actor=Actor.of(alice), reason="wrong buyer")
    november = journal(NEXT)
    assert {line.kind for line in november} == {"credit_note"}
    assert balances(november) == {
        "1120": Decimal("-23.54"),
        "1130": Decimal("22.00"),
        "2150": Decimal("1.54"),
    }
    # What was charged anew stands in October, which is open, as the reversals do.
    assert balances(journal(MONTH))["4100"] == Decimal("-22.00")


def test_entries_have_the_same_keys_and_order_each_time(
    cluster: Cluster, genomics: Project, alice: User
) -> None:
    receipt = a_month(genomics, alice)
    found = list(entries_of(MONTH))
    assert found == list(entries_of(MONTH))
    assert [entry.key for entry in found] == [
        f"charge-2026-10-{genomics.pk}-cpu-THB",
        f"charge-2026-10-{genomics.pk}-mem-THB",
        f"issue-{receipt.pk}",
    ]
    assert all(entry.is_balanced for entry in found)


AMOUNTS = st.decimals(-10_000_000, 10_000_000, places=2)


@given(
    lines=st.dictionaries(st.integers(1, 9), AMOUNTS, min_size=1),
    tax=AMOUNTS,
    inclusive=st.booleans(),
)
def test_whatever_is_issued_is_balanced(
    lines: dict[int, Decimal], tax: Decimal, inclusive: bool
) -> None:
    total = sum(lines.values(), Decimal(0)) + (0 if inclusive else tax)
    receipt = Receipt(project_id=1, total=total, tax_amount=tax, tax_inclusive=inclusive)
    made = Entry("", "", MONTH, "THB", "", tuple(issued_postings(receipt, lines)))
    assert made.is_balanced


def test_the_most_particular_account_counts(
    cluster: Cluster, genomics: Project, alice: User
) -> None:
    biology = Department.objects.create(code="bio", name="Biology")
    Project.objects.filter(pk=genomics.pk).update(department=biology, cost_centre="CC-7")
    since = {"role": "revenue", "starts_on": date(2026, 1, 1)}
    LedgerAccount.objects.create(**since, department=biology, account="4200")
    LedgerAccount.objects.create(**since, detail="mem", account="4300")
    LedgerAccount.objects.create(
        **since, department=biology, detail="cpu", account="4210", cost_centre="CC-9"
    )
    found = {
        (line.entry.split("-")[4], line.account, line.cost_centre)
        for line in journal(MONTH)
        if line.account.startswith("4")
    }
    assert found == {("cpu", "4210", "CC-9"), ("mem", "4200", "CC-7")}
    LedgerAccount.objects.create(**since, project=genomics, account="4400")
    assert {line.account for line in journal(MONTH) if line.account.startswith("4")} == {"4400"}


def test_all_that_has_no_account_is_told_at_once(
    cluster: Cluster, genomics: Project, alice: User
) -> None:
    a_month(genomics, alice)
    LedgerAccount.objects.filter(role__in=("revenue", "output_tax")).update(
        ends_on=date(2026, 10, 1)
    )
    with pytest.raises(Unmapped) as refusal:
        journal(MONTH)
    assert [(one.role, one.detail, one.day) for one in refusal.value.missing] == [
        ("revenue", "cpu", date(2026, 10, 31)),
        ("revenue", "mem", date(2026, 10, 31)),
        ("output_tax", "", date(2026, 10, 20)),
    ]
    assert "Output tax, genomics, 2026-10-20" in str(refusal.value)
    with pytest.raises(CommandError, match="no ledger account") as failed:
        call_command("export_journal", "2026-10", stderr=io.StringIO())
    assert failed.value.returncode == 1


def close_october(alice: User) -> None:
    with time_machine.travel(IN_NOVEMBER, tick=False):
        close_period(month=MONTH, actor=Actor.of(alice))


def test_a_closed_month_is_given_again_byte_by_byte(
    cluster: Cluster, genomics: Project, alice: User
) -> None:
    receipt = a_month(genomics, alice)
    actor = Actor.of(alice)
    close_october(alice)
    first = export_journal(month=MONTH, layout="plain", actor=actor)
    assert first.final
    # Another name, department, account, late usage and a credit: October stays what it was.
    other = Department.objects.create(code="chem", name="Chemistry")
    Project.objects.filter(pk=genomics.pk).update(
        code="renamed", department=other, cost_centre="CC-1"
    )
    LedgerAccount.objects.filter(role="revenue").update(ends_on=NEXT)
    LedgerAccount.objects.create(role="revenue", account="4999", starts_on=NEXT)
    LedgerAccount.objects.create(
        role="revenue", department=other, account="4998", starts_on=date(2026, 11, 1)
    )
    Project.objects.filter(pk=genomics.pk).update(code="genomics")
    with time_machine.travel(IN_NOVEMBER, tick=False):
        import_rows(cluster, Row(3, end=datetime(2026, 10, 17, tzinfo=UTC)))
        void_receipt(receipt_id=receipt.pk, actor=actor, reason="wrong buyer")
    again = export_journal(month=MONTH, layout="plain", actor=actor)
    assert again == first
    # Another layout is written from the same lines, not from what is known now.
    semicolon = export_journal(month=MONTH, layout="semicolon", actor=actor)
    assert b"4998" not in semicolon.content
    assert b"CC-1" not in semicolon.content
    assert semicolon.content.count(b"\n") == first.content.count(b"\n")
    late = {(line.account, line.entry) for line in journal(NEXT) if line.kind == "charge"}
    assert ("4998", f"charge-2026-11-{genomics.pk}-cpu-THB") in late
    events = AuditEvent.objects.filter(action="journal.exported")
    assert [event.content["data"]["sha256"] for event in events.order_by("pk")] == [
        first.sha256,
        first.sha256,
        semicolon.sha256,
    ]
    assert JournalExport.objects.count() == 3


def test_a_closed_month_keeps_its_names_before_anyone_exports_it(
    cluster: Cluster, genomics: Project, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    biology = Department.objects.create(code="bio", name="Biology")
    Project.objects.filter(pk=genomics.pk).update(department=biology, cost_centre="CC-7")
    a_month(genomics, alice)
    before = written(journal(MONTH), layouts_of({})["plain"])
    close_october(alice)
    # Everything that people may call otherwise: the project, its parts, the resource, persons.
    Project.objects.filter(pk=genomics.pk).update(code="omics", name="Omics", cost_centre="CC-8")
    Department.objects.update(code="life", name="Life sciences")
    monkeypatch.setitem(cast("dict[str, str]", NAMES), "cpu", "Cores")
    User.objects.filter(pk=alice.pk).update(username="alicia", first_name="Alicia")
    made = export_journal(month=MONTH, layout="plain", actor=Actor.of(alice))
    assert made.final
    assert made.content == before
    assert b",omics," not in made.content


def test_an_open_month_calls_its_entries_the_same_after_a_rename(
    cluster: Cluster, genomics: Project, alice: User
) -> None:
    a_month(genomics, alice)
    before = [(line.entry, line.line, line.amount) for line in journal(MONTH)]
    make_project("aardvark")
    Project.objects.filter(pk=genomics.pk).update(code="zoology")
    assert [(line.entry, line.line, line.amount) for line in journal(MONTH)] == before


def test_an_open_month_is_written_anew_and_not_kept(cluster: Cluster, alice: User) -> None:
    actor = Actor.of(alice)
    first = export_journal(month=MONTH, layout="plain", actor=actor)
    import_rows(cluster, Row(3, end=datetime(2026, 10, 17, tzinfo=UTC)))
    second = export_journal(month=MONTH, layout="plain", actor=actor)
    assert not first.final
    assert first.content != second.content
    assert not JournalExport.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda: LedgerAccount.objects.filter(role="bank").update(account="9"),
        lambda: LedgerAccount.objects.filter(role="bank").update(ends_on=date(2026, 10, 31)),
        lambda: LedgerAccount.objects.filter(role="bank").delete(),
        lambda: LedgerAccount.objects.create(
            role="bank", detail="dummy", account="9", starts_on=date(2026, 10, 31)
        ),
    ],
)
def test_accounts_of_closed_months_stay(cluster: Cluster, alice: User, change: object) -> None:
    close_october(alice)
    assert callable(change)
    with pytest.raises(IntegrityError), transaction.atomic():
        change()
    LedgerAccount.objects.filter(role="bank").update(ends_on=NEXT)
    LedgerAccount.objects.create(role="bank", account="1111", starts_on=NEXT)


LINE = Line(
    "issue-1", 1, "2026-10-31", "issue", "1120", "", "p", "=cmd()", Decimal("-1234.50"), "THB"
)


def test_layouts_write_days_amounts_and_sides_as_ledgers_want_them() -> None:
    found = layouts_of({})
    semicolon = written([LINE], found["semicolon"]).decode().splitlines()[1]
    assert semicolon == "issue-1;31.10.2026;1120;;C;1234,50;THB;'=cmd()"
    thai = written([LINE], found["thai"])
    assert thai.startswith("\ufeffเลขที่รายการ".encode())
    assert "31/10/2569" in thai.decode("utf-8-sig")
    columns = {"KONTO": "account", "BETRAG": "amount", "SH": "side"}
    added = layouts_of({"ours": {"columns": columns}})["ours"]
    assert written([LINE], added) == b"KONTO,BETRAG,SH\r\n1120,1234.50,C\r\n"


def ours(**values: object) -> object:
    return {"columns": {"A": "account", "B": "debit", "C": "credit"}, **values}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "maps headings to these"),
        ([], "no other keys"),
        (ours(columns={"A": "luck"}), "maps headings to these"),
        (ours(columns={"A": ["account"]}), "maps headings to these"),
        (ours(columns={"A": "account", "B": "amount"}), "either debit and credit or amount"),
        (ours(columns={"A": "debit", "B": "credit"}), "needs account"),
        (ours(delimiter="x"), "delimiters are"),
        (ours(delimiter=[]), "delimiters are"),
        (ours(decimal_mark="'"), "decimal marks"),
        (ours(date_format="%d.%m"), "date_format"),
        (ours(date_format="%d.%m.%Y %H"), "date_format"),
        (ours(date_format=3), "date_format"),
        (ours(mark_utf8="no"), "true or false"),
        (ours(colour="red"), "columns, date_format, decimal_mark, delimiter, mark_utf8"),
    ],
)
def test_a_layout_that_can_not_be_written_is_refused_at_start(
    values: object, said: str, settings: LazySettings
) -> None:
    settings.JOURNAL_LAYOUTS = {"ours": values}
    (found,) = layouts_can_be_written()
    assert said in found.msg
    assert "JOURNAL_LAYOUTS" in found.msg
    assert "docs/books.md" in str(found.hint)


def test_a_layout_takes_no_name_of_another(settings: LazySettings) -> None:
    refused: tuple[object, ...] = ([], {"": ours()}, {"plain": ours()}, {"x" * 33: ours()})
    for wrong in refused:
        settings.JOURNAL_LAYOUTS = wrong
        assert len(layouts_can_be_written()) == 1
    settings.JOURNAL_LAYOUTS = {"ours": ours(date_format="%d/%m/%E", delimiter="\t")}
    assert layouts_can_be_written() == []


@pytest.mark.parametrize(
    ("text", "said"), [("{'ours'}", "one line of JSON"), ('{"ours": {}}', "maps headings")]
)
def test_the_program_does_not_start_with_a_layout_that_is_none(text: str, said: str) -> None:
    command = [sys.executable, "manage.py", "check"]
    tried = subprocess.run(
        command,
        env=os.environ | {"JOURNAL_LAYOUTS": text},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 1
    assert "JOURNAL_LAYOUTS" in tried.stderr
    assert said in tried.stderr


def test_an_unknown_layout_is_refused(alice: User) -> None:
    with pytest.raises(Invalid):
        export_journal(month=MONTH, layout="luck", actor=Actor.of(alice))


def test_the_command_writes_the_file(cluster: Cluster, alice: User, tmp_path: Path) -> None:
    said, path = io.StringIO(), tmp_path / "journal.csv"
    call_command("export_journal", "2026-10", layout="thai", output=path, by="alice", stderr=said)
    assert path.read_bytes().startswith("\ufeffเลขที่รายการ".encode())
    assert "4 lines, still open: it may change" in said.getvalue()
    out = io.StringIO()
    call_command("export_journal", "2026-10", stdout=out, stderr=said)
    assert out.getvalue().startswith("entry,line,date,kind,account")
    for wrong in (["2026-13"], ["2026-10", "--layout", "luck"], ["2026-10", "--by", "nobody"]):
        with pytest.raises(CommandError) as refusal:
            call_command("export_journal", *wrong)
        assert refusal.value.returncode == 2
