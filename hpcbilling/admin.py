"""What the console registers that spans apps or comes from libraries."""

from collections.abc import Mapping
from typing import Any

from axes.models import AccessAttempt
from celery import current_app
from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django_celery_beat import admin as _beat_admin  # noqa: F401 - registers what we replace
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.hooks import UNKNOWN
from accounts.models import User
from audit.console import AuditedAdmin, CsvExport
from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleAdmin,
    ReadOnlyAdmin,
    Step,
    admin_url,
    button,
    column,
    link,
    refusals_told,
)
from core.queue import RATE_TASK, after_commit
from hpcbilling.books import admin as _books_admin  # noqa: F401 - registers
from hpcbilling.closing import admin as _closing_admin  # noqa: F401 - registers
from hpcbilling.reconciliation import admin as _reconciliation_admin  # noqa: F401 - registers
from hpcbilling.workflows import rate_selected
from pricing.batches import Outcome
from pricing.models import JobRating
from pricing.rating import BATCH_JOBS, look_again
from pricing.selectors import unpriced
from usage.models import Job


@admin.register(JobRating)
class UnpricedAdmin(CsvExport, ReadOnlyAdmin):
    """The queue of jobs without a price, each with its reason."""

    list_display = (
        "job_link",
        "cluster",
        "user",
        "account",
        "ended",
        "reason_text",
        "project",
        "since",
    )
    list_display_links = ("reason_text",)
    list_filter = ("reason", "job__cluster", "project")
    list_select_related = ("job", "job__cluster", "project")
    search_fields = ("=job__account", "=job__user_name", "^job__display_id")
    date_hierarchy = "job__end"
    actions = ("rate_again",)
    actions_list = ("rate_all", "export_csv")
    csv_columns = {
        "cluster": "job__cluster__name",
        "job_id": "job__display_id",
        "user": "job__user_name",
        "account": "job__account",
        "ended": "job__end",
        "reason": "reason",
        "project": "project__code",
        "since": "since",
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobRating]:
        return unpriced()

    def has_rate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may have jobs rated."""
        return request.user.has_perm("pricing.rate_jobs")

    @admin.action(description=_("Rate again"), permissions=["rate"])
    def rate_again(self, request: HttpRequest, queryset: QuerySet[JobRating]) -> None:
        """Rate the chosen jobs now and say what came of it; very many are left to the worker."""
        ids = list(queryset.values_list("job_id", flat=True)[: BATCH_JOBS + 1])
        if len(ids) > BATCH_JOBS:
            after_commit(RATE_TASK)
            messages.success(request, _t("So many jobs are rated in the background. Look again."))
            return
        with refusals_told(request):
            _tell(request, rate_selected(job_ids=ids, actor=Actor.of(request.user)))

    @button(_("Rate all that are due"), path="rate-all", icon="refresh", permission="rate")
    def rate_all(self, request: HttpRequest) -> HttpResponse:
        """Leave everything that is due to the worker."""

        def run(_actor: Actor, _values: dict[str, Any]) -> str:
            look_again()
            after_commit(RATE_TASK)
            return _t("The worker rates what is due. Look again in a moment.")

        step = Step(
            title=_("Rate all that are due"),
            submit=_("Rate"),
            run=run,
            back=admin_url(JobRating, "changelist"),
            intro=_("The worker rates every ended job without a price, in the background."),
        )
        return self.step(request, step)

    @column(_("Job"), ordering="job")
    def job_link(self, rating: JobRating) -> str:
        return link(admin_url(Job, "change", rating.job_id), rating.job.display_id)

    @column(_("Cluster"), ordering="job__cluster")
    def cluster(self, rating: JobRating) -> str:
        return rating.job.cluster.name

    @column(_("User"), ordering="job__user_name")
    def user(self, rating: JobRating) -> str:
        return rating.job.user_name

    @column(_("Slurm account"), ordering="job__account")
    def account(self, rating: JobRating) -> str:
        return rating.job.account

    @column(_("Ended"), ordering="job__end")
    def ended(self, rating: JobRating) -> str:
        return formatting.moment(rating.job.end) if rating.job.end else NOTHING

    @column(_("Reason"), ordering="reason")
    def reason_text(self, rating: JobRating) -> str:
        return rating.get_reason_display()


def _tell(request: HttpRequest, outcome: Outcome) -> None:
    text = _t("%(rated)s rated, %(exempt)s exempt, %(unpriced)s still without a price.") % {
        "rated": outcome.rated,
        "exempt": outcome.exempt,
        "unpriced": outcome.unpriced,
    }
    messages.warning(request, text) if outcome.unpriced else messages.success(request, text)


for model in (PeriodicTask, CrontabSchedule, IntervalSchedule, ClockedSchedule, SolarSchedule):
    admin.site.unregister(model)


class PeriodicTaskForm(forms.ModelForm[PeriodicTask]):
    """A task of ours and when it runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current_app.loader.import_default_modules()
        ours = sorted(name for name in current_app.tasks if not name.startswith("celery."))
        self.fields["task"] = forms.ChoiceField(
            label=_("Task"), choices=[(name, name) for name in ours], widget=UnfoldAdminSelectWidget
        )


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(AuditedAdmin, ConsoleAdmin):
    """What beat starts by itself, and when."""

    form = PeriodicTaskForm
    list_display = ("name", "task", "enabled", "scheduler", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    search_fields = ("name", "task")
    fields = ("name", "task", "enabled", "crontab", "interval", "description", "last_run_at")
    readonly_fields = ("last_run_at",)


@admin.register(CrontabSchedule)
class CrontabAdmin(AuditedAdmin, ConsoleAdmin):
    """Times of day at which tasks run."""


@admin.register(IntervalSchedule)
class IntervalAdmin(AuditedAdmin, ConsoleAdmin):
    """Intervals at which tasks run."""


@admin.register(AccessAttempt)
class AccessAttemptAdmin(AuditedAdmin, ReadOnlyAdmin):
    """Names and addresses that failed to log in. Deleting an entry ends its lockout."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time", "path_info")
    search_fields = ("username", "ip_address")
    date_hierarchy = "attempt_time"
    fields = (
        "username",
        "ip_address",
        "failures_since_start",
        "attempt_time",
        "path_info",
        "user_agent",
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("axes.delete_accessattempt")

    def audit(
        self, request: HttpRequest, event: str, target: AccessAttempt, data: Mapping[str, Any]
    ) -> None:
        """Keep what people typed out of the log: it may be a password, and the log can't forget."""
        known = User.objects.filter(username=target.username).exists()
        values = {
            "username": target.username if known else UNKNOWN,
            "ip_address": target.ip_address,
            "failures_since_start": target.failures_since_start,
        }
        super().audit(request, event, target, {"values": values})
