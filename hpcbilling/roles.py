"""The roles of the console and what each may do: one table, brought into the database on migrate.

Roles are Django groups. What a person may see of projects on the self-service pages does not come
from here but from memberships (`accounts.selectors`).
"""

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from audit.services import record
from core.actor import Actor

OUR_APPS = ("accounts", "audit", "usage", "pricing", "receipts", "payments", "insights")

ADMIN, FINANCE, AUDITOR, OPERATOR = "admin", "finance", "auditor", "operator"

_SEE_ALL = tuple(f"{app}.view_*" for app in OUR_APPS if app != "audit")

ROLES: dict[str, tuple[str, ...]] = {
    ADMIN: (*(f"{app}.*" for app in OUR_APPS), "auth.view_group", "axes.*", "django_celery_beat.*"),
    FINANCE: (
        *_SEE_ALL,
        *(
            f"accounts.{act}_{model}"
            for act in ("add", "change", "delete")
            for model in ("department", "membership", "project", "projecttier", "tier")
        ),
        "accounts.close_period",
        "accounts.override_findings",
        "accounts.reopen_period",
        "usage.add_accountmapping",
        "usage.change_accountmapping",
        "usage.delete_accountmapping",
        "usage.add_exemption",
        "usage.change_exemption",
        "usage.approve_exemption",
        "usage.import_usage",
        "usage.release_importrun",
        "usage.reconcile_usage",
        "usage.decide_quarantinedrow",
        "pricing.add_pricelist",
        "pricing.change_pricelist",
        "pricing.delete_pricelist",
        "pricing.add_rate",
        "pricing.change_rate",
        "pricing.delete_rate",
        "pricing.publish_pricelist",
        "pricing.add_sku",
        "pricing.change_sku",
        "pricing.charge_sku",
        "pricing.add_adjustment",
        "pricing.approve_adjustment",
        "pricing.add_outagecredit",
        "pricing.approve_outagecredit",
        "pricing.override_canary",
        "pricing.rate_jobs",
        "receipts.add_purchaseorder",
        "receipts.change_purchaseorder",
        "receipts.delete_purchaseorder",
        *(
            f"receipts.{act}_{model}"
            for act in ("add", "change", "delete")
            for model in (
                "taxprofile",
                "taxrate",
                "billingprofile",
                "departmentbilling",
                "contact",
                "remindersstopped",
            )
        ),
        "receipts.issue_receipt",
        "receipts.void_receipt",
        "receipts.resend_mail",
        "payments.record_transfer",
        "payments.resolve_inboundevent",
        "payments.take_back_withholding",
        "payments.request_refund",
        "payments.approve_refund",
        "receipts.request_writeoff",
        "receipts.approve_writeoff",
        "insights.check_books",
        "insights.export_journal",
        "insights.add_ledgeraccount",
        "insights.change_ledgeraccount",
        "insights.delete_ledgeraccount",
    ),
    AUDITOR: (
        *_SEE_ALL,
        "insights.check_books",
        "insights.export_journal",
        "audit.*",
        "auth.view_group",
        "axes.view_*",
        "django_celery_beat.view_*",
    ),
    OPERATOR: (
        "usage.view_*",
        "usage.add_cluster",
        "usage.change_cluster",
        "usage.add_source",
        "usage.change_source",
        "usage.delete_source",
        "usage.import_usage",
        "usage.release_importrun",
        "usage.reconcile_usage",
        "usage.decide_quarantinedrow",
        "usage.add_accountmapping",
        "usage.change_accountmapping",
        "usage.delete_accountmapping",
        "pricing.view_jobrating",
        "accounts.view_project",
        "insights.view_bookscheck",
        "insights.check_books",
    ),
}
"""Permissions by role, as ``app.codename``; ``*`` stands for the rest of the codename."""

_NEVER = {
    f"{app}.{act}_{model}"
    for app, model in (
        ("accounts", "apitoken"),
        ("accounts", "idempotentrequest"),
        ("accounts", "period"),
        ("accounts", "periodreopening"),
        ("audit", "auditevent"),
        ("audit", "audithead"),
        ("usage", "evidence"),
        ("usage", "evidencechunk"),
        ("usage", "job"),
        ("usage", "jobrevision"),
        ("usage", "importrun"),
        ("usage", "quarantinedrow"),
        ("usage", "quarantinedecision"),
        ("usage", "pull"),
        ("usage", "reconciliation"),
        ("usage", "window"),
        ("usage", "missingjob"),
        ("pricing", "canary"),
        ("pricing", "charge"),
        ("pricing", "outageitem"),
        ("pricing", "jobrating"),
        ("pricing", "pricestudy"),
        ("receipts", "receipt"),
        ("receipts", "line"),
        ("receipts", "linecharge"),
        ("receipts", "documentfile"),
        ("receipts", "mail"),
        ("receipts", "series"),
        ("receipts", "billingrun"),
        ("receipts", "runentry"),
        ("payments", "payment"),
        ("payments", "inboundevent"),
        ("payments", "allocation"),
        ("payments", "officialcancellation"),
        ("payments", "officialfile"),
        ("payments", "officialreceipt"),
        ("payments", "refund"),
        ("payments", "withholding"),
        ("receipts", "writeoff"),
        ("insights", "bookscheck"),
        ("insights", "journalexport"),
    )
    for act in ("add", "change", "delete")
} | {
    f"pricing.{act}_{model}"
    for model in ("adjustment", "outagecredit")
    for act in ("change", "delete")
}
"""What nobody edits as rows: documents, facts and the log change by their own services only."""


def sync_roles(actor: Actor) -> list[str]:
    """Make the groups have exactly the permissions of the table; returns the roles that changed."""
    by_name = {
        f"{item.content_type.app_label}.{item.codename}": item
        for item in Permission.objects.select_related("content_type")
    }
    changed = []
    with transaction.atomic():
        for role, patterns in ROLES.items():
            names = {name for name in by_name if _matches(name, patterns)} - _NEVER
            if _give(role, {name: by_name[name] for name in sorted(names)}, actor):
                changed.append(role)
    return changed


def _give(role: str, permissions: Mapping[str, Permission], actor: Actor) -> bool:
    """Make one group have exactly these permissions, with an event if that changes anything."""
    group, _ = Group.objects.get_or_create(name=role)
    rows = group.permissions.select_related("content_type")
    before = {f"{item.content_type.app_label}.{item.codename}" for item in rows}
    if before == set(permissions):
        return False
    group.permissions.set(permissions.values())
    data = {
        "added": sorted(set(permissions) - before),
        "removed": sorted(before - set(permissions)),
    }
    record("role.changed", actor=actor, target=group, data={"role": role, **data})
    return True


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )
