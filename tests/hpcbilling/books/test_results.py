"""What a check of the books leaves: exit code, result, event, metric, page."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from hpcbilling.books import CHECKS, Break, Check
from hpcbilling.tasks import check_books
from insights.models import BooksCheck
from tests.factories import make_user

pytestmark = pytest.mark.django_db

BREAK = {"about": "R-1", "field": "total", "stored": "8.00", "computed": "7.00"}


def run(*arguments: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("check_books", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), error.returncode
    return out.getvalue(), 0


def broken(count: int = 1) -> BooksCheck:
    row = {"name": "totals", "breaks": count, "found": count, "seconds": 0.1, "first": [BREAK]}
    return BooksCheck.objects.create(started_at="2026-11-21T01:00:00Z", breaks=count, results=[row])


def test_an_empty_site_balances_and_that_is_kept() -> None:
    text, code = run()
    assert code == 0
    assert text.endswith("The books balance.\n")
    (kept,) = BooksCheck.objects.all()
    assert kept.breaks == 0
    assert [row["name"] for row in kept.results] == [check.name for check in CHECKS]
    assert AuditEvent.objects.filter(action="books.checked", target_id=kept.pk).count() == 1


def test_a_break_is_named_and_the_command_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Iterator[Break]:
        return iter([Break(**BREAK)] * 30)

    checks = (Check("rated", "Nothing is lost", breaks), Check("told", "Odd", breaks, informs=True))
    monkeypatch.setattr("hpcbilling.books.running.CHECKS", checks)
    text, code = run()
    assert code == 1
    assert text.count("  R-1: total is 8.00, should be 7.00\n") == 20
    assert "rated: Nothing is lost: 30 BREAKS" in text
    assert text.count("  R-1: total: 8.00\n") == 20
    assert "told: Odd: 30 to know" in text
    assert text.endswith("The books do not balance.\n")
    (kept,) = BooksCheck.objects.all()
    assert (kept.breaks, kept.results[0]["breaks"], kept.results[1]["breaks"]) == (30, 30, 0)
    assert len(kept.results[0]["first"]) == 20


def test_as_json_every_break_is_a_line_and_a_look_at_some_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks = (Check("rated", "Nothing is lost", lambda: iter([Break(**BREAK)] * 30)),)
    monkeypatch.setattr("hpcbilling.books.running.CHECKS", checks)
    text, code = run("--json", "--only", "rated")
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[:30] == [{"check": "rated", **BREAK}] * 30
    assert (lines[30]["check"], lines[30]["breaks"]) == ("rated", 30)
    assert (lines[31]["checks"], lines[31]["breaks"], code) == (1, 30, 1)
    assert not BooksCheck.objects.exists()


def test_an_unknown_check_is_a_wrong_use() -> None:
    assert run("--only", "luck")[1] == 2


def test_the_task_says_who_asked() -> None:
    alice = make_user("alice")
    check_books(alice.pk)
    check_books()
    assert [row.requested_by for row in BooksCheck.objects.order_by("pk")] == [alice, None]


def test_the_metric_has_each_check_from_the_start_and_then_the_last_result(client: Client) -> None:
    def series(text: str) -> dict[str, str]:
        rows = [line for line in text.splitlines() if line.startswith("hpcbilling_books_breaks{")]
        return dict(line.rsplit(" ", 1) for line in rows)

    before = series(client.get("/metrics").text)
    assert set(before.values()) == {"0.0"}
    assert len(before) == sum(not check.informs for check in CHECKS)
    broken(3)
    after = client.get("/metrics").text
    assert series(after)['hpcbilling_books_breaks{check="totals"}'] == "3.0"
    assert "hpcbilling_last_books_check_timestamp_seconds 1" in after


def logged_in(client: Client, role: str) -> Client:
    client.force_login(make_user(role, groups=(role,)))
    return client


@pytest.mark.parametrize("role", ["finance", "auditor", "operator"])
def test_the_page_shows_what_is_broken_first(client: Client, role: str) -> None:
    page = reverse("admin:insights_bookscheck_change", args=(broken().pk,))
    text = logged_in(client, role).get(page).text
    assert "The books do not balance." in text
    assert all(value in text for value in BREAK.values())
    assert client.post(page).status_code == 403


def test_the_home_page_has_an_alarm_that_leads_there(client: Client) -> None:
    kept = broken()
    text = logged_in(client, "auditor").get(reverse("admin:index")).text
    assert "Broken rules of the books" in text
    assert reverse("admin:insights_bookscheck_change", args=(kept.pk,)) in text


def test_a_clerk_has_the_books_checked(
    client: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr("hpcbilling.books.admin.after_commit", lambda *args: sent.append(args))
    page = reverse("admin:insights_bookscheck_check_now")
    logged_in(client, "finance")
    assert "computes every charge" in client.get(page).text
    assert client.post(page).status_code == 302
    assert [args[0] for args in sent] == ["hpcbilling.check_books"]
