"""Amounts in the API: exact, as strings, never as JSON numbers."""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.money import exponent

PATTERN = r"^-?\d+(\.\d+)?$"
SCHEMA = {"type": "string", "format": "decimal", "pattern": PATTERN, "example": "1234.50"}


@extend_schema_field(SCHEMA)
class AmountField(serializers.DecimalField):
    """An amount of money, read only, with as many decimals as its currency has.

    The database keeps more decimals than a currency may have; beyond the currency's they are zero.
    ``currency`` is the path of the currency's code from the serialised object.
    """

    def __init__(self, *, currency: str = "currency", **options: Any) -> None:
        self._currency = currency.split(".")
        super().__init__(max_digits=None, decimal_places=None, read_only=True, **options)

    def get_attribute(self, instance: Any) -> Decimal | None:
        amount = super().get_attribute(instance)
        code: Any = instance
        for name in self._currency:
            code = getattr(code, name)
        return None if amount is None else amount.quantize(Decimal(1).scaleb(-exponent(code)))


@extend_schema_field(SCHEMA)
class SixDecimalsField(serializers.DecimalField):
    """A stored figure with six decimals, read only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=24, decimal_places=6, read_only=True, **options)


@extend_schema_field(SCHEMA)
class ExactField(serializers.DecimalField):
    """A decimal of a request. JSON numbers are refused: they are read as binary fractions."""

    default_error_messages = {"not_text": _('Write amounts as text, such as "12.50".')}

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, str):
            self.fail("not_text")
        return super().to_internal_value(data)
