"""The console's side bar, grouped by work. Each entry shows to who may open its page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core.errors import Text
from pricing.lists import waiting_for_approval
from pricing.selectors import adjustments_waiting, outages_waiting
from receipts.reviewing import documents_to_approve


@dataclass(frozen=True)
class Entry:
    """A page of the console: its name in ``admin:``, who may open it, and a filter if any.

    ``waiting`` counts what the entry tells of beside its name, where nothing is told of zero.
    """

    title: Text
    icon: str
    page: str
    permission: str = ""
    query: str = ""
    waiting: Callable[[], int] | None = None


GROUPS: tuple[tuple[Text, tuple[Entry, ...]], ...] = (
    (
        _("Queues"),
        (
            Entry(_("Home"), "home", "index"),
            Entry(
                _("Imports held back"),
                "front_hand",
                "usage_importrun_changelist",
                "usage.view_importrun",
                "status__exact=incomplete",
            ),
            Entry(
                _("Quarantined rows"),
                "rule",
                "usage_quarantinedrow_changelist",
                "usage.view_quarantinedrow",
                "state=open",
            ),
            Entry(
                _("Unpriced jobs"),
                "money_off",
                "pricing_jobrating_changelist",
                "pricing.view_jobrating",
            ),
            Entry(
                _("Price lists to approve"),
                "approval",
                "pricing_pricelist_changelist",
                "pricing.publish_pricelist",
                "status__exact=submitted",
                lambda: waiting_for_approval().count(),
            ),
            Entry(
                _("Adjustments to approve"),
                "price_check",
                "pricing_adjustment_changelist",
                "pricing.approve_adjustment",
                "status__exact=submitted",
                lambda: adjustments_waiting().count(),
            ),
            Entry(
                _("Outages to approve"),
                "power_off",
                "pricing_outagecredit_changelist",
                "pricing.approve_outagecredit",
                "status__exact=submitted",
                lambda: outages_waiting().count(),
            ),
            Entry(
                _("Waiting to be billed"),
                "pending_actions",
                "receipts_receipt_unbilled",
                "receipts.view_receipt",
            ),
            Entry(
                _("Monthly runs"),
                "event_available",
                "receipts_billingrun_changelist",
                "receipts.view_receipt",
                "",
                documents_to_approve,
            ),
            Entry(
                _("Drafts"),
                "edit_note",
                "receipts_receipt_changelist",
                "receipts.view_receipt",
                "status__exact=draft",
            ),
            Entry(
                _("To be corrected"),
                "difference",
                "receipts_receipt_corrections",
                "receipts.view_receipt",
            ),
            Entry(
                _("Overdue"),
                "notification_important",
                "receipts_receipt_changelist",
                "receipts.view_receipt",
                "overdue=1",
            ),
            Entry(
                _("Mismatched payments"),
                "sync_problem",
                "payments_inboundevent_changelist",
                "payments.view_inboundevent",
                "queue=open",
            ),
        ),
    ),
    (
        _("Usage"),
        (
            Entry(_("Jobs"), "memory", "usage_job_changelist", "usage.view_job"),
            Entry(
                _("Imports"), "upload_file", "usage_importrun_changelist", "usage.view_importrun"
            ),
            Entry(
                _("Comparisons with Slurm"),
                "balance",
                "usage_reconciliation_changelist",
                "usage.view_reconciliation",
            ),
            Entry(_("Evidence"), "inventory_2", "usage_evidence_changelist", "usage.view_evidence"),
            Entry(_("Clusters"), "dns", "usage_cluster_changelist", "usage.view_cluster"),
            Entry(_("Pulls"), "nights_stay", "usage_pull_changelist", "usage.view_pull"),
            Entry(_("Windows"), "date_range", "usage_window_changelist", "usage.view_window"),
            Entry(
                _("Jobs gone from Slurm"),
                "person_search",
                "usage_missingjob_changelist",
                "usage.view_missingjob",
                "returned_at__isempty=1",
            ),
            Entry(
                _("Account mappings"),
                "alt_route",
                "usage_accountmapping_changelist",
                "usage.view_accountmapping",
            ),
            Entry(
                _("Exemptions"),
                "money_off_csred",
                "usage_exemption_changelist",
                "usage.view_exemption",
            ),
        ),
    ),
    (
        _("Prices"),
        (
            Entry(
                _("Price lists"), "sell", "pricing_pricelist_changelist", "pricing.view_pricelist"
            ),
            Entry(
                _("Price studies"),
                "query_stats",
                "pricing_pricestudy_changelist",
                "pricing.view_pricestudy",
            ),
            Entry(_("Tiers"), "stacks", "accounts_tier_changelist", "accounts.view_tier"),
            Entry(_("Items"), "add_shopping_cart", "pricing_sku_changelist", "pricing.view_sku"),
            Entry(_("Charges"), "receipt", "pricing_charge_changelist", "pricing.view_charge"),
            Entry(
                _("Adjustments"),
                "exposure",
                "pricing_adjustment_changelist",
                "pricing.view_adjustment",
            ),
            Entry(
                _("Outage credits"),
                "power_off",
                "pricing_outagecredit_changelist",
                "pricing.view_outagecredit",
            ),
        ),
    ),
    (
        _("Documents"),
        (
            Entry(
                _("Periods"),
                "event_available",
                "accounts_period_changelist",
                "accounts.view_period",
            ),
            Entry(
                _("Receipts"),
                "request_quote",
                "receipts_receipt_changelist",
                "receipts.view_receipt",
            ),
            Entry(
                _("Purchase orders"),
                "contract",
                "receipts_purchaseorder_changelist",
                "receipts.view_purchaseorder",
            ),
            Entry(
                _("Aging"), "hourglass_bottom", "receipts_receipt_aging", "receipts.view_receipt"
            ),
            Entry(_("E-mails"), "mail", "receipts_mail_changelist", "receipts.view_mail"),
            Entry(_("Number series"), "tag", "receipts_series_changelist", "receipts.view_series"),
            Entry(
                _("Tax profiles"),
                "percent",
                "receipts_taxprofile_changelist",
                "receipts.view_taxprofile",
            ),
        ),
    ),
    (
        _("Payments"),
        (
            Entry(
                _("Payments"), "payments", "payments_payment_changelist", "payments.view_payment"
            ),
            Entry(_("Refunds"), "undo", "payments_refund_changelist", "payments.view_refund"),
            Entry(
                _("Write-offs"),
                "money_off",
                "receipts_writeoff_changelist",
                "receipts.view_writeoff",
            ),
            Entry(
                _("Tax withheld"),
                "percent",
                "payments_withholding_changelist",
                "payments.view_withholding",
            ),
            Entry(
                _("Official receipts"),
                "receipt_long",
                "payments_officialreceipt_changelist",
                "payments.view_officialreceipt",
            ),
            Entry(
                _("Provider events"),
                "webhook",
                "payments_inboundevent_changelist",
                "payments.view_inboundevent",
            ),
        ),
    ),
    (
        _("Ledger"),
        (
            Entry(
                _("Journal"),
                "menu_book",
                "insights_journalexport_journal",
                "insights.view_journalexport",
            ),
            Entry(
                _("Output tax"),
                "percent",
                "insights_journalexport_output_tax",
                "insights.view_journalexport",
            ),
            Entry(
                _("Ledger accounts"),
                "account_tree",
                "insights_ledgeraccount_changelist",
                "insights.view_ledgeraccount",
            ),
        ),
    ),
    (
        _("People"),
        (
            Entry(
                _("Projects"),
                "folder_shared",
                "accounts_project_changelist",
                "accounts.view_project",
            ),
            Entry(
                _("Memberships"),
                "group",
                "accounts_membership_changelist",
                "accounts.view_membership",
            ),
            Entry(
                _("Departments"),
                "apartment",
                "accounts_department_changelist",
                "accounts.view_department",
            ),
            Entry(_("Users"), "person", "accounts_user_changelist", "accounts.view_user"),
            Entry(_("Roles"), "badge", "auth_group_changelist", "auth.view_group"),
            Entry(_("API tokens"), "key", "accounts_apitoken_changelist", "accounts.view_apitoken"),
            Entry(
                _("Failed logins"),
                "lock",
                "axes_accessattempt_changelist",
                "axes.view_accessattempt",
            ),
        ),
    ),
    (
        _("Audit and settings"),
        (
            Entry(
                _("Audit log"),
                "history_edu",
                "audit_auditevent_changelist",
                "audit.view_auditevent",
            ),
            Entry(
                _("Checks of the books"),
                "fact_check",
                "insights_bookscheck_changelist",
                "insights.view_bookscheck",
            ),
            Entry(
                _("Schedule"),
                "schedule",
                "django_celery_beat_periodictask_changelist",
                "django_celery_beat.view_periodictask",
            ),
            Entry(
                _("Times of day"),
                "event_repeat",
                "django_celery_beat_crontabschedule_changelist",
                "django_celery_beat.view_crontabschedule",
            ),
            Entry(
                _("Intervals"),
                "timer",
                "django_celery_beat_intervalschedule_changelist",
                "django_celery_beat.view_intervalschedule",
            ),
        ),
    ),
)

QUERIES = [entry.query for _title, entries in GROUPS for entry in entries if entry.query]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of the side bar for the person who asks (unfold calls this)."""
    groups = []
    for number, (title, entries) in enumerate(GROUPS):
        items = [_item(request, entry) for entry in entries if _may(request, entry)]
        if items:
            groups.append({"title": title, "separator": number > 0, "items": items})
    return groups


