"""Exemptions in the console: made with a reason, ended, never rewritten."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.console import AuditedAdmin, CsvExport
from core.actor import Actor
from core.admin import ConsoleAdmin, column
from core.queue import after_commit
from usage.models import Exemption


@admin.register(Exemption)
class ExemptionAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """Jobs that are not charged. What was charged and is not billed yet is taken back by the next
    rating; what is billed stays as it is."""

    list_display = ("matches", "cluster", "starts_at", "ends_at", "reason", "author")
    list_filter = ("cluster",)
    list_select_related = ("cluster", "author")
    search_fields = ("account", "user_name", "partition", "qos", "state", "reservation", "reason")
    fieldsets = (
        (None, {"fields": ("cluster", "reason", "starts_at", "ends_at")}),
        (_("Which jobs"), {"fields": Exemption.CRITERIA}),
    )
    csv_columns = {
        "cluster": "cluster__name",
        "partition": "partition",
        "account": "account",
        "user": "user_name",
        "qos": "qos",
        "state": "state",
        "reservation": "reservation",
        "from": "starts_at",
        "until": "ends_at",
        "reason": "reason",
        "author": "author__username",
        "created": "created_at",
    }
    change_form_outer_before_template = "admin/usage/exemption/intro.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Exemption | None = None) -> Any:
        """Of one that was made, only the end changes."""
        fixed = ("cluster", "reason", "starts_at", *Exemption.CRITERIA)
        return () if obj is None else fixed

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Exemption, form: Any, change: bool) -> None:
        """Keep who made it."""
        if not change:
            obj.author_id = Actor.of(request.user).user_id or 0
        super().save_model(request, obj, form, change)

    def after_change(self, request: HttpRequest) -> None:
        after_commit("hpcbilling.rate_pending")

    @column(_("Which jobs"), ordering="pk")
    def matches(self, row: Exemption) -> str:
        return row.criteria
