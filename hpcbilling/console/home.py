"""The console's home page: queues with their counts, and the month's figures."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from accounts.models import Period
from core import formatting
from core.admin import NOTHING, hours, money
from hpcbilling.books.results import breaks_by_check, latest
from hpcbilling.pulls import watch
from insights import console
from insights.console import Month, Sums
from payments.models import Refund
from pricing.lists import waiting_for_approval
from pricing.resources import RESOURCES
from pricing.selectors import adjustments_waiting, outages_waiting
from receipts.admin.runs import review_page
from receipts.corrections import jobs_to_correct
from receipts.models import WriteOff
from receipts.orders import near_their_end
from receipts.reviewing import progress_of, runs_in_review
from receipts.selectors import unbilled_sums
from receipts.services.outbox import given_up
from usage.coverage import settled_gaps
from usage.exemption_decisions import waiting as waiting_exemptions
from usage.models import Cluster
from usage.reconciliations import unexplained_by_cluster
from usage.windows import whole_days

SHOWN_PROJECTS = 12
SHOWN_CLUSTERS = 3
USAGE_NAMES = {"cpu": _lazy("CPU-core-hours"), "gpu": _lazy("GPU-hours"), "mem": _lazy("GB-hours")}


@dataclass(frozen=True)
class Card:
    """A queue on the home page. An ``alarm`` is one that costs money or trust while it waits."""

    name: str
    count: int
    more: str
    url: str
    alarm: bool = False


@dataclass(frozen=True)
class Figure:
    """One figure of the month beside last month's, with the change in percent if there is one."""

    name: str
    now: str
    before: str
    change: Decimal | None


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows to its context (unfold calls this)."""
    sees_money = request.user.has_perm("receipts.view_receipt")
    cards = [make() for permission, make in _CARDS if request.user.has_perm(permission)]
    unpriced = request.user.has_perm("pricing.view_jobrating")
    rows = unbilled_sums() if sees_money else []
    now = console.month_figures() if request.user.has_perm("usage.view_job") else None
    return context | {
        "title": _("Home"),
        "cards": cards,
        "all_calm": not any(card.count for card in cards),
        "reasons": console.unpriced_by_reason() if unpriced else None,
        "sees_money": sees_money,
        "unbilled": rows[:SHOWN_PROJECTS],
        "unbilled_more": max(0, len(rows) - SHOWN_PROJECTS),
        "month": now.first if now else None,
        "figures": _figures(now, sees_money) if now else [],
        "may_draft": request.user.has_perm("receipts.issue_receipt"),
    }


def _list(page: str, query: str = "") -> str:
    return reverse(f"admin:{page}") + (f"?{query}" if query else "")


def _sums(sums: Sums) -> str:
    return ", ".join(money(amount, currency) for currency, amount in sums.items())


def _late() -> Card:
    found = [each.cluster.name for each in watch.late()]
    more = ", ".join(found[:SHOWN_CLUSTERS])
    return Card(_("Late clusters"), len(found), more, _list("usage_pull_changelist"), alarm=True)


def _gaps() -> Card:
    now = timezone.now()
    clusters = Cluster.objects.filter(is_enabled=True, reads_from__isnull=False)
    found = {each: whole_days(settled_gaps(each, now)) for each in clusters}
    behind = [cluster for cluster, days in found.items() if days]
    url = _list("usage_cluster_changelist")
    if len(behind) == 1:
        url = reverse("admin:usage_cluster_calendar", args=(behind[0].pk,))
    more = ", ".join(cluster.name for cluster in behind[:SHOWN_CLUSTERS])
    return Card(_("Days not read"), sum(found.values()), more, url, alarm=True)


def _imports() -> Card:
    count = console.imports_waiting()
    more = _("Incomplete files; their jobs are not rated") if count else ""
    url = _list("usage_importrun_changelist", "status__exact=incomplete")
    return Card(_("Imports waiting for release"), count, more, url, alarm=True)


def _uploads() -> Card:
    url = _list("usage_importrun_changelist", "status__exact=prepared")
    return Card(_("Uploads to confirm"), console.imports_to_confirm(), "", url)


def _quarantine() -> Card:
    count = console.quarantined_waiting()
    url = _list("usage_quarantinedrow_changelist", "state=open")
    more = _("Could not be read, and nobody looked at them") if count else ""
    return Card(_("Quarantined rows"), count, more, url)


def _differences() -> Card:
    count = sum(unexplained_by_cluster().values())
    more = _("What Slurm says and what we have differ, cause unknown") if count else ""
    url = _list("usage_reconciliation_changelist", "outcome__exact=unexplained")
    return Card(_("Differences to Slurm"), count, more, url, alarm=True)


def _books() -> Card:
    broken = [name for name, count in breaks_by_check().items() if count]
    last = latest()
    url = reverse("admin:insights_bookscheck_change", args=(last.pk,)) if last else ""
    more = _("The books do not balance: issue nothing before this is understood") if broken else ""
    return Card(
        _("Broken rules of the books"),
        len(broken),
        more,
        url or _list("insights_bookscheck_changelist"),
        alarm=True,
    )


def _unpriced() -> Card:
    reasons = console.unpriced_by_reason()
    count = sum(reason.jobs for reason in reasons)
    return Card(
        _("Unpriced jobs"),
        count,
        reasons[0].label if reasons else "",
        _list("pricing_jobrating_changelist"),
        alarm=True,
    )


def _price_lists() -> Card:
    first = waiting_for_approval().first()
    return Card(
        _("Price lists to approve"),
        waiting_for_approval().count(),
        _("%(name)s is the first") % {"name": first} if first else "",
        _list("pricing_pricelist_changelist", "status__exact=submitted"),
    )


def _adjustments() -> Card:
    first = adjustments_waiting().select_related("project").first()
    return Card(
        _("Adjustments to approve"),
        adjustments_waiting().count(),
        _("%(name)s is the first") % {"name": first} if first else "",
        _list("pricing_adjustment_changelist", "status__exact=submitted"),
    )


def _outages() -> Card:
    first = outages_waiting().select_related("cluster").first()
    return Card(
        _("Outages to approve"),
        outages_waiting().count(),
        _("%(name)s is the first") % {"name": first} if first else "",
        _list("pricing_outagecredit_changelist", "status__exact=submitted"),
    )


def _exemptions() -> Card:
    first = waiting_exemptions().first()
    return Card(
        _("Exemptions to approve"),
        waiting_exemptions().count(),
        _("%(name)s is the first") % {"name": first} if first else "",
        _list("usage_exemption_changelist", "waiting=1"),
    )


def _due() -> Card:
    count = console.jobs_due()
    more = _("If this does not shrink, no worker is running") if count else ""
    return Card(_("Jobs to be rated"), count, more, _list("usage_job_changelist", "bucket=pending"))


def _periods() -> Card:
    ended = Period.objects.filter(status=Period.Status.OPEN, ends_at__lte=timezone.now())
    first = ended.order_by("month").first()
    more = _("%(name)s is the first") % {"name": formatting.month(first.month)} if first else ""
    return Card(_("Months to close"), ended.count(), more, _list("accounts_period_changelist"))


def _run() -> Card:
    """The monthly run whose documents are made or wait for review."""
    run = runs_in_review().last()
    if run is None:
        return Card(_("Documents to review"), 0, "", _list("receipts_billingrun_changelist"))
    found = progress_of(run)
    left = found.waiting + found.to_approve + found.on_their_way
    said = _("%(month)s: %(issued)s of %(all)s documents are issued")
    month = formatting.month(run.period_id)
    more = said % {"month": month, "issued": found.issued, "all": found.entries}
    return Card(_("Documents to review"), left, more, review_page(run), alarm=bool(found.problems))


def _drafts() -> Card:
    found = console.drafts()
    url = _list("receipts_receipt_changelist", "status__exact=draft")
    return Card(_("Drafts"), found.count, _sums(found.sums), url)


def _orders() -> Card:
    found = near_their_end(timezone.localdate())
    more = ", ".join(str(each.order) for each in found[:SHOWN_CLUSTERS])
    url = _list("receipts_purchaseorder_changelist", "ending=1")
    over = any(each.is_over for each in found)
    return Card(_("Purchase orders near their end"), len(found), more, url, alarm=over)


def _corrections() -> Card:
    url = _list("receipts_receipt_corrections")
    count = jobs_to_correct().count()
    more = _("Their documents say another amount than they cost now") if count else ""
    return Card(_("Jobs to be corrected"), count, more, url, alarm=True)


def _overdue() -> Card:
    found = console.overdue_receipts()
    url = _list("receipts_receipt_changelist", "overdue=1")
    return Card(_("Overdue receipts"), found.count, _sums(found.sums), url, alarm=True)


def _mails() -> Card:
    waiting = given_up()
    first = waiting.order_by("pk").first()
    more = first.last_error[:120] if first else ""
    url = _list("receipts_mail_changelist", "queue=open")
    return Card(_("E-mails not sent"), waiting.count(), more, url, alarm=True)


def _refunds() -> Card:
    waiting = Refund.objects.filter(status__in=("requested", "approved"))
    first = waiting.select_related("payment__receipt").order_by("requested_at").first()
    more = _("%(name)s is the first") % {"name": first} if first else ""
    url = _list("payments_refund_changelist")
    return Card(_("Refunds to approve or pay out"), waiting.count(), more, url)


def _write_offs() -> Card:
    waiting = WriteOff.objects.filter(status="requested")
    first = waiting.select_related("receipt").order_by("requested_at").first()
    more = _("%(name)s is the first") % {"name": first} if first else ""
    return Card(
        _("Write-offs to approve"), waiting.count(), more, _list("receipts_writeoff_changelist")
    )


def _mismatches() -> Card:
    count = console.mismatched_payments().count()
    more = ngettext("Money came that fits no receipt", "Monies came that fit no receipt", count)
    url = _list("payments_inboundevent_changelist", "queue=open")
    return Card(_("Mismatched payments"), count, more if count else "", url, alarm=True)


_CARDS: tuple[tuple[str, Callable[[], Card]], ...] = (
    ("usage.view_pull", _late),
    ("usage.view_pull", _gaps),
    ("usage.view_importrun", _imports),
    ("usage.import_usage", _uploads),
    ("usage.view_quarantinedrow", _quarantine),
    ("usage.view_reconciliation", _differences),
    ("insights.view_bookscheck", _books),
    ("pricing.view_jobrating", _unpriced),
    ("pricing.view_jobrating", _due),
    ("pricing.publish_pricelist", _price_lists),
    ("pricing.approve_adjustment", _adjustments),
    ("pricing.approve_outagecredit", _outages),
    ("usage.approve_exemption", _exemptions),
    ("accounts.view_period", _periods),
    ("receipts.view_receipt", _run),
    ("receipts.view_receipt", _drafts),
    ("receipts.view_purchaseorder", _orders),
    ("receipts.view_receipt", _corrections),
    ("receipts.view_receipt", _overdue),
    ("receipts.view_mail", _mails),
    ("payments.view_inboundevent", _mismatches),
    ("payments.approve_refund", _refunds),
    ("receipts.approve_writeoff", _write_offs),
)


def _figures(now: Month, sees_money: bool) -> list[Figure]:
    before = console.month_before(now)
    figures = [_figure(_("Jobs ended"), now.jobs, before.jobs, formatting.number)]
    figures += [_usage(code, now, before) for code in RESOURCES]
    if sees_money:
        figures += _amounts(_("Charged"), now.charged, before.charged)
        figures += _amounts(_("Issued"), now.issued, before.issued)
        figures += _amounts(_("Paid"), now.paid, before.paid)
    return figures


def _usage(code: str, now: Month, before: Month) -> Figure:
    item = RESOURCES[code]
    name, size = str(USAGE_NAMES[code]), item.unit_size
    return _figure(name, now.usage[code], before.usage[code], lambda value: hours(int(value), size))


def _amounts(name: str, now: Sums, before: Sums) -> list[Figure]:
    currencies = sorted({*now, *before})
    nothing = [Figure(name, NOTHING, NOTHING, None)]
    zero = Decimal(0)
    return [
        _amount(name, now.get(code, zero), before.get(code, zero), code) for code in currencies
    ] or nothing


def _amount(name: str, now: Decimal, before: Decimal, currency: str) -> Figure:
    return _figure(name, now, before, lambda value: money(Decimal(value), currency))


def _figure(
    name: str, now: Decimal | int, before: Decimal | int, show: Callable[[Decimal | int], str]
) -> Figure:
    change = round((Decimal(now) - before) / Decimal(before) * 100) if before else None
    return Figure(name, show(now), show(before), Decimal(change) if change is not None else None)
