"""People and projects in the console: each edit leaves its before and after in the log."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Department, Membership, Project, ProjectTier, Tier, User
from audit.models import AuditEvent
from audit.selectors import verify_chain
from tests import console
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
Commits = Callable[..., Any]


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


@pytest.fixture
def admin() -> Client:
    return console.visitor("admin")


NOBODY_PAYS = {"billing-TOTAL_FORMS": "0", "billing-INITIAL_FORMS": "0"}


def project_form(**changes: Any) -> dict[str, Any]:
    values = {
        "code": "genomics", "name": "Genomics", "department": "", "owner": "", "is_active": "on",
        "billing_name": "", "billing_address": "", "tax_id": "", "po_number": "",
        "cost_centre": "", "billing_email": "",
    }  # fmt: skip
    for inline in (
        "tiers",
        "splits",
        "memberships",
        "billing_profile",
        "contacts",
        "reminders_stopped",
    ):
        values |= {f"{inline}-TOTAL_FORMS": "0", f"{inline}-INITIAL_FORMS": "0"}
    return values | changes


def tier_row(number: int, tier: str, start: str, **more: str) -> dict[str, str]:
    key = Tier.objects.get(code=tier).pk
    values = {
        "tier": str(key), "starts_at_0": start, "starts_at_1": "00:00:00", "ends_at_0": "",
        "ends_at_1": "", "override": "0", "reason": "", "id": "", **more,
    }  # fmt: skip
    return {f"tiers-{number}-{name}": value for name, value in values.items()}


def test_a_project_with_its_tiers_is_made_changed_and_deleted(
    clerk: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Commits
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("core.queue._send", lambda name, args: sent.append(name))
    form = project_form(**tier_row(0, "mu", "2026-01-01")) | {"tiers-TOTAL_FORMS": "1"}
    with django_capture_on_commit_callbacks(execute=True):
        clerk.post(console.url(Project, "add"), form)
    project = Project.objects.get()
    tier = ProjectTier.objects.get()
    assert (tier.project, tier.tier.code) == (project, "mu")
    assert sent == ["hpcbilling.rate_pending"]
    event = console.last_event("project.created")
    assert event["changes"]["code"] == [None, "genomics"]
    assert event["rows"][0]["created"]["tier"].startswith("mu")

    clerk.post(console.url(project, "change", project.pk), project_form(name="Rice genomics"))
    assert console.last_event("project.changed")["changes"] == {
        "name": ["Genomics", "Rice genomics"]
    }
    before = AuditEvent.objects.count()
    clerk.post(console.url(project, "change", project.pk), project_form(name="Rice genomics"))
    assert AuditEvent.objects.count() == before, "saving without a change is no event"

    tier.delete()
    clerk.post(console.url(project, "delete", project.pk), {"post": "yes"})
    assert not Project.objects.exists()
    assert console.last_event("project.deleted")["values"]["code"] == "genomics"


def test_an_override_needs_a_reason_and_tiers_do_not_overlap(clerk: Client) -> None:
    make_project("climate")  # its tier must not get in the way of another project's
    project = make_project("genomics", tier="")
    address = console.url(project, "change", project.pk)
    override = {"override": "1", "reason": ""}
    for bad in (
        tier_row(0, "mu", "2026-01-01", **override),
        tier_row(0, "mu", "2026-01-01", ends_at_0="2025-01-01", ends_at_1="00:00:00"),
    ):
        page = clerk.post(address, project_form(**bad) | {"tiers-TOTAL_FORMS": "1"})
        assert any(formset.errors for formset in page.context["inline_admin_formsets"][0].formset)
    both = tier_row(0, "mu", "2026-01-01") | tier_row(
        1, "gov", "2026-06-01", override="1", reason="audit of 2026"
    )
    clerk.post(address, project_form(**both) | {"tiers-TOTAL_FORMS": "2"})
    assert ProjectTier.objects.filter(project=project).count() == 2
    first, second = ProjectTier.objects.filter(project=project).order_by("override")
    kept = tier_row(0, "mu", "2026-01-01", id=str(first.pk)) | tier_row(
        1, "gov", "2026-06-01", override="1", reason="audit of 2026", id=str(second.pk)
    )
    third = kept | tier_row(2, "private", "2026-07-01")
    counts = {"tiers-TOTAL_FORMS": "3", "tiers-INITIAL_FORMS": "2"}
    page = clerk.post(address, project_form(**third) | counts)
    assert "overlaps with the next one" in page.content.decode()
    assert ProjectTier.objects.filter(project=project).count() == 2
    ended = {"tiers-0-ends_at_0": "2026-07-01", "tiers-0-ends_at_1": "00:00:00"}
    clerk.post(address, project_form(**third) | counts | ended)
    assert ProjectTier.objects.filter(project=project).count() == 3


def test_a_rule_of_the_database_is_told_and_undoes_everything(clerk: Client) -> None:
    project = make_project("genomics")  # its tier is left out of the form, as if just made
    clash = tier_row(0, "gov", "2026-01-01") | {"tiers-TOTAL_FORMS": "1"}
    form = project_form(name="New name", **clash)
    page = clerk.post(console.url(project, "change", project.pk), form, follow=True)
    assert "does not go together" in console.messages_of(page)[-1]
    project.refresh_from_db()
    assert project.name == "Genomics"
    assert "project.changed" not in console.actions()


def test_departments_tiers_and_memberships_are_audited(clerk: Client) -> None:
    clerk.post(console.url(Department, "add"), {"code": "SCI", "name": "Science"} | NOBODY_PAYS)
    clerk.post(console.url(Tier, "add"), {"code": "partner", "name": "Partner"})
    project, user = make_project("genomics"), make_user("bob")
    joined = {"project": project.pk, "user": user.pk, "role": "pi"}
    clerk.post(console.url(Membership, "add"), joined)
    member = Membership.objects.get()
    chosen = {"action": "delete_selected", "_selected_action": member.pk, "post": "yes"}
    clerk.post(console.url(Membership), chosen)
    assert not Membership.objects.exists()
    assert console.actions()[-4:] == [
        "department.created", "tier.created", "membership.created", "membership.deleted",
    ]  # fmt: skip
    assert "bob" in console.last_event("membership.deleted")["values"]["user"]
    connection.check_constraints()
    assert verify_chain().broken is None


def test_what_is_in_use_is_not_deleted(clerk: Client) -> None:
    tier = Tier.objects.get(code="mu")
    page = clerk.post(console.url(tier, "delete", tier.pk), {"post": "yes"})
    assert page.status_code == 200
    assert page.context["protected"]
    assert Tier.objects.filter(pk=tier.pk).exists()
    assert "tier.deleted" not in console.actions()


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    values = {
        "username": user.username, "first_name": "", "last_name": "", "email": "",
        "language": "", "is_active": "on", "is_staff": "on" if user.is_staff else "",
        "groups": [str(group.pk) for group in user.groups.all()],
    }  # fmt: skip
    return {name: value for name, value in values.items() if value != ""} | changes


def test_roles_are_given_with_a_trace_and_passwords_leave_none(admin: Client) -> None:
    user = make_user("bob", groups=("operator",))
    finance = make_user("other", groups=("finance",)).groups.get()
    admin.post(console.url(user, "change", user.pk), user_form(user, groups=[str(finance.pk)]))
    assert [group.name for group in user.groups.all()] == ["finance"]
    before, after = console.last_event("user.changed")["changes"]["groups"]
    assert ("operator" in before[0], "finance" in after[0]) == (True, True)

    new = {"password1": "Xk39-quartz", "password2": "Xk39-quartz", "usable_password": "true"}
    response = admin.post(reverse("admin:auth_user_password_change", args=[user.pk]), new)
    assert response.status_code == 302
    user.refresh_from_db()
    assert user.check_password("Xk39-quartz")
    changes = console.last_event("user.changed")["changes"]
    assert set(changes["password"]) == {"(not shown)"}
    for payload in AuditEvent.objects.values_list("payload", flat=True):
        assert "Xk39" not in payload
        assert user.password not in payload


def test_a_new_user_is_logged_without_the_password(admin: Client) -> None:
    new = {"username": "dora", "usable_password": "true", "password1": "Xk39-quartz",
           "password2": "Xk39-quartz"}  # fmt: skip
    admin.post(console.url(User, "add"), new)
    assert User.objects.get(username="dora").check_password("Xk39-quartz")
    payload = AuditEvent.objects.get(action="user.created").payload
    assert "Xk39" not in payload


def test_an_admin_makes_nobody_a_superuser_and_touches_none(admin: Client) -> None:
    root = User.objects.create_superuser("root", password="root")
    bob = make_user("bob")
    admin.post(console.url(bob, "change", bob.pk), user_form(bob, is_superuser="on"))
    bob.refresh_from_db()
    assert not bob.is_superuser
    assert admin.post(console.url(root, "change", root.pk), user_form(root)).status_code == 403
    address = reverse("admin:auth_user_password_change", args=[root.pk])
    new = {"password1": "Xk39-quartz", "password2": "Xk39-quartz", "usable_password": "true"}
    assert admin.post(address, new).status_code == 403
    assert admin.post(console.url(root, "delete", root.pk), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": root.pk, "post": "yes"}
    admin.post(console.url(User), chosen)
    root.refresh_from_db()
    assert root.check_password("root")


def test_ones_own_password_is_changed_with_a_trace(clerk: Client) -> None:
    new = {"old_password": "finance-person", "new_password1": "Xk39-quartz",
           "new_password2": "Xk39-quartz"}  # fmt: skip
    address = reverse("admin:password_change")
    assert clerk.post(address, new | {"old_password": "wrong"}).status_code == 200
    assert "user.password_changed" not in console.actions()
    assert clerk.post(address, new).status_code == 302
    assert User.objects.get(username="finance-person").check_password("Xk39-quartz")
    assert console.actions()[-1] == "user.password_changed"


def look(client: Client, model: Any, table: str) -> Any:
    file = SimpleUploadedFile("table.csv", table.encode())
    address = console.url(model, "import")
    return client.post(address, {"import_file": file, "format": "0", "resource": "0"})


def test_projects_are_imported_after_a_look(
    clerk: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Commits
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("core.queue._send", lambda name, args: sent.append(name))
    old = make_project("genomics")
    Department.objects.create(code="SCI", name="Science")
    seen = look(
        clerk, Project,
        "code,name,department,active,tier,tier_from\n"
        "genomics,Rice genomics,SCI,1,mu,2020-01-01\nclimate,'=Climate,,0,gov,2026-02-01\n",
    )  # fmt: skip
    totals = seen.context["result"].totals
    assert (totals["new"], totals["update"]) == (1, 1)
    assert Project.objects.count() == 1, "a dry run wrote"
    with django_capture_on_commit_callbacks(execute=True):
        page = clerk.post(
            console.url(Project, "process_import"), seen.context["confirm_form"].initial,
            follow=True,
        )  # fmt: skip
    assert "1 new, 1 updated" in console.messages_of(page)[-1]
    old.refresh_from_db()
    assert (old.name, str(old.department)) == ("Rice genomics", "Science")
    climate = Project.objects.get(code="climate")
    assert (climate.name, climate.is_active) == ("=Climate", False)
    tier = climate.tiers.get()
    assert timezone.localtime(tier.starts_at).date().isoformat() == "2026-02-01"
    assert console.actions()[-3:] == ["project.changed", "project.created", "projecttier.created"]
    assert console.last_event("project.changed")["changes"]["name"] == [
        "Genomics", "Rice genomics",
    ]  # fmt: skip
    assert sent == ["hpcbilling.rate_pending"]


@pytest.mark.parametrize(
    "row",
    ["bad code,x,,,", ",x,,,", "climate,x,NOPE,,", "climate,x,,nope,", "climate,x,,mu,tomorrow",
     "genomics,x,,gov,"],
)  # fmt: skip
def test_a_bad_project_spoils_the_whole_import(clerk: Client, row: str) -> None:
    make_project("genomics")
    seen = look(clerk, Project, f"code,name,department,tier,tier_from\nnew,New,,,\n{row}\n")
    result = seen.context["result"]
    assert result.has_errors() or result.has_validation_errors()
    assert "confirm_form" not in seen.context
    assert Project.objects.count() == 1


def test_an_import_that_became_wrong_is_refused_whole(clerk: Client) -> None:
    make_user("bob")
    make_project("genomics")
    seen = look(clerk, Membership, "project,user,role\ngenomics,bob,pi\n")
    User.objects.get(username="bob").delete()
    initial = seen.context["confirm_form"].initial
    page = clerk.post(console.url(Membership, "process_import"), initial, follow=True)
    assert "Nothing was imported" in console.messages_of(page)[-1]
    assert not Membership.objects.exists()


def test_exports_can_be_imported_again_and_hold_no_formula(clerk: Client) -> None:
    project = make_project("genomics")
    project.name, project.billing_name = "=1+1", "@SUM(A1)"
    project.save()
    table = console.streamed(clerk.get(console.url(Project, "export_csv")))
    assert "'=1+1" in table
    assert "'@SUM(A1)" in table
    totals = look(clerk, Project, table).context["result"].totals
    assert (totals["skip"], totals["update"]) == (1, 0)


def test_a_huge_table_is_refused(clerk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.exchange.MAX_BYTES", 10)
    page = look(clerk, Membership, "project,user,role\ngenomics,bob,pi\n")
    assert "import_file" in page.context["form"].errors
