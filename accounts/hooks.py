"""Logins, failures and lockouts in the audit log, whichever door they came through."""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.lockout import was_refused
from accounts.models import User
from audit.services import record
from core.actor import Actor

UNKNOWN = "(unknown name)"


def _attempted(username: str | None) -> Actor:
    """Return who an attempt was for.

    A name that nobody has is not kept: people type passwords into the wrong field, and the log
    can't forget.
    """
    known = username and User.objects.filter(username=username).exists()
    return Actor(user_id=None, name=username if username and known else UNKNOWN)


@receiver(user_logged_in)
def _login(user: User, **_event: Any) -> None:
    with transaction.atomic():
        record("login.succeeded", actor=Actor.of(user))


@receiver(user_logged_out)
def _logout(user: User | None, **_event: Any) -> None:
    if user is not None:
        with transaction.atomic():
            record("logout.made", actor=Actor.of(user))


@receiver(user_login_failed)
def _failure(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_event: Any
) -> None:
    if was_refused(request):  # the lockout is in the log; who keeps hammering can't fill it
        return
    with transaction.atomic():
        record("login.failed", actor=_attempted(credentials.get("username")))


@receiver(user_locked_out)
def _lockout(request: HttpRequest, username: str | None = None, **_event: Any) -> None:
    if was_refused(request):
        return
    with transaction.atomic():
        record("login.locked_out", actor=_attempted(username))
