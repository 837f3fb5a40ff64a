"""Signing in: what is shown, what is refused for a while, and what the log keeps of it."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.hooks import UNKNOWN
from audit.models import AuditEvent
from tests.campus import Campus

LOCKED = "Too many attempts to log in failed"
WRONG = "Please enter a correct username and password"


def attempt(client: Client, name: str, password: str, address: str = "10.0.0.1") -> tuple[int, str]:
    answer = client.post("/login/", {"username": name, "password": password}, REMOTE_ADDR=address)
    return answer.status_code, answer.text


def is_in(client: Client) -> bool:
    return get_user(client).is_authenticated


def actions() -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(action__startswith="log").order_by("pk")
    return list(rows.values_list("action", "actor_name"))


def without_tokens(page: str) -> str:
    page = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", page)
    return re.sub(r'name="username" value="[^"]+"', "", page)


def test_logging_in_and_out_is_in_the_log(client: Client, people: Campus) -> None:
    assert attempt(client, "alice", "alice")[0] == 302
    assert is_in(client)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").status_code == 302
    assert not is_in(client)
    assert actions() == [("login.succeeded", "alice"), ("logout.made", "alice")]


def test_a_wrong_password_and_an_unknown_name_read_the_same(client: Client, people: Campus) -> None:
    wrong, unknown = attempt(client, "alice", "no"), attempt(client, "nobody", "no")
    assert wrong[0] == unknown[0] == 200
    assert WRONG in wrong[1]
    assert without_tokens(wrong[1]) == without_tokens(unknown[1])


def test_an_inactive_person_reads_the_same_as_anybody(client: Client, people: Campus) -> None:
    type(people.bob).objects.filter(pk=people.bob.pk).update(is_active=False)
    assert WRONG in attempt(client, "bob", "bob")[1]
    assert not is_in(client)


def test_the_log_keeps_no_name_that_nobody_has(client: Client, people: Campus) -> None:
    attempt(client, "alice", "no")
    attempt(client, "hunter2-typed-into-the-wrong-field", "no")
    assert actions() == [("login.failed", "alice"), ("login.failed", UNKNOWN)]
    assert not AuditEvent.objects.filter(payload__contains="hunter2").exists()


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_a_lockout_is_neutral_and_ends(client: Client, people: Campus, name: str) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(4):
            assert attempt(client, name, "no")[0] == 200
        status, page = attempt(client, name, "no")
        assert (status, LOCKED in page) == (429, True)
        assert name not in page
        status, page = attempt(client, name, name)
        assert (status, LOCKED in page) == (429, True)
        assert not is_in(client)
        clock.shift(timedelta(minutes=15, seconds=1))
        status, page = attempt(client, name, name)
    assert (status, is_in(client)) == ((302, True) if name == "alice" else (200, False))


def test_trying_on_neither_prolongs_a_lockout_nor_fills_the_log(
    client: Client, people: Campus
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(5):
            attempt(client, "alice", "no")
        for _ in range(6):
            clock.shift(timedelta(minutes=2))
            assert attempt(client, "alice", "no")[0] == 429
        clock.shift(timedelta(minutes=4))
        assert attempt(client, "alice", "alice")[0] == 302
    names = [action for action, _ in actions()]
    assert names.count("login.failed") == 5
    assert names.count("login.locked_out") == 1


def test_a_lockout_is_for_one_name_at_one_address(client: Client, people: Campus) -> None:
    for _ in range(5):
        attempt(client, "alice", "no")
    assert attempt(client, "alice", "alice")[0] == 429
    assert attempt(client, "bob", "bob")[0] == 302
    client.logout()
    assert attempt(client, "alice", "alice", address="10.0.0.2")[0] == 302


def test_an_address_that_tries_many_names_is_locked_out(
    client: Client, people: Campus, settings: Settings
) -> None:
    settings.AUTH_LOCKOUT_ADDRESS_FAILURES = 6
    for number in range(5):
        assert attempt(client, f"name{number}", "Winter2026")[0] == 200
    assert attempt(client, "name6", "Winter2026")[0] == 429
    assert attempt(client, "alice", "alice")[0] == 429
    assert attempt(client, "alice", "alice", address="10.0.0.2")[0] == 302
    assert ("login.locked_out", UNKNOWN) in actions()


def test_a_lockout_can_be_switched_off(client: Client, people: Campus, settings: Settings) -> None:
    settings.AXES_ENABLED = False
    for _ in range(7):
        assert attempt(client, "alice", "no")[0] == 200
    assert attempt(client, "alice", "alice")[0] == 302


@pytest.mark.parametrize(
    ("wanted", "arrives"),
    [
        ("/usage/?project=genomics", "/usage/?project=genomics"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_after_login_only_own_pages_follow(
    client: Client, people: Campus, wanted: str, arrives: str
) -> None:
    form = {"username": "alice", "password": "alice", "next": wanted}
    assert client.post("/login/", form).headers["Location"] == arrives


def test_who_is_in_goes_home_or_learns_why_not(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    assert client.get("/login/").headers["Location"] == "/"
    assert "You are logged in as alice" in client.get("/login/?next=/admin/").text


def test_the_console_has_no_door_of_its_own(client: Client, people: Campus) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=%2Fadmin%2F"
    client.post("/admin/login/", {"username": "clerk", "password": "clerk"})
    assert not is_in(client)
    form = {"username": "clerk", "password": "clerk", "next": "/admin/"}
    assert client.post("/login/", form).headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_staff_alone_get_a_link_to_the_console(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    assert 'href="/admin/"' not in client.get("/").text
    client.force_login(people.clerk)
    assert 'href="/admin/"' in client.get("/").text


def test_the_language_can_be_switched(client: Client, people: Campus) -> None:
    client.force_login(people.alice)
    answer = client.post("/i18n/setlang/", {"language": "th", "next": "/usage/?state=FAILED"})
    assert answer.headers["Location"] == "/usage/?state=FAILED"
    assert '<html lang="th">' in client.get("/usage/").text
    assert '<html lang="th">' in client.get("/no-such-page").text


def test_error_pages_are_the_sites_own(client: Client, people: Campus, settings: Settings) -> None:
    missing = client.get("/no-such-page")
    assert (missing.status_code, "Page not found" in missing.text) == (404, True)
    strict = Client(enforce_csrf_checks=True)
    refused = strict.post("/login/", {"username": "alice", "password": "alice"})
    assert (refused.status_code, "open for too long" in refused.text) == (403, True)


def test_a_fault_shows_a_page_without_details(
    people: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("the secret detail")

    monkeypatch.setattr("insights.views.selectors.newest_data", broken)
    client = Client(raise_request_exception=False)
    client.force_login(people.alice)
    answer = client.get("/", headers={"Accept-Language": "th"})
    assert answer.status_code == 500
    assert '<html lang="th">' in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize("wanted", ["", "/"])
def test_staff_begin_in_the_console(client: Client, people: Campus, wanted: str) -> None:
    form = {"username": "clerk", "password": "clerk", "next": wanted}
    assert client.post("/login/", form).headers["Location"] == "/admin/"
    assert client.get("/login/").headers["Location"] == "/admin/"
