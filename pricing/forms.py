"""The console's page of one price list: its head and a price for each resource."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from core.intervals import local_midnight, next_month
from core.site import site_zone
from pricing.labels import UNITS
from pricing.models import PriceList, Rate, ResourceCode
from pricing.resources import RESOURCES

HEAD = ("tier", "effective_at", "currency", "note")
"""What a list says besides its prices."""


def price_name(code: str) -> str:
    """Return the name of the form's field for a resource's price."""
    return f"price_{code}"


def price_field(code: str) -> forms.DecimalField:
    """Return the field for the unit price of a resource; empty means that it has no price."""
    model_field = Rate._meta.get_field("unit_price")
    return forms.DecimalField(
        label=format_lazy("{} / {}", ResourceCode(code).label, UNITS[code]),
        min_value=Decimal(0),
        max_digits=model_field.max_digits,
        decimal_places=model_field.decimal_places,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
    )


class PriceListForm(forms.ModelForm[PriceList]):
    """A draft: tier, start, currency, note and unit prices."""

    price_cpu = price_field("cpu")
    price_gpu = price_field("gpu")
    price_mem = price_field("mem")

    class Meta:
        model = PriceList
        fields = HEAD

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            for rate in self.instance.rates.all():
                price = format(rate.unit_price.normalize(), "f")
                self.initial[price_name(rate.resource)] = price
        else:
            start = local_midnight(next_month(timezone.localdate()), site_zone())
            self.initial.setdefault("effective_at", start)
            self.initial.setdefault("currency", settings.SITE_CURRENCY)

    def clean_currency(self) -> str:
        code: str = self.cleaned_data["currency"].upper()
        if not (len(code) == 3 and code.isascii() and code.isalpha()):
            raise forms.ValidationError(_("Use a currency's three letters, such as THB."))
        return code

    @property
    def rates(self) -> dict[str, Decimal]:
        """The prices that were given, by resource."""
        given = {code: self.cleaned_data.get(price_name(code)) for code in RESOURCES}
        return {code: price for code, price in given.items() if price is not None}
