"""The log in the console: read, searched, exported and verified."""

import json
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from audit.models import AuditEvent
from audit.selectors import verify_chain
from core.admin import NOTHING, ReadOnlyAdmin, Step, admin_url, button, column, link


class TargetFilter(admin.SimpleListFilter):
    """What happened to one object: ``?target=receipts.receipt:12``, from its *History* button."""

    title = _("object")
    parameter_name = "target"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get("target", "")
        return [(value, value)] if value else []

    def has_output(self) -> bool:
        return True

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        kind, _colon, key = (self.value() or "").partition(":")
        return queryset.filter(target_type=kind, target_id=key) if kind else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(CsvExport, ReadOnlyAdmin):
    """Every event, newest first."""

    list_display = ("number", "at", "action", "actor_name", "target")
    list_filter = ("action", "actor_name", "target_type", TargetFilter)
    search_fields = ("=actor_name", "^action", "=target_id", "payload")
    search_help_text = _("Part of an action, an actor, an object's key, or any text of an event")
    date_hierarchy = "at"
    actions_list = ("verify", "export_csv")
    fields = (
        "number",
        "at",
        "action",
        "actor_name",
        "actor_id",
        "target",
        "content",
        "previous_hash",
        "hash",
    )
    readonly_fields = ("number", "target", "content")
    csv_columns = {
        "number": "sequence",
        "time": "at",
        "action": "action",
        "actor": "actor_name",
        "target_type": "target_type",
        "target": "target_id",
        "content": "payload",
        "previous_hash": "previous_hash",
        "hash": "hash",
    }

    def has_export_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("audit.export_auditevent")

    @column(_("Number"), ordering="sequence")
    def number(self, event: AuditEvent) -> str:
        return f"#{event.sequence}"

    @column(_("Object"))
    def target(self, event: AuditEvent) -> str:
        """Name the object, with a link if the console has a page for it."""
        if not event.target_type:
            return NOTHING
        try:
            model = apps.get_model(event.target_type)
            text = f"{model._meta.verbose_name} {event.target_id}"
            return link(admin_url(model, "change", event.target_id), text)
        except (LookupError, NoReverseMatch):
            return f"{event.target_type} {event.target_id}"

    @column(_("Content"))
    def content(self, event: AuditEvent) -> str:
        shown = {key: event.content.get(key) for key in ("data", "request")}
        text = json.dumps(shown, indent=2, ensure_ascii=False)
        return format_html('<pre class="console-raw" tabindex="0">{}</pre>', text)

    @button(_("Verify now"), path="verify", icon="policy", permission="view")
    def verify(self, request: HttpRequest) -> HttpResponse:
        """Walk the whole chain and say whether it holds."""
        back = admin_url(AuditEvent, "changelist")
        if request.method == "POST":
            found = verify_chain()
            if found.broken is None:
                text = _t("All %(count)s events hold. The end of the chain is %(head)s.")
                messages.success(request, text % {"count": found.events, "head": found.head})
            else:
                text = _t("The chain is broken at event %(number)s: %(reason)s.")
                place = {"number": found.broken.sequence, "reason": found.broken.reason}
                messages.error(request, text % place)
            return HttpResponseRedirect(back)
        step = Step(
            title=_("Verify the log"),
            submit=_("Verify now"),
            run=lambda _actor, _values: "",
            back=back,
            intro=_(
                "Every event is hashed again and compared with the chain. Note the number of "
                "events and the end of the chain somewhere else to notice later if the log was cut."
            ),
        )
        return self.step(request, step)
