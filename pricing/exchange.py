"""Price lists as CSV: one row a list, its prices in columns by resource."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from import_export.fields import Field
from import_export.widgets import Widget

from accounts.exchange import KeyWidget
from accounts.models import Tier
from audit.exchange import AuditedResource
from core.actor import Actor
from pricing import services
from pricing.content import flat
from pricing.models import PriceList
from pricing.resources import RESOURCES


class MomentWidget(Widget):
    """``2026-01-31`` or ``2026-01-31 08:00`` in the site's time zone."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> datetime:
        text = str(value or "").strip()
        try:
            moment = parse_datetime(text if len(text) > 10 else f"{text} 00:00")
        except ValueError:
            moment = None
        if moment is None:
            raise ValidationError(_("Write the date as 2026-01-31 or 2026-01-31 08:00."))
        return timezone.make_aware(moment) if timezone.is_naive(moment) else moment

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return timezone.localtime(value).isoformat(sep=" ", timespec="minutes") if value else ""


class PriceListResource(AuditedResource):
    """Every row becomes a new draft, for a person to look at and submit."""

    export_with = ("rates",)

    tier = Field("tier", "tier", KeyWidget(Tier, "code"))
    effective_from = Field("effective_at", "effective_from", MomentWidget())
    status = Field("status", "status", readonly=True)
    cpu = Field(column_name="cpu", readonly=True)
    gpu = Field(column_name="gpu", readonly=True)
    mem = Field(column_name="mem", readonly=True)

    class Meta:
        model = PriceList
        import_id_fields = ()
        fields = (
            "tier",
            "effective_from",
            "currency",
            "note",
            "cpu",
            "gpu",
            "mem",
            "revision",
            "status",
        )
        export_order = fields
        clean_model_instances = False

    def get_instance(self, instance_loader: Any, row: Any) -> None:
        """Never find one: lists are added, not overwritten."""

    def get_import_fields(self) -> list[Field]:
        skipped = {"revision", "status"}
        return [item for item in super().get_import_fields() if item.column_name not in skipped]

    def validate_instance(
        self,
        instance: PriceList,
        import_validation_errors: Any = None,
        validate_unique: bool = True,
    ) -> None:
        super().validate_instance(instance, import_validation_errors, validate_unique)
        instance.currency = (instance.currency or settings.SITE_CURRENCY).upper()
        instance.clean_fields(exclude=["revision"])

    def before_save_instance(self, instance: Any, row: dict[str, Any], **kwargs: Any) -> None:
        """Read the prices of the row, for ``do_instance_save``."""
        self.prices = {code: _price(code, row[code]) for code in RESOURCES if row.get(code)}
        self.actor = Actor.of(kwargs["user"])

    def do_instance_save(self, instance: PriceList, is_create: bool) -> None:
        """Make the draft; the service writes the log."""
        draft = services.draft_price_list(
            actor=self.actor,
            head=services.Head(
                tier=instance.tier,
                effective_at=instance.effective_at,
                currency=instance.currency,
                note=instance.note,
            ),
            content=flat(self.prices),
        )
        instance.pk, instance.revision = draft.pk, draft.revision

    def after_save_instance(self, instance: Any, row: dict[str, Any], **kwargs: Any) -> None:
        """The service wrote the log already."""

    def dehydrate_cpu(self, price_list: PriceList) -> str:
        return _shown(price_list, "cpu")

    def dehydrate_gpu(self, price_list: PriceList) -> str:
        return _shown(price_list, "gpu")

    def dehydrate_mem(self, price_list: PriceList) -> str:
        return _shown(price_list, "mem")


def _price(code: str, text: Any) -> Decimal:
    try:
        return Decimal(str(text).strip())
    except InvalidOperation as error:
        values = {"resource": code, "value": text}
        raise ValidationError(
            _("The price of %(resource)s is no number: %(value)s") % values
        ) from error


def _shown(price_list: PriceList, code: str) -> str:
    prices = {rate.resource: rate.unit_price for rate in price_list.rates.all()}
    return format(prices[code].normalize(), "f") if code in prices else ""
