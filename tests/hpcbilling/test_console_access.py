"""Who may open which page of the console, and that reading is all an auditor can do."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEvent
from core.actor import Actor
from hpcbilling.roles import ROLES
from payments.models import InboundEvent
from payments.services import Transfer, record_transfer
from pricing.models import PriceList
from receipts.models import Receipt
from receipts.services import create_receipt, draft_receipt
from tests import console, scenes
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
)
from usage.models import ImportRun, Reconciliation

pytestmark = pytest.mark.django_db

EVERYBODY = {"admin", "finance", "auditor", "operator"}
MONEY = {"admin", "finance", "auditor"}
LISTS = {
    "accounts.ApiToken": MONEY,
    "accounts.Department": MONEY,
    "accounts.Membership": MONEY,
    "accounts.Period": MONEY,
    "accounts.Project": EVERYBODY,
    "accounts.Tier": MONEY,
    "accounts.User": MONEY,
    "audit.AuditEvent": {"admin", "auditor"},
    "auth.Group": {"admin", "auditor"},
    "axes.AccessAttempt": {"admin", "auditor"},
    "django_celery_beat.CrontabSchedule": {"admin", "auditor"},
    "django_celery_beat.IntervalSchedule": {"admin", "auditor"},
    "django_celery_beat.PeriodicTask": {"admin", "auditor"},
    "payments.InboundEvent": MONEY,
    "payments.OfficialReceipt": MONEY,
    "payments.Payment": MONEY,
    "payments.Refund": MONEY,
    "payments.Withholding": MONEY,
    "pricing.Adjustment": MONEY,
    "pricing.Charge": MONEY,
    "pricing.JobRating": EVERYBODY,
    "pricing.OutageCredit": MONEY,
    "pricing.PriceList": MONEY,
    "pricing.PriceStudy": MONEY,
    "pricing.Sku": MONEY,
    "receipts.BillingRun": MONEY,
    "receipts.Mail": MONEY,
    "receipts.PurchaseOrder": MONEY,
    "receipts.Receipt": MONEY,
    "receipts.Series": MONEY,
    "receipts.TaxProfile": MONEY,
    "receipts.WriteOff": MONEY,
    "usage.AccountMapping": EVERYBODY,
    "usage.Cluster": EVERYBODY,
    "usage.Evidence": EVERYBODY,
    "usage.Exemption": EVERYBODY,
    "usage.ImportRun": EVERYBODY,
    "usage.Job": EVERYBODY,
    "usage.MissingJob": EVERYBODY,
    "usage.Pull": EVERYBODY,
    "usage.QuarantinedRow": EVERYBODY,
    "insights.BooksCheck": EVERYBODY,
    "insights.JournalExport": MONEY,
    "insights.LedgerAccount": MONEY,
    "usage.Reconciliation": EVERYBODY,
    "usage.Window": EVERYBODY,
}


def build() -> None:
    """A bit of everything: rated, unpriced and unreadable rows, a draft, a paid receipt, a
    mismatch."""
    genomics = make_project("genomics", pi=make_user("alice"))
    climate = make_project("climate")
    cluster = make_cluster()
    rows = [Row(1), Row(2, account="climate"), Row(3, account="unheard-of")]
    import_rows(cluster, *rows)
    import_rows(cluster, Row(4), Row(5, extra={"End": "rubbish"}))
    clerk = Actor.of(make_user("scene-clerk", groups=("finance",)))
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=clerk)
    wrong = Transfer("B-1", timezone.localdate(), receipt.total + 1, "THB")
    right = Transfer("B-2", timezone.localdate(), receipt.total, "THB")
    for transfer in (wrong, right):
        record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=clerk)
    draft_receipt(project_id=climate.pk, window=OCTOBER, actor=SYSTEM)
    Reconciliation.objects.create(
        cluster=cluster, start=OCTOBER.start, end=OCTOBER.end, until=OCTOBER.end, outcome="agreed"
    )


scene = scenes.standing(build)


def unknown_permissions() -> set[str]:
    """Names in the table of roles that no model declares."""
    known = {
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(f"{act}_{model._meta.model_name}" for act in model._meta.default_permissions),
            *(codename for codename, _ in model._meta.permissions),
        )
    }
    named = {name for names in ROLES.values() for name in names if not name.endswith("*")}
    return named - known


def test_every_list_is_in_the_matrix() -> None:
    assert {model._meta.label for model in console.registered()} == set(LISTS)
    assert unknown_permissions() == set()


@pytest.mark.parametrize("role", [*console.ROLES, ""])
def test_each_role_opens_its_lists_and_objects_and_no_others(role: str, scene: None) -> None:
    client = console.visitor(role)
    for model in console.registered():
        allowed = role in LISTS[model._meta.label]
        for page in _pages(model):
            status = client.get(page).status_code
            expected = 200 if allowed else (403 if role else 302)
            assert status == expected, f"{role} {page}: {status}"


def _pages(model: type[models.Model]) -> list[str]:
    pages = [console.url(model)]
    first = model._default_manager.first()
    if first is not None and model._meta.label != "pricing.JobRating":
        pages.append(console.url(model, "change", first.pk))
    return pages


@pytest.mark.parametrize("role", ["finance", "operator"])
def test_the_home_page_and_side_bar_show_only_what_one_may_open(role: str, scene: None) -> None:
    client = console.visitor(role)
    page = client.get(reverse("admin:index"))
    links = {
        str(item["link"]) for group in page.context["sidebar_navigation"] for item in group["items"]
    }
    links |= {card.url for card in page.context["cards"]}
    assert len(links) > 5
    for link in links:
        assert client.get(link).status_code == 200, f"{role} {link}"


@pytest.mark.parametrize("demo", [True, False])
def test_the_console_says_what_a_demonstration_shows(demo: bool, settings: Any) -> None:
    settings.DEMO = demo
    page = console.visitor("auditor").get(reverse("admin:index")).content.decode()
    assert ("recorded from a Slurm cluster" in page) == demo


def test_strangers_are_sent_to_the_one_login_page() -> None:
    for client in (Client(), console.visitor("")):
        response = client.get(reverse("admin:index"))
        assert response.status_code == 302
        login = client.get(response["Location"])
        assert login["Location"].startswith(reverse("login"))


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("usage_importrun_upload", {}),
    ("pricing_jobrating_rate_all", {}),
    ("accounts_project_import", {"format": "0"}),
    ("accounts_membership_import", {"format": "0"}),
    ("pricing_pricelist_import", {"format": "0"}),
    ("accounts_project_process_import", {"import_file_name": "x", "format": "0"}),
]


def test_an_auditor_changes_nothing(scene: None) -> None:
    auditor = console.visitor("auditor")
    before = _everything()
    for model in console.registered():
        first = model._default_manager.first()
        assert auditor.get(console.url(model, "add")).status_code == 403
        assert auditor.post(console.url(model, "add"), {"name": "x"}).status_code == 403
        if first is None:
            continue
        for page in ("change", "delete"):
            posted = auditor.post(console.url(model, page, first.pk), {"name": "x", "post": "yes"})
            assert posted.status_code == 403, f"{model._meta.label} {page}"
        chosen = {"action": "delete_selected", "_selected_action": first.pk, "post": "yes"}
        auditor.post(console.url(model), chosen)
        auditor.post(console.url(model), chosen | {"action": "rate_again"})
    for name, data in CHANGES:
        assert auditor.post(reverse(f"admin:{name}"), data).status_code == 403, name
    for name in _steps():
        assert auditor.post(name).status_code == 403, name
    assert _everything() == before


def _steps() -> list[str]:
    """The address of every step that changes something, on the first object that there is."""
    receipt, run = Receipt.objects.latest("pk"), ImportRun.objects.latest("pk")
    return [
        *(console.url(receipt, step, receipt.pk) for step in ("issue", "discard", "void")),
        console.url(receipt, "make", receipt.project_id),
        reverse("admin:payments_payment_transfer", args=[receipt.pk]),
        *(console.url(run, step, run.pk) for step in ("confirm", "cancel", "release")),
        *(
            console.url(PriceList, step, PriceList.objects.earliest("pk").pk)
            for step in ("submit", "approve", "reject", "withdraw", "copy")
        ),
        console.url(InboundEvent, "resolve", InboundEvent.objects.earliest("pk").pk),
    ]


def _everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all models in the console, but for the log, which notes the reading."""
    kept = [model for model in console.registered() if model is not AuditEvent]
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values()) for model in kept
    }


def test_an_operator_imports_but_sees_no_money(scene: None) -> None:
    operator = console.visitor("operator")
    assert operator.get(reverse("admin:usage_importrun_upload")).status_code == 200
    home = operator.get(reverse("admin:index"))
    assert not home.context["sees_money"]
    assert "THB" not in home.content.decode()
    for step in _steps()[:5]:
        assert operator.get(step).status_code == 403


def test_roles_can_not_be_edited_by_hand() -> None:
    admin = console.visitor("admin")
    group = Group.objects.get(name="finance")
    before = set(group.permissions.values_list("pk", flat=True))
    posted = admin.post(console.url(group, "change", group.pk), {"name": "x", "permissions": []})
    assert posted.status_code == 403
    assert set(group.permissions.values_list("pk", flat=True)) == before
