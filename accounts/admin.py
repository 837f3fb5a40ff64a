"""People, projects and their price groups in the console."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.forms import (
    AdminPasswordChangeForm,
    PaginationInlineFormSet,
    UserChangeForm,
    UserCreationForm,
)

from accounts.exchange import MembershipResource, ProjectResource
from accounts.models import ApiToken, Department, Membership, Project, ProjectTier, Tier, User
from accounts.split_forms import SplitInline
from accounts.tax_ids import checked_tax_id
from accounts.tokens import revoke_token
from audit.console import AuditedAdmin, CsvExport
from audit.exchange import ExchangeAdmin
from core import formatting
from core.actor import Actor
from core.admin import ConsoleAdmin, ReadOnlyAdmin, Step, admin_url, button, column
from core.queue import RATE_TASK, after_commit


class RatesAgain:
    """After a change that may give unpriced jobs a price, what is due is rated."""

    def after_change(self, request: HttpRequest) -> None:
        after_commit(RATE_TASK)


@admin.register(User)
class UserAdmin(AuditedAdmin, CsvExport, DjangoUserAdmin[User], ConsoleAdmin):
    """People who sign in. Only a superuser touches superusers and single permissions."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "roles", "is_active", "last_login")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email", "language")}),
        (
            _("Console"),
            {
                "fields": ("is_active", "is_staff", "groups"),
                "description": _(
                    "Staff may open this console; the roles say what they may do in it."
                ),
            },
        ),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    csv_columns = {
        "username": "username",
        "first_name": "first_name",
        "last_name": "last_name",
        "email": "email",
        "active": "is_active",
        "staff": "is_staff",
        "last_login": "last_login",
    }

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        queryset: models.QuerySet[User] = super().get_queryset(request)
        return queryset.prefetch_related("groups")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(super().has_change_permission(request, obj)) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(super().has_delete_permission(request, obj)) and self._may_touch(request, obj)

    def _may_touch(self, request: HttpRequest, obj: Any) -> bool:
        above = isinstance(obj, User) and obj.is_superuser
        return bool(request.user.is_superuser) or not above

    def user_change_password(
        self,
        request: HttpRequest,
        id: str,  # noqa: A002 - Django's name
        form_url: str = "",
    ) -> HttpResponse:
        """Change a password and log it in one transaction."""
        with transaction.atomic():
            response: HttpResponse = super().user_change_password(request, id, form_url)
        return response

    @column(_("Name"), ordering="last_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "–"

    @column(_("Roles"))
    def roles(self, user: User) -> str:
        names = [group.name for group in user.groups.all()]
        if user.is_superuser:
            names.insert(0, "superuser")
        return ", ".join(names) or "–"


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """The roles, which the product brings up to date itself when it is migrated."""

    list_display = ("name",)
    fields = ("name", "rights")
    readonly_fields = ("rights",)

    @column(_("Rights"))
    def rights(self, group: Group) -> str:
        names = group.permissions.order_by("name").values_list("name")
        return format_html_join(mark_safe("<br>"), "{}", names)


@admin.register(Department)
class DepartmentAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """Parts of the institution."""

    inlines: tuple[Any, ...] = ()
    list_display = ("code", "name")
    search_fields = ("code", "name")
    csv_columns = {"code": "code", "name": "name"}


@admin.register(Tier)
class TierAdmin(RatesAgain, AuditedAdmin, CsvExport, ConsoleAdmin):
    """Price groups."""

    list_display = ("code", "name")
    search_fields = ("code", "name")
    csv_columns = {"code": "code", "name": "name"}


class MembershipInline(TabularInline):
    """The people of a project."""

    model = Membership
    autocomplete_fields = ("user",)
    extra = 0
    tab = True


class TierFormSet(PaginationInlineFormSet):
    """All tiers of a project on one page: of the same kind, none may overlap another."""

    def clean(self) -> None:
        super().clean()
        spans = [
            (row["override"], row["starts_at"], row.get("ends_at"))
            for row in (getattr(form, "cleaned_data", {}) for form in self.forms)
            if row.get("starts_at") and not row.get("DELETE")
        ]
        for (kind, start, end), (next_kind, next_start, _end) in pairwise(
            sorted(spans, key=_place)
        ):
            if kind == next_kind and (end is None or end > next_start):
                day = formatting.day(start)
                text = _("The tier from %(day)s overlaps with the next one. End it first.")
                raise ValidationError(text % {"day": day})


def _place(span: tuple[int, datetime, datetime | None]) -> tuple[int, datetime]:
    return span[:2]


class ProjectTierInline(TabularInline):
    """The dated tiers of a project; an override needs a reason."""

    model = ProjectTier
    formset = TierFormSet
    extra = 0
    tab = True
    ordering = ("-starts_at",)


class ProjectForm(forms.ModelForm[Project]):
    """A project, whose tax id can be one."""

    def clean_tax_id(self) -> str:
        return checked_tax_id(self.cleaned_data["tax_id"])


@admin.register(Project)
class ProjectAdmin(RatesAgain, ExchangeAdmin, ConsoleAdmin):
    """Who pays."""

    form = ProjectForm
    resource_classes = (ProjectResource,)
    list_display = ("code", "name", "department", "owner", "is_active")
    list_filter = ("is_active", "department")
    list_select_related = ("department", "owner")
    search_fields = ("code", "name", "billing_name", "owner__username")
    autocomplete_fields = ("department", "owner")
    inlines: tuple[Any, ...] = (ProjectTierInline, SplitInline, MembershipInline)
    readonly_fields = ("created_at",)
    fieldsets = (
        (None, {"fields": ("code", "name", "department", "owner", "is_active", "created_at")}),
        (
            _("On documents"),
            {
                "fields": (
                    "billing_name",
                    "billing_address",
                    "tax_id",
                    "po_number",
                    "cost_centre",
                    "billing_email",
                )
            },
        ),
    )


@admin.register(Membership)
class MembershipAdmin(RatesAgain, ExchangeAdmin, ConsoleAdmin):
    """Who takes part in which project."""

    resource_classes = (MembershipResource,)
    list_display = ("project", "user", "role")
    list_filter = ("role",)
    list_select_related = ("project", "user")
    search_fields = ("project__code", "user__username")
    autocomplete_fields = ("project", "user")


@admin.register(ApiToken)
class ApiTokenAdmin(CsvExport, ReadOnlyAdmin):
    """Keys of the API: whose, for what, until when. The keys themselves are not kept."""

    list_display = ("name", "user", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "user__username")
    fields = ("name", "user", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    csv_columns = {
        "name": "name",
        "user": "user__username",
        "created": "created_at",
        "expires": "expires_at",
        "last_used": "last_used_at",
        "revoked": "revoked_at",
    }
    actions_detail = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may revoke other people's tokens."""
        return request.user.has_perm("accounts.revoke_apitoken")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        valid = ApiToken.objects.filter(pk=object_id, revoked_at=None).exists()
        return super().get_actions_detail(request, object_id) if valid else []

    @button(_("Revoke"), path="revoke", icon="key_off", permission="revoke")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a token useless, such as one that became known."""
        token: ApiToken = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            revoke_token(token=token, actor=actor)
            return _t("The token is revoked.")

        step = Step(
            title=_("Revoke an API token"),
            submit=_("Revoke"),
            run=run,
            back=admin_url(token, "change", token.pk),
            facts=((_("User"), token.user), (_("Name"), token.name)),
            intro=_("Programs that use it are refused from now on. This can't be taken back."),
            danger=True,
        )
        return self.step(request, step)