def style(request: HttpRequest) -> str:  # noqa: ARG001 - unfold passes the request
    """Return the address of the console's own style sheet (unfold calls this)."""
    return static("console/console.css")


def script(request: HttpRequest) -> str:  # noqa: ARG001 - unfold passes the request
    """Return the address of the console's own script (unfold calls this)."""
    return static("console/console.js")


def _may(request: HttpRequest, entry: Entry) -> bool:
    return not entry.permission or request.user.has_perm(entry.permission)


def _item(request: HttpRequest, entry: Entry) -> dict[str, Any]:
    url = reverse(f"admin:{entry.page}")
    waiting = entry.waiting() if entry.waiting else 0
    return {
        **({"badge": f"{waiting}", "badge_variant": "warning"} if waiting else {}),
        "title": entry.title,
        "icon": entry.icon,
        "link": f"{url}?{entry.query}" if entry.query else url,
        "active": _is_active(request, entry, url),
    }


def _is_active(request: HttpRequest, entry: Entry, url: str) -> bool:
    """Whether an entry's page is open: the page itself with its filter, or one below it."""
    asked = request.GET.urlencode()
    if entry.query:
        return request.path == url and entry.query in asked
    if request.path == url:
        return not any(query in asked for query in QUERIES)
    below = request.path.startswith(url) and entry.page != "index"
    return below and not request.path.endswith(("/unbilled/", "/aging/", "/corrections/"))
