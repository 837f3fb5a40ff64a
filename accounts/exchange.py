"""Projects and memberships as CSV."""

from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _
from import_export.fields import Field
from import_export.widgets import BooleanWidget, CharWidget, ForeignKeyWidget

from accounts.models import Department, Membership, Project, ProjectTier, Tier, User
from accounts.tax_ids import checked_tax_id
from audit.console import values_of
from audit.exchange import AuditedResource
from core.intervals import local_midnight
from core.site import site_zone


class KeyWidget(ForeignKeyWidget):
    """Finds a row by its code or name, and says which one does not exist."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        try:
            return super().clean(value, row, **kwargs)
        except self.model.DoesNotExist as error:
            text = _("There is no %(kind)s “%(value)s”.")
            values = {"kind": self.model._meta.verbose_name, "value": value}
            raise ValidationError(text % values) from error


class YesNoWidget(BooleanWidget):
    """Yes unless the cell says no."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool:
        return super().clean(value, row, **kwargs) is not False


class TaxIdWidget(CharWidget):
    """Refuses numbers that can't be tax ids."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        return checked_tax_id(str(super().clean(value, row, **kwargs) or ""))


class ProjectResource(AuditedResource):
    """Projects by code. ``tier`` and ``tier_from`` give a project its first tier and are refused
    where it has another: a change of tier is made on the project's page."""

    export_with = (
        Prefetch(
            "tiers",
            ProjectTier.objects.filter(override=0).select_related("tier").order_by("-starts_at"),
            to_attr="regular_tiers",
        ),
    )

    department = Field("department", "department", KeyWidget(Department, "code"))
    owner = Field("owner", "owner", KeyWidget(User, "username"))
    active = Field("is_active", "active", YesNoWidget(), default=True)
    tax_id = Field("tax_id", "tax_id", TaxIdWidget())
    tier = Field(column_name="tier", readonly=True)
    tier_from = Field(column_name="tier_from", readonly=True)

    class Meta:
        model = Project
        import_id_fields = ("code",)
        fields = (
            "code",
            "name",
            "department",
            "owner",
            "active",
            "billing_name",
            "billing_address",
            "tax_id",
            "po_number",
            "cost_centre",
            "billing_email",
            "tier",
            "tier_from",
        )
        export_order = fields
        clean_model_instances = True
        skip_unchanged = True

    def dehydrate_tier(self, project: Project) -> str:
        newest = self._shown(project)
        return newest.tier.code if newest else ""

    def dehydrate_tier_from(self, project: Project) -> str:
        newest = self._shown(project)
        return newest.starts_at.astimezone(site_zone()).date().isoformat() if newest else ""

    def skip_row(
        self, instance: Project, original: Project, row: Any, import_validation_errors: Any = None
    ) -> bool:
        if row.get("tier") and not (instance.pk and self._regular(instance)):
            return False
        skipped: bool = super().skip_row(instance, original, row, import_validation_errors)
        if skipped:
            self._check_tier(instance, row)
        return skipped

    def after_save_instance(self, instance: Any, row: dict[str, Any], **kwargs: Any) -> None:
        """Record the project, then give it the tier that the row names."""
        super().after_save_instance(instance, row, **kwargs)
        if row.get("tier") and self._check_tier(instance, row) is None:
            first = ProjectTier(
                project=instance,
                tier=KeyWidget(Tier, "code").clean(row["tier"]),
                starts_at=_first_day(row.get("tier_from") or ""),
            )
            first.full_clean()
            first.save()
            self.log(
                first, "created", {k: [None, v] for k, v in values_of(first).items()}, **kwargs
            )

    def _check_tier(self, project: Project, row: dict[str, Any]) -> ProjectTier | None:
        """Return the tier that the project has, if any; refuse a row that names another."""
        present = self._regular(project)
        if present and row.get("tier") and present.tier.code != row["tier"]:
            raise ValidationError(
                {"code": _("The project has another tier. Change it on the project's page.")}
            )
        return present

    def _shown(self, project: Any) -> ProjectTier | None:
        """Return the newest regular tier, as an export read it for many projects, else as it is."""
        if hasattr(project, "regular_tiers"):
            return next(iter(project.regular_tiers), None)
        return self._regular(project)

    @staticmethod
    def _regular(project: Project) -> ProjectTier | None:
        """Return the newest regular tier."""
        rows = ProjectTier.objects.filter(project=project, override=0).select_related("tier")
        return rows.order_by("-starts_at").first()


class MembershipResource(AuditedResource):
    """Memberships by project and user; both must exist."""

    project = Field("project", "project", KeyWidget(Project, "code"))
    user = Field("user", "user", KeyWidget(User, "username"))

    class Meta:
        model = Membership
        import_id_fields = ("project", "user")
        fields = ("project", "user", "role")
        export_order = fields
        clean_model_instances = True
        skip_unchanged = True


def _first_day(text: str) -> datetime:
    """Return when a tier begins: a day's local midnight; long ago if the cell is empty."""
    try:
        day = date.fromisoformat(text.strip() or "2000-01-01")
        return local_midnight(day, site_zone())
    except (ValueError, OverflowError) as error:
        raise ValidationError({"code": _("Write tier_from as 2026-01-31.")}) from error
