"""A month computed anew is exact; whoever changes anything behind the application is told on."""

import json
from datetime import date, timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command

from accounts.models import Project
from core.intervals import Interval
from pricing.closing import true_up
from pricing.models import Charge
from pricing.replay import Difference, Replayed, replay_month
from receipts.services import create_receipt, void_receipt
from tests import databases
from tests.factories import LONG_AGO, SYSTEM, import_bytes, make_cluster
from tests.pricing.everything import A100, START, build, hour, with_partition
from tests.pricing.lists import flat, publish
from usage.models import Cluster, Evidence, Job
from usage.sources.unpacking import zstd

MONTH = date(2026, 10, 1)
OCTOBER = Interval(START - timedelta(days=4), START + timedelta(days=20))


def story() -> None:
    """Every model and term; a job that changed, a document that was voided, a commitment."""
    build()
    less = A100.replace("cpu=4", "cpu=2")
    changed = with_partition((hour(1, seconds=3601, tres=less), "gpu"))
    import_bytes(Cluster.objects.get(), changed, as_of=START + timedelta(days=10))
    for code in ("genomics", "solo"):
        project = Project.objects.get(code=code)
        receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
        if code == "genomics":
            void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong address")
    last = START + timedelta(days=20)
    publish(flat("cpu", "3"), flat("mem", "0.01"), flat("gpu", "9"), tier="gov", at=last,
            commitment=10_000)  # fmt: skip
    partner = Project.objects.get(code="partner")
    made = true_up(project_id=partner.pk, month=MONTH, actor=SYSTEM)
    assert made is not None
    assert made.is_due


def replay(cluster: Cluster | None = None) -> tuple[Replayed, list[Difference]]:
    told: list[Difference] = []
    return replay_month(MONTH, cluster=cluster, tell=told.append), told


@pytest.mark.django_db
def test_a_month_with_everything_is_exact() -> None:
    story()
    found, told = replay()
    assert told == []
    assert found.charges == Charge.objects.count()
    assert (found.jobs, found.differences) == (6, 0)
    kinds = set(Charge.objects.values_list("kind", flat=True))
    assert kinds == {"usage", "minimum", "adjustment", "true_up"}
    assert Charge.objects.exclude(reverses=None).count() > 5
    assert Job.objects.filter(revision=2).exists()


@pytest.mark.django_db
def test_plain_months_and_other_clusters() -> None:
    build()
    beta = make_cluster("beta")
    found, told = replay(beta)
    assert (found.jobs, told) == (0, [])
    rows = with_partition((hour(40, account="partner"), "gpu"), (hour(41, account="solo"), ""))
    import_bytes(beta, rows)
    found, told = replay(beta)
    assert (found.jobs, told) == (2, [])
    publish(flat("cpu", "5"), flat("mem", "5"), at=LONG_AGO.replace(year=2027))
    assert replay()[1] == []


def run(*arguments: str) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("replay", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), error.returncode
    return out.getvalue(), 0


@pytest.mark.django_db
def test_the_command_says_exact_and_what_was_used_wrongly() -> None:
    build()
    text, code = run("2026-10")
    assert code == 0
    assert text.startswith("2026-10: 6 jobs, ")
    assert text.endswith("counters computed anew: exact\n")
    data = json.loads(run("2026-10", "--json", "--cluster", "alpha")[0])
    assert (data["exact"], data["jobs"]) == (True, 6)
    assert json.loads(run("2026-09", "--json")[0])["charges"] == 0
    for arguments in (("2026-13",), ("October",), ("2026-10", "--cluster", "nope")):
        assert run(*arguments)[1] == 2


