"""A document is locked with the projects whose usage is on it: what is taken back is theirs."""

from django.db import OperationalError, connection, transaction

from accounts.models import Project
from receipts.models import BillingProfile
from receipts.selectors import lines_over, unbilled_charges
from receipts.services import issue_receipt, write_draft
from receipts.services.steps import locked
from tests.databases import Database
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project


def test_the_projects_of_its_lines_wait_for_who_changes_it(committed_db: Database) -> None:
    payer, genomics, other = (make_project(code) for code in ("payer", "genomics", "other"))
    BillingProfile.objects.create(project=genomics, grouping="payer", payer=payer)
    import_rows(make_cluster(), Row(1, seconds=360_000))
    with transaction.atomic():
        lines = lines_over(unbilled_charges([genomics.pk]))
        draft = write_draft(project=payer, lines=lines, window=OCTOBER, actor=SYSTEM)
    receipt = issue_receipt(receipt_id=draft.pk, actor=SYSTEM)
    with transaction.atomic():
        assert locked(receipt.pk).project == payer
        assert [is_locked(project) for project in (payer, genomics, other)] == [True, True, False]
    assert not is_locked(genomics)


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
