"""API tokens: made once, kept as a digest, revoked for good; each step in the log."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.utils import IntegrityError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiToken, User
from accounts.tokens import create_token, digest_of, note_use, revoke_token, valid_token
from audit.models import AuditEvent
from core.actor import Actor
from core.errors import Conflict, Invalid
from tests.factories import SYSTEM, make_user


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


def make(user: User, *scopes: str, name: str = "script", days: int = 7) -> tuple[ApiToken, str]:
    return create_token(
        user=user, name=name, scopes=scopes or ("usage:read",), days=days, actor=Actor.of(user)
    )


def test_the_key_is_told_once_and_kept_nowhere(alice: User) -> None:
    token, key = make(alice, "usage:read", "prices:read", "usage:read")
    assert key.startswith("hpcb_")
    assert len(key) == 48
    token.refresh_from_db()
    assert token.digest == digest_of(key)
    assert token.scopes == ["prices:read", "usage:read"]
    assert token.expires_at - token.created_at == pytest.approx(
        timedelta(days=7), abs=timedelta(seconds=1)
    )
    event = AuditEvent.objects.get(action="api_token.created")
    assert (event.actor_name, event.target_id) == ("alice", str(token.pk))
    assert event.content["data"]["scopes"] == ["prices:read", "usage:read"]
    for secret in (key, token.digest):
        assert secret not in event.payload
    assert valid_token(key) == token
    assert valid_token(key.removeprefix("hpcb_")) is None
    assert valid_token("") is None


def test_no_two_keys_are_the_same(alice: User) -> None:
    assert len({make(alice)[1] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("scopes", "name", "days", "code"),
    [
        (("root",), "x", 7, "token_scopes"),
        (("usage:read", ""), "x", 7, "token_scopes"),
        (("usage:read",), "  ", 7, "token_name"),
        (("usage:read",), "x" * 101, 7, "token_name"),
        (("usage:read",), "a\0b", 7, "token_name"),
        (("usage:read",), "x", 0, "token_days"),
        (("usage:read",), "x", 367, "token_days"),
    ],
)
def test_nonsense_is_refused(
    alice: User, scopes: tuple[str, ...], name: str, days: int, code: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        make(alice, *scopes, name=name, days=days)
    assert refusal.value.code == code
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("scopes", ['"usage:read"', '{"usage:read": 1}', "[]", '["usage"]'])
def test_the_database_knows_the_scopes(alice: User, scopes: str) -> None:
    token, _key = make(alice)
    copy = (
        "INSERT INTO accounts_apitoken (user_id, name, digest, scopes, created_at, expires_at)"
        " SELECT user_id, name, %s, %s::jsonb, created_at, expires_at FROM accounts_apitoken"
        " WHERE id = %s"
    )
    with (
        pytest.raises(IntegrityError, match="api_token_scopes_known"),
        transaction.atomic(),
        transaction.get_connection().cursor() as cursor,
    ):
        cursor.execute(copy, ["1" * 64, scopes, token.pk])


def test_a_revoked_token_stays_revoked(alice: User) -> None:
    token, key = make(alice)
    revoke_token(token=token, actor=SYSTEM)
    assert valid_token(key) is None
    with pytest.raises(Conflict):
        revoke_token(token=token, actor=SYSTEM)
    assert AuditEvent.objects.filter(action="api_token.revoked").count() == 1
    with pytest.raises(IntegrityError, match="refused"), transaction.atomic():
        ApiToken.objects.update(revoked_at=None)


def test_a_token_never_gets_more_rights_or_time(alice: User) -> None:
    make(alice)
    for change in ({"scopes": ["*"]}, {"expires_at": timezone.now() + timedelta(days=999)}):
        with pytest.raises(IntegrityError, match="refused"), transaction.atomic():
            ApiToken.objects.update(**change)


def test_use_is_noted_with_one_write_a_minute(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token, key = make(alice)
    note_use(token)
    again = valid_token(key)
    assert again is not None
    assert again.last_used_at is not None
    with django_assert_num_queries(0):
        note_use(again)


def test_the_command_prints_the_key_alone(alice: User) -> None:
    out = io.StringIO()
    call_command(
        "create_api_token", "alice", "--scope=usage:read", "--scope=prices:read", "--days=3",
        stdout=out,
    )  # fmt: skip
    token = valid_token(out.getvalue().strip())
    assert token is not None
    assert (token.user, token.scopes) == (alice, ["prices:read", "usage:read"])
    assert AuditEvent.objects.get(action="api_token.created").actor_name == "system:command"


@pytest.mark.parametrize(
    "arguments",
    [
        ("bob", "--scope=usage:read"),
        ("alice", "--scope=root"),
        ("alice",),
        ("alice", "--scope=usage:read", "--days=0"),
        ("alice", "--scope=usage:read", "--name="),
    ],
)
@pytest.mark.usefixtures("alice")
def test_the_command_refuses_nonsense(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("create_api_token", *arguments)
    assert not ApiToken.objects.exists()


def test_the_page_makes_and_revokes_own_tokens(alice: User, client: Client) -> None:
    client.force_login(alice)
    body = {"name": "script", "days": "30", "scopes": ["usage:read"]}
    made = client.post("/account/tokens/", body)
    assert "no-store" in made["Cache-Control"]
    key = made.context["key"]
    assert key in made.content.decode()
    token = valid_token(key)
    assert token is not None
    assert token.user == alice
    assert key not in client.get("/account/tokens/").content.decode()
    client.post(f"/account/tokens/{token.pk}/revoke/")
    assert valid_token(key) is None
    again = client.post(f"/account/tokens/{token.pk}/revoke/", follow=True)
    assert "revoked already" in again.content.decode()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x", "days": "30"},
        {"name": "x", "days": "31", "scopes": ["usage:read"]},
        {"name": "x\0", "days": "30", "scopes": ["usage:read"]},
        {"name": "x", "days": "30", "scopes": ["prices:write"]},
        {"name": "x", "days": "30", "scopes": ["root"]},
    ],
)
def test_the_page_refuses_nonsense(alice: User, client: Client, body: dict[str, object]) -> None:
    client.force_login(alice)
    assert client.post("/account/tokens/", body).status_code == 200
    assert not ApiToken.objects.exists()


def test_nobody_revokes_or_sees_another_persons_tokens(alice: User, client: Client) -> None:
    token, key = make(alice, name="alices own")
    client.force_login(make_user("charlie"))
    assert "alices own" not in client.get("/account/tokens/").content.decode()
    assert client.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert client.post(f"/account/tokens/{10**30}/revoke/").status_code == 404
    assert client.get(f"/account/tokens/{token.pk}/revoke/").status_code == 405
    assert valid_token(key) == token
    client.logout()
    assert client.get("/account/tokens/").status_code == 302


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("admin", True), ("finance", False), ("auditor", False), ("operator", False)],
)
def test_an_admin_revokes_anyones_token_in_the_console(
    alice: User, client: Client, role: str, allowed: bool
) -> None:
    token, key = make(alice)
    client.force_login(make_user(role, groups=(role,)))
    address = f"/admin/accounts/apitoken/{token.pk}/revoke/"
    shown = client.get(f"/admin/accounts/apitoken/{token.pk}/change/").content.decode()
    assert (address in shown) is allowed
    client.post(address, {"csrfmiddlewaretoken": "not checked here"})
    assert (valid_token(key) is None) is allowed
    if allowed:
        assert AuditEvent.objects.get(action="api_token.revoked").actor_name == role
        again = client.get(f"/admin/accounts/apitoken/{token.pk}/change/").content.decode()
        assert address not in again