ATTACKS: list[tuple[str, str, set[str]]] = [
    ("a quantity, and its amount with it",
     ("UPDATE pricing_charge SET quantity = quantity - 3600, amount = amount - unit_price"
     " WHERE id = (SELECT min(id) FROM pricing_charge WHERE unit_price > 0"
     " AND reverses_id IS NULL AND quantity > 3600 AND resource = 'cpu')"),
     {"quantity", "amount"}),
    ("an amount by the last digit",
     ("UPDATE pricing_charge SET amount = amount + 0.000001 WHERE id ="
     " (SELECT max(id) FROM pricing_charge WHERE unit_price > 0 AND reverses_id IS NULL)"),
     {"amount"}),
    ("an amount by a counter",
     ("UPDATE pricing_charge SET amount = amount - 1 WHERE id ="
     " (SELECT max(id) FROM pricing_charge WHERE counter_after > counter_before)"),
     {"amount", "counter.amount"}),
    ("where a counter stood",
     ("UPDATE pricing_charge SET counter_before = counter_before + 1,"
     " counter_after = counter_after + 1 WHERE id ="
     " (SELECT max(id) FROM pricing_charge WHERE counter_after > counter_before)"),
     {"counter_before", "counter_after"}),
    ("a counter", "UPDATE pricing_counter SET quantity = quantity + 1 WHERE quantity > 0",
     {"counter.quantity"}),
    ("a job's time", ("UPDATE usage_job SET elapsed_seconds = 60, cpu_seconds = 240"
     " WHERE job_id = 7"), {"job.elapsed_seconds", "job.cpu_seconds"}),
    ("a job's state", "UPDATE usage_job SET state = 'FAILED' WHERE job_id = 7", {"job.state"}),
    ("a price", ("UPDATE pricing_rate SET unit_price = unit_price + 1 WHERE resource = 'gpu'"
     " OR (resource = 'cpu' AND unit_price = 3)"), {"unit_price", "amount"}),
    ("a slab", "UPDATE pricing_slab SET unit_price = unit_price + 1 WHERE position = 1",
     {"amount"}),
    ("a term", "UPDATE pricing_pricelist SET quantum_seconds = 3600 WHERE quantum_seconds = 60",
     {"quantity"}),
    ("a minimum", "UPDATE pricing_charge SET amount = amount + 1 WHERE kind = 'minimum'",
     {"amount"}),
    ("a true-up", "UPDATE pricing_charge SET amount = amount - 5 WHERE kind = 'true_up'",
     {"amount"}),
    ("a charge that is gone", ("DELETE FROM pricing_charge WHERE id = (SELECT max(id)"
     " FROM pricing_charge WHERE job_id = (SELECT id FROM usage_job WHERE job_id = 7)"
     " AND resource = 'mem')"), {"charge"}),
    ("all charges of a job", ("DELETE FROM pricing_charge WHERE job_id ="
     " (SELECT id FROM usage_job WHERE job_id = 5)"), {"charges"}),
    ("a reversal", ("UPDATE pricing_charge SET quantity = quantity - 1 WHERE id ="
     " (SELECT min(id) FROM pricing_charge WHERE reverses_id IS NOT NULL AND unit_price > 0)"),
     {"quantity"}),
    ("a basis", ("UPDATE pricing_charge SET basis = 'fallback' WHERE id ="
     " (SELECT max(id) FROM pricing_charge WHERE kind = 'usage')"), {"basis"}),
    ("another currency", ("UPDATE pricing_charge SET currency = 'USD' WHERE id ="
     " (SELECT max(id) FROM pricing_charge WHERE kind = 'usage')"), {"currency"}),
    ("a share", "UPDATE accounts_splitshare SET percent = 50", {"quantity"}),
]  # fmt: skip

TABLES = ("pricing_charge", "pricing_counter", "pricing_rate", "pricing_slab", "usage_job",
          "pricing_pricelist", "accounts_splitshare", "usage_evidencechunk")  # fmt: skip


def without_rules(owner: psycopg.Connection) -> None:
    """What only who owns the tables can do: triggers and CHECKs put aside."""
    for table in TABLES:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    checks = owner.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE contype = 'c' AND conrelid = ANY (%(tables)s::regclass[])"
        " OR contype = 'f' AND confrelid = 'pricing_charge'::regclass",
        {"tables": list(TABLES)},
    ).fetchall()
    for table, name in checks:
        owner.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def test_each_tampering_is_named(committed_db: databases.Database) -> None:
    story()
    assert replay()[1] == []
    backups = [table for table in TABLES if table != "usage_evidencechunk"]
    with psycopg.connect(committed_db.owner_url, autocommit=True) as owner:
        without_rules(owner)
        for table in backups:
            owner.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
        for name, statement, fields in ATTACKS:
            changed = owner.execute(statement).rowcount
            assert changed, name
            told = replay()[1]
            assert fields <= {found.field for found in told}, (name, told)
            assert all(found.about and found.stored != found.recomputed for found in told), name
            _restore(owner, backups)
            assert replay()[1] == [], name
        text, code = _with_damage(owner)
    assert code == 1
    assert "evidence is stored as" in text


def _restore(owner: psycopg.Connection, tables: list[str]) -> None:
    with owner.transaction():
        owner.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in tables:
            columns = owner.execute(
                "SELECT string_agg(format('%%I = k.%%1$I', column_name), ', ') FROM"
                " information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
                " AND is_identity = 'NO'",
                [table],
            ).fetchone()
            assert columns is not None
            owner.execute(f"UPDATE {table} t SET {columns[0]} FROM kept_{table} k"
                          " WHERE k.id = t.id AND k IS DISTINCT FROM t")  # fmt: skip
            owner.execute(
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table} k"
                f" WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE t.id = k.id)"
            )


def _with_damage(owner: psycopg.Connection) -> tuple[str, int]:
    """Change a stored row in the evidence, as if the job had run for a second less."""
    first = Evidence.objects.earliest("pk")
    row = owner.execute(
        "SELECT data FROM usage_evidencechunk WHERE evidence_id = %s", [first.pk]
    ).fetchone()
    assert row is not None
    wrong = zstd.decompress(row[0]).replace(b"|36000|", b"|35999|")
    owner.execute(
        "UPDATE usage_evidencechunk SET data = %s WHERE evidence_id = %s",
        [zstd.compress(wrong), first.pk],
    )
    return run("2026-10")
