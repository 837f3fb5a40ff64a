"""The digest of the books: the same for the same content, another one after any change."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from core.errors import DomainError
from hpcbilling.state_digest import Part, overall, parts
from receipts.services import create_receipt, draft_receipt
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
)

pytestmark = pytest.mark.django_db


def changed(before: dict[str, Part]) -> set[str]:
    now = parts()
    return {name for name in now if now[name] != before[name]}


def test_each_change_shows_in_the_parts_that_it_touches() -> None:
    project, cluster = make_project("genomics"), make_cluster()
    empty = parts()
    assert {part.rows for part in parts().values()} == {0}
    import_rows(cluster, Row(1), Row(2))
    assert changed(empty) == {"jobs", "ratings", "charges", "imports"}
    imported = parts()
    import_rows(cluster, Row(1), Row(2, seconds=7200))
    assert changed(imported) == {"jobs", "ratings", "charges", "imports"}
    corrected = parts()
    draft_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    # A draft has no number yet, but its lines hold charges.
    assert changed(corrected) == {"charges", "receipts", "lines"}


def test_reading_changes_nothing_and_neither_does_the_same_input_again() -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(1))
    before = parts()
    import_rows(cluster, Row(1))
    assert overall(parts()) == overall(before)


def test_a_refused_step_changes_nothing() -> None:
    project, cluster = make_project("genomics"), make_cluster()
    import_rows(cluster, Row(1))
    create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    before = parts()
    with pytest.raises(DomainError):
        create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert parts() == before


def test_the_command_compares_with_an_earlier_digest() -> None:
    make_project("genomics")
    import_rows(make_cluster(), Row(1))
    out = io.StringIO()
    call_command("state_digest", "--json", stdout=out)
    printed = json.loads(out.getvalue())
    assert printed["digest"] == overall(parts())
    assert printed["parts"]["jobs"][0] == 1
    call_command("state_digest", "--expect", printed["digest"], stdout=out)
    assert f"digest {printed['digest']}" in out.getvalue()
    import_rows(make_cluster("beta"), Row(2))
    with pytest.raises(CommandError, match="not the expected one"):
        call_command("state_digest", "--expect", printed["digest"], stdout=out)
