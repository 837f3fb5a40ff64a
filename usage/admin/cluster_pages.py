"""The console's pages of a cluster: calendar of days, sources tried, pulls and backfills begun."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from audit.exports import record_export
from core.actor import Actor
from core.admin import ConsoleForm, Done, Step, admin_url, button, column, refusals_told
from core.errors import Text
from core.forms import DayInput
from core.intervals import month_start, next_month
from core.site import EARLIEST, is_period
from usage import coverage
from usage.coverage import Day, DayState
from usage.models import Cluster, Pull
from usage.pulls import plan_backfill, plan_manual, send_readers
from usage.trials import try_source
from usage.windows import whole_days

STATES: tuple[tuple[DayState, str, Text, Text], ...] = (
    (DayState.COMPLETE, "✓", _("Complete"), _("read whole after the day was over")),
    (DayState.EMPTY, "○", _("Empty"), _("Slurm answered, and had no job")),
    (DayState.PARTIAL, "◐", _("Partial"), _("a part is missing, or waits for a release")),
    (DayState.MISSING, "✕", _("Missing"), _("a pull came, and this day could not be read")),
    (DayState.LATE, "!", _("Late"), _("the pull that was to read it has not come")),
    (DayState.EXPECTED, "…", _("Not yet"), _("the next pull will read it")),
    (DayState.FILES, "▤", _("From files"), _("jobs are known; whether all, no source can tell")),
)
_SHOWN = {state: (sign, name) for state, sign, name, _what in STATES}


class BackfillForm(ConsoleForm):
    """Which days to read."""

    since = forms.DateField(label=_("First day"), widget=DayInput)
    until = forms.DateField(
        label=_("Last day"),
        widget=DayInput,
        required=False,
        help_text=_("Empty: until now."),
    )


class ClusterPages:
    """What is shown of a cluster, and what may be begun, beside its form."""

    actions_detail = ("calendar", "pull_now", "backfill", "sources")

    admin_site: Any
    page: Any
    step: Any
    pick: Any

    def has_import_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may begin pulls."""
        return request.user.has_perm("usage.import_usage")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        name = "usage_cluster"
        own = [
            path("<int:object_id>/day/<str:day>/", view(self.day), name=f"{name}_day"),
            path("<int:object_id>/try/<int:source_id>/", view(self.trial), name=f"{name}_trial"),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    @column(_("sources"))
    def shown_sources(self, cluster: Cluster) -> str:
        """The ways to a cluster's accounting, in their order."""
        return ", ".join(str(source) for source in cluster.sources.all() if source.is_enabled)

    @column(_("last days"), label={"danger": "danger", "warning": "warning", "success": "success"})
    def shown_state(self, cluster: Cluster) -> tuple[str, str]:
        """The worst that is known of a cluster's last weeks."""
        now = timezone.now()
        if cluster.reads_from is None:
            return "", _t("From files")
        lost = whole_days(coverage.settled_gaps(cluster, now))
        late = coverage.lateness(cluster, now)
        if late is not None and late.is_late(now, coverage.GRACE):
            return "danger", _t("Late")
        if lost:
            said = ngettext("%(days)s day missing", "%(days)s days missing", lost)
            return "danger", said % {"days": lost}
        return "success", _t("Complete")

    @button(_("Calendar"), path="calendar", icon="calendar_month", permission="view", primary=True)
    def calendar(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a month of a cluster, a field for each day."""
        cluster: Cluster = self.pick(request, object_id)
        now = timezone.now()
        today = now.astimezone(coverage.zone_of(cluster)).date()
        month = _month(request.GET.get("month", ""), today)
        found = coverage.calendar(cluster, month, now)
        before = month_start(month - timedelta(days=1))
        context = {
            "cluster": cluster,
            "month": month,
            "before": f"{before:%Y-%m}" if before >= EARLIEST else "",
            "after": f"{next_month(month):%Y-%m}" if next_month(month) <= today else "",
            "weekdays": [WEEKDAYS_ABBR[number] for number in range(7)],
            "blanks": range(month.weekday()),
            "days": [_field(cluster, each, today) for each in found],
            "legend": _legend(found),
            "gap_days": whole_days(coverage.settled_gaps(cluster, now)),
            "last": Pull.objects.filter(cluster=cluster).order_by("-started_at").first(),
        }
        title = _t("Days of %(cluster)s") % {"cluster": cluster}
        response: HttpResponse = self.page(
            request, "admin/usage/cluster/calendar.html", title=title, **context
        )
        return response

    def day(self, request: HttpRequest, object_id: int, day: str) -> HttpResponse:
        """Show what was asked and read of one day, and read it again when told to."""
        cluster: Cluster = self.pick(request, object_id)
        chosen = _day(day)
        if request.method == "POST":
            return self._read_again(request, cluster, chosen)
        now = timezone.now()
        days = coverage.calendar(cluster, month_start(chosen), now)
        found = next(each for each in days if each.day == chosen)
        context = {
            "cluster": cluster,
            "found": found,
            "shown": _SHOWN.get(found.state),
            "windows": found.windows,
            "may_import": self.has_import_permission(request) and cluster.is_enabled,
            "is_over": chosen <= now.astimezone(coverage.zone_of(cluster)).date(),
            "month": f"{chosen:%Y-%m}",
        }
        title = f"{cluster}: {chosen:%Y-%m-%d}"
        response: HttpResponse = self.page(
            request, "admin/usage/cluster/day.html", title=title, **context
        )
        return response

    def _read_again(self, request: HttpRequest, cluster: Cluster, day: date) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        next_page = request.path
        with refusals_told(request):
            actor = Actor.of(request.user)
            pull = plan_manual(cluster=cluster, actor=actor, since=day, until=day)
            send_readers(pull)
            next_page = admin_url(pull, "change", pull.pk)
        return HttpResponseRedirect(next_page)

    @button(_("Pull now"), path="pull-now", icon="download", permission="import")
    def pull_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Begin a pull by hand: gaps, the last days, and the drop folder."""
        cluster: Cluster = self.pick(request, object_id)

        def begun(actor: Actor, _values: dict[str, Any]) -> Done:
            pull = plan_manual(cluster=cluster, actor=actor)
            send_readers(pull)
            return Done(_t("The pull is on its way."), admin_url(pull, "change", pull.pk))

        step = Step(
            title=_("Pull now"),
            submit=_("Pull now"),
            run=begun,
            back=admin_url(cluster, "change", cluster.pk),
            target=cluster,
            facts=_facts(cluster),
            intro=_(
                "A worker reads what was never read, the last days again, and the files in the drop"
                " folder. What is known already is not counted again."
            ),
        )
        response: HttpResponse = self.step(request, step)
        return response

    @button(_("Backfill"), path="backfill", icon="history", permission="import")
    def backfill(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Begin to read past months or years."""
        cluster: Cluster = self.pick(request, object_id)

        def begun(actor: Actor, values: dict[str, Any]) -> Done:
            pull = plan_backfill(
                cluster=cluster, since=values["since"], until=values["until"], actor=actor
            )
            send_readers(pull)
            return Done(_t("The backfill is on its way."), admin_url(pull, "change", pull.pk))

        step = Step(
            title=_("Backfill"),
            submit=_("Read these days"),
            run=begun,
            form=BackfillForm,
            back=admin_url(cluster, "change", cluster.pk),
            target=cluster,
            facts=_facts(cluster),
            intro=_(
                "The days are read one by one, several at a time. It may take hours, and goes on by"
                " itself if a worker dies; its page shows how far it is."
            ),
        )
        response: HttpResponse = self.step(request, step)
        return response

    @button(_("Try the sources"), path="sources", icon="cable", permission="change")
    def sources(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the sources, each with a button that asks it."""
        cluster: Cluster = self.pick(request, object_id)
        title = _t("Sources of %(cluster)s") % {"cluster": cluster}
        response: HttpResponse = self.page(
            request,
            "admin/usage/cluster/sources.html",
            title=title,
            cluster=cluster,
            sources=cluster.sources.all(),
        )
        return response

    def trial(self, request: HttpRequest, object_id: int, source_id: int) -> HttpResponse:
        """Ask one source for the last hour, when somebody presses its button: it runs a command or
        calls a server, so no link, reload or other site may make us do it."""
        cluster: Cluster = self.pick(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request, cluster):  # type: ignore[attr-defined]
            raise PermissionDenied
        source = cluster.sources.select_related("cluster").filter(pk=source_id).first()
        if source is None:
            raise Http404
        found = try_source(source)
        record_export(request, name="trial", filters={"source": str(source), "code": found.code})
        return render(request, "admin/usage/cluster/_trial.html", {"found": found})


def _month(text: str, today: date) -> date:
    """Return the month that a page asks for; the present one if it asks for nonsense."""
    try:
        asked = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007
    except ValueError:
        return month_start(today)
    return asked if is_period(asked, month_start(today)) else month_start(today)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Http404 from error
    if not is_period(day, day):
        raise Http404
    return day


def _field(cluster: Cluster, found: Day, today: date) -> dict[str, Any]:
    sign, name = _SHOWN.get(found.state, ("", ""))
    known = found.state != DayState.NONE or found.windows
    return {
        "day": found.day,
        "jobs": found.jobs,
        "state": found.state,
        "sign": sign,
        "name": name,
        "today": found.day == today,
        "url": admin_url(cluster, "day", cluster.pk, found.day.isoformat()) if known else "",
    }


def _legend(days: list[Day]) -> list[tuple[str, str, Text, Text, int]]:
    counts = {state: sum(each.state == state for each in days) for state in DayState}
    return [(state, sign, name, what, counts[state]) for state, sign, name, what in STATES]


def _facts(cluster: Cluster) -> tuple[tuple[Any, Any], ...]:
    sources = cluster.sources.filter(is_enabled=True)
    return (
        (_("Cluster"), cluster),
        (_("Sources"), ", ".join(str(source) for source in sources) or "–"),
        (_("Complete from"), cluster.reads_from or "–"),
    )
