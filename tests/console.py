"""Walking the console in tests: a person of a role, and what the log says afterwards."""

import json
from typing import Any

from django.contrib.admin.sites import site
from django.db import models
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from tests.factories import make_user

ROLES = ("admin", "finance", "auditor", "operator")


def visitor(role: str) -> Client:
    """A person of one role, signed in; an empty role is a person without any."""
    user = make_user(f"{role or 'nobody'}-person", groups=(role,) if role else ())
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def url(model: type[models.Model] | models.Model, page: str = "changelist", *args: Any) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


def registered() -> list[type[models.Model]]:
    return sorted(site._registry, key=lambda model: model._meta.label)


def actions() -> list[str]:
    """What the log has, oldest first, without the logins."""
    names = AuditEvent.objects.order_by("id").values_list("action", flat=True)
    return [name for name in names if not name.startswith("login")]


def last_event(action: str) -> dict[str, Any]:
    """What the newest event of an action says."""
    payload = AuditEvent.objects.filter(action=action).latest("id").payload
    return dict(json.loads(payload)["data"])


def confirm(client: Client, address: str, **data: str) -> Any:
    """Look at a step's page and send its form, with what was seen."""
    seen = client.get(address).context["step"].seen
    return client.post(address, {**data, "seen": seen}, follow=True)


def messages_of(response: Any) -> list[str]:
    """What a page says on top, after ``follow=True``."""
    return [str(message) for message in response.context["messages"]]


def streamed(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


CLUSTER_FORM = {
    "is_enabled": "on",
    "pull_at": "01:30",
    "overlap_days": "7",
    "rescan_days": "35",
    "sources-TOTAL_FORMS": "0",
    "sources-INITIAL_FORMS": "0",
}
"""What the form of a cluster sends besides its name and time zone."""
