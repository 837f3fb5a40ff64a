"""A document is locked with the projects whose usage is on it: what is taken back is theirs."""

import multiprocessing
import time
from dataclasses import replace
from datetime import date

import pytest
from django.db import OperationalError, connection, transaction
from pytest_django import Settings

from accounts.models import Project
from accounts.services import close
from core.actor import Actor
from pricing.replacing import reverse_and_replace
from receipts.models import BillingProfile, Receipt
from receipts.selectors import charges_in_force, lines_over, unbilled_charges
from receipts.services import corrections, create_receipt, issue_receipt, runs, write_draft
from receipts.services.corrections import credit_now, settle_corrections
from receipts.services.runs import drafting
from receipts.services.steps import locked
from tests.databases import Database
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.racing import race
from usage.models import Cluster

MONTH = date(2026, 10, 1)


def issued(payer: Project, genomics: Project) -> Receipt:
    """A receipt to one project over the usage of another, which the monthly run leaves out."""
    BillingProfile.objects.create(project=genomics, grouping="payer", payer=payer, in_run=False)
    import_rows(make_cluster(), Row(1, seconds=360_000))
    with transaction.atomic():
        lines = lines_over(unbilled_charges([genomics.pk]))
        draft = write_draft(project=payer, lines=lines, window=OCTOBER, actor=SYSTEM)
    return issue_receipt(receipt_id=draft.pk, actor=SYSTEM)


def test_the_projects_of_its_lines_wait_for_who_changes_it(committed_db: Database) -> None:
    payer, genomics, other = (make_project(code) for code in ("payer", "genomics", "other"))
    receipt = issued(payer, genomics)
    with transaction.atomic():
        assert locked(receipt.pk).project == payer
        assert [is_locked(project) for project in (payer, genomics, other)] == [True, True, False]
    assert not is_locked(genomics)


def test_a_run_locks_them_with_its_own_before_it_credits(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    genomics, payer = make_project("genomics"), make_project("payer")
    receipt = issued(payer, genomics)
    with transaction.atomic():
        reverse_and_replace(charges=list(charges_in_force(receipt)), actor=SYSTEM)
    close(month=MONTH, seal=lambda _period: {}, actor=SYSTEM)
    run = runs.start_run(month=MONTH, actor=SYSTEM)
    held: list[bool] = []

    def credit(*, receipt: Receipt, actor: Actor) -> None:
        held.append(is_locked(genomics))
        credit_now(receipt=receipt, actor=actor)

    monkeypatch.setattr(drafting, "credit_now", credit)
    runs.advance(run_id=run.pk, actor=SYSTEM)
    assert held == [True]
    assert receipt.credit_notes.get().total == -receipt.total


def test_a_correction_locks_who_is_charged_instead(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    payer, genomics, climate = (make_project(code) for code in ("payer", "genomics", "climate"))
    issued(payer, genomics)
    BillingProfile.objects.create(project=climate, grouping="payer", payer=payer)
    import_rows(Cluster.objects.get(), Row(1, seconds=360_000, account="climate"))
    settings.CORRECTION_THRESHOLD = {"THB": 0}
    held: list[bool] = []

    def credit(*, receipt: Receipt, actor: Actor) -> None:
        held.append(is_locked(climate))
        credit_now(receipt=receipt, actor=actor)

    monkeypatch.setattr(corrections, "credit_now", credit)
    settle_corrections(actor=SYSTEM)
    assert held == [True]
    assert Receipt.objects.latest("pk").lines.filter(project=climate).exists()


def is_locked(project: Project) -> bool:
    """Whether another connection would wait for a project."""
    second = connection.copy()
    ask = "SELECT 1 FROM accounts_project WHERE id = %s FOR NO KEY UPDATE NOWAIT"
    try:
        with second.cursor() as cursor:
            cursor.execute(ask, [project.pk])
    except OperationalError:
        return True
    finally:
        second.close()
    return False


def test_who_was_charged_just_before_the_lock_is_not_billed_twice_at_once(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A correction that has the numbers finds that yet another project was charged instead, whose
    own receipt has that project and waits for the numbers."""
    payer, genomics, climate = (make_project(code) for code in ("payer", "genomics", "climate"))
    issued(payer, genomics)
    BillingProfile.objects.create(project=climate, grouping="payer", payer=payer, in_run=False)
    other = replace(Row(1, seconds=360_000), tres="cpu=4,mem=8000M,node=1,billing=4")
    import_rows(Cluster.objects.get(), other)
    looked, charged, numbered = (multiprocessing.Event() for _ in range(3))

    def lock(receipt_id: int, others: set[int]) -> Receipt:
        looked.set()
        assert charged.wait(30)
        return locked(receipt_id, others)

    def credit(*, receipt: Receipt, actor: Actor) -> None:
        numbered.set()
        time.sleep(1)
        credit_now(receipt=receipt, actor=actor)

    def correct() -> int:
        settings.CORRECTION_THRESHOLD = {"THB": 0}
        monkeypatch.setattr(corrections, "locked", lock)
        monkeypatch.setattr(corrections, "credit_now", credit)
        return settle_corrections(actor=SYSTEM).corrected

    def bill() -> str:
        assert looked.wait(30)
        import_rows(Cluster.objects.get(), replace(other, account="climate"))
        charged.set()
        numbered.wait(10)
        create_receipt(project_id=climate.pk, window=OCTOBER, actor=SYSTEM)
        return "issued"

    assert race(correct, bill) == ["1", "nothing_to_bill"]
    assert Receipt.objects.latest("pk").lines.filter(project=climate).exists()
