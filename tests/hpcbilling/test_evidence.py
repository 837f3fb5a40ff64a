"""``manage.py evidence``: from a job to its raw row, and whether the original is as it came."""

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from core.intervals import Interval
from receipts.services import create_receipt
from tests import databases
from tests.factories import (
    SYSTEM,
    Row,
    import_bytes,
    import_rows,
    make_cluster,
    make_project,
    sacct,
)
from usage import evidence as evidence_store
from usage.models import Cluster, Evidence, EvidenceChunk, Job
from usage.raw import raw_row
from usage.sources.unpacking import zstd


def call(*args: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("evidence", *args, stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}", error.returncode
    return out.getvalue(), 0


@pytest.mark.django_db
@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress])
def test_the_row_is_printed_as_it_came(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_store, "CHUNK_BYTES", 300)
    rows = [Row(number, name=f"job {number}") for number in range(1, 40)]
    import_bytes(make_cluster(), pack(sacct(*rows)))
    assert Evidence.objects.get().chunks.count() > 1
    for number in (1, 17, 39):
        said, code = call(f"alpha:{number}")
        assert code == 0
        assert said.endswith(f"\n{rows[number - 1].text()}\n")
        assert f"line {number + 1}," in said
        assert f"{Evidence.objects.get().sha256} (matches)" in said


@pytest.mark.django_db
def test_an_attempt_is_named_by_its_submit_time_or_its_number() -> None:
    cluster = make_cluster()
    later = Row().end + timedelta(days=1)
    import_rows(cluster, Row(5), Row(5, end=later))
    said, code = call("alpha:5")
    assert code == 2
    assert "alpha:5@2026-10-15T10:59:00Z, alpha:5@2026-10-16T10:59:00Z" in said
    told = json.loads(call("alpha:5@2026-10-16T10:59:00Z", "--json")[0])
    assert (told["raw"], told["line"]) == (Row(5, end=later).text(), 3)
    assert told["intact"] is True
    job = Job.objects.get(pk=told["job"])
    assert json.loads(call(str(job.pk), "--json")[0]) == told
    epoch = int(job.submit.timestamp())
    assert json.loads(call(f"alpha:5@{epoch}", "--json")[0]) == told
    Cluster.objects.update(name="renamed", slurm_name="alpha")
    renamed = json.loads(call(f"alpha:5@{epoch}", "--json")[0])
    assert renamed == told | {"cluster": "renamed"}
    assert json.loads(call(f"renamed:5@{epoch}", "--json")[0]) == renamed
    make_cluster("alpha")
    assert call(f"alpha:5@{epoch}")[1] == 2
    for wrong in ("alpha:6", "beta:5", "alpha:5@soon", "five", "99999999"):
        assert call(wrong)[1] == 2


@pytest.mark.django_db
def test_an_earlier_revision_leads_to_its_own_row() -> None:
    cluster = make_cluster()
    first, second = Row(1, state="RUNNING", seconds=60), Row(1, seconds=60)
    import_rows(cluster, first)
    import_rows(cluster, Row(2), second)
    assert json.loads(call("alpha:1", "--json")[0])["raw"] == second.text()
    told = json.loads(call("alpha:1", "--revision", "1", "--json")[0])
    assert (told["raw"], told["line"]) == (first.text(), 2)
    assert call("alpha:1", "--revision", "7")[1] == 2


def test_damage_is_noticed_and_evidence_of_a_receipt_can_not_go(
    committed_db: databases.Database,
) -> None:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1))
    october = Interval(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    create_receipt(project_id=project.pk, window=october, actor=SYSTEM)
    for rows in (Evidence.objects.all(), EvidenceChunk.objects.all()):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.delete()
    with psycopg.connect(committed_db.owner_url, autocommit=True) as owner:
        for table in ("usage_evidencechunk", "usage_evidence", "usage_job", "usage_importrun"):
            with pytest.raises(psycopg.errors.IntegrityError):
                owner.execute(f"DELETE FROM {table}")
        # Only who owns the tables can put the rule aside; then the digest tells.
        owner.execute("ALTER TABLE usage_evidencechunk DISABLE TRIGGER USER")
        (data,) = owner.execute("SELECT data FROM usage_evidencechunk").fetchone() or (b"",)
        wrong = zstd.decompress(data).replace(b"genomics", b"genomicz")
        owner.execute("UPDATE usage_evidencechunk SET data = %s", [zstd.compress(wrong)])
        said, code = call("alpha:1")
        assert code == 1
        assert "DOES NOT MATCH" in said
        assert "|genomicz|" in said
        owner.execute("UPDATE usage_evidencechunk SET data = %s", [data[:-9]])
        assert raw_row(Job.objects.get()) == ""
        assert call("alpha:1", "--json")[1] == 1
