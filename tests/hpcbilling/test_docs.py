"""The documentation says what is there: links, rules, commands and variables exist."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.db import connection

from tests.hpcbilling.test_alerts import anchor

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
RULES = """
    SELECT conname FROM pg_constraint
    UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION SELECT relname FROM pg_class WHERE relkind = 'i'
"""


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def headings(page: Path) -> set[str]:
    plain = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    return {anchor(found) for found in re.findall(r"^#+ (.*)$", plain, re.MULTILINE)}


def invariants() -> list[tuple[str, list[str], list[str]]]:
    """The rows of the table: the rule in words, names in the database, paths of tests."""
    rows = re.findall(
        r"^\| (.+?) \| (.+?) \| (.+?) \|$",
        text_of(PROJECT / "docs/architecture.md").partition("## Invariants")[2],
        re.MULTILINE,
    )
    return [
        (rule, re.findall(r"`(\w+)`", names), re.findall(r"`(tests/[^`]+)`", tests))
        for rule, names, tests in rows[1:]
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, place = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not place or place in headings(found), target


@pytest.mark.django_db
def test_each_invariant_is_in_the_database_and_has_a_test() -> None:
    with connection.cursor() as cursor:
        cursor.execute(RULES)
        present = {str(row[0]) for row in cursor.fetchall()}
    rows = invariants()
    assert len(rows) > 15
    for rule, names, tests in rows:
        assert set(names) <= present, rule
        assert names or "two roles" in text_of(PROJECT / "docs/architecture.md")
        assert tests, rule
        for path in tests:
            assert (PROJECT / path).exists(), path


def test_commands_that_are_named_exist() -> None:
    known = get_commands()
    for page in PAGES:
        for name in re.findall(r"manage\.py ([a-z_]+)", text_of(page)):
            assert name in known, f"{page.name}: {name}"


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(PROJECT / "Makefile"), re.MULTILINE))
    for page in PAGES:
        for name in re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", text_of(page), re.MULTILINE):
            assert "".join(name) in targets, f"{page.name}: make {''.join(name)}"


def test_variables_that_are_named_are_explained() -> None:
    explained = text_of(PROJECT / ".env.example")
    elsewhere = {"CREATE_ROLE", "NUMBER", "AUTO_FIELD"}
    for page in (PROJECT / "docs/operations.md", PROJECT / "README.md"):
        for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)[=`]", text_of(page)):
            assert name in explained or name in elsewhere, f"{page.name}: {name}"
