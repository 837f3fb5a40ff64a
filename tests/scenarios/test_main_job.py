"""The main job whole: real accounting rows in; charges, a receipt, a payment and the log out."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection, transaction

from accounts.models import Membership, Project, ProjectTier, Tier, User
from audit.selectors import verify_chain
from core.actor import Actor
from core.errors import Conflict
from core.intervals import Interval
from hpcbilling import workflows
from payments.providers.dummy import signed_headers
from payments.services import receive_webhook, start_checkout
from pricing.models import Charge, JobRating
from receipts.models import Receipt
from receipts.selectors import unbilled_charges
from receipts.services import create_receipt, void_receipt
from usage.models import ImportRun, Job
from usage.services import create_cluster

RECORDING = Path(__file__).parents[1] / "fixtures/slurm/22.05/sacct-X-D-epoch.psv"
MONTH = Interval(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="alice")


@pytest.fixture
def genomics(alice: User) -> Project:
    project = Project.objects.create(code="pi_suda", name="Genomics")
    Membership.objects.create(project=project, user=alice, role=Membership.Role.PI)
    ProjectTier.objects.create(
        project=project,
        tier=Tier.objects.get(code="mu"),
        starts_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    return project


def import_recording(actor: Actor) -> workflows.Imported:
    cluster = create_cluster(name="demo", time_zone="UTC", actor=actor)
    with RECORDING.open("rb") as stream:
        return workflows.import_usage(
            cluster=cluster, stream=stream, origin=RECORDING.name, actor=actor
        )


def test_usage_becomes_charges_a_receipt_and_a_payment(alice: User, genomics: Project) -> None:
    actor = Actor.of(alice)
    imported = import_recording(actor)
    run = imported.run
    assert run.status == ImportRun.Status.COMPLETE, run.error
    assert run.rows_read == run.jobs + run.steps + run.quarantined == 78
    charged = {charge.job_id for charge in Charge.objects.all()}
    ours = Job.objects.filter(account="pi_suda", end__isnull=False, cpu_seconds__gt=0)
    assert charged == set(ours.values_list("pk", flat=True))
    assert JobRating.objects.filter(reason="no_project").exists()

    receipt = create_receipt(project_id=genomics.pk, window=MONTH, actor=actor)
    assert receipt.number == "RC-2026-000001"
    assert receipt.total == sum(line.amount for line in receipt.lines.all()) > 0
    with pytest.raises(Conflict):
        create_receipt(project_id=genomics.pk, window=MONTH, actor=actor)

    payment = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=actor)
    assert (
        start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=actor).pk == payment.pk
    )
    body = event(payment.external_id, receipt.total)
    headers = {key.lower(): value for key, value in signed_headers(body).items()}
    assert receive_webhook(provider_code="dummy", headers=headers, body=body) == "applied"
    assert receive_webhook(provider_code="dummy", headers=headers, body=body) == "replay"
    receipt.refresh_from_db()
    assert receipt.status == Receipt.Status.PAID

    connection.check_constraints()
    found = verify_chain()
    assert found.broken is None
    assert found.events > 10


def event(external_id: str, amount: Decimal, currency: str = "THB") -> bytes:
    return json.dumps(
        {
            "id": "evt_1",
            "type": "payment.succeeded",
            "payment": external_id,
            "amount": str(amount),
            "currency": currency,
            "created": 1795246000,
        }
    ).encode()


def test_void_makes_the_usage_billable_again(alice: User, genomics: Project) -> None:
    actor = Actor.of(alice)
    import_recording(actor)
    first = create_receipt(project_id=genomics.pk, window=MONTH, actor=actor)
    void_receipt(receipt_id=first.pk, actor=actor, reason="wrong project")
    second = create_receipt(project_id=genomics.pk, window=MONTH, actor=actor)
    assert second.total == first.total
    assert second.number == "RC-2026-000002"
    assert not unbilled_charges().filter(project=genomics).exists()
    connection.check_constraints()


def test_the_same_file_twice_changes_nothing(alice: User, genomics: Project) -> None:
    actor = Actor.of(alice)
    imported = import_recording(actor)
    before = list(Charge.objects.order_by("pk").values())
    with RECORDING.open("rb") as stream:
        again = workflows.import_usage(
            cluster=imported.run.cluster, stream=stream, origin="again.psv", actor=actor
        )
    assert again.repeated
    assert again.run.pk == imported.run.pk
    assert list(Charge.objects.order_by("pk").values()) == before


def test_an_issued_receipt_is_frozen_in_the_database(alice: User, genomics: Project) -> None:
    actor = Actor.of(alice)
    import_recording(actor)
    receipt = create_receipt(project_id=genomics.pk, window=MONTH, actor=actor)
    for statement in (
        "UPDATE receipts_receipt SET total = total + 1, net_amount = net_amount + 1 WHERE id = %s",
        "DELETE FROM receipts_receipt WHERE id = %s",
        "UPDATE receipts_line SET amount = 0 WHERE receipt_id = %s",
        "UPDATE receipts_receipt SET status = 'paid', paid_at = now() WHERE id = %s",
    ):
        with pytest.raises(Exception, match=r"refused|add up|agree"):
            _commit(statement, receipt.pk)


def _commit(statement: str, key: int) -> None:
    """Run a statement up to what a commit would check."""
    with transaction.atomic():
        connection.cursor().execute(statement, [key])
        connection.check_constraints()
