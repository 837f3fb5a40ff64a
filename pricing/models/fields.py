"""Fields that several tables of prices have."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import User

RESOURCE_PATTERN = (
    r"^(cpu|mem|gpu|node|billing|energy|(gpu|license|unit|sku):[A-Za-z0-9][A-Za-z0-9._@-]{0,55})$"
)
RESOURCE = RegexValidator(
    RESOURCE_PATTERN.replace("$", r"\Z"),
    _("This is no resource, such as cpu, mem, gpu:a100 or license:matlab."),
)
"""Codes of what can have a price; units and sizes are in ``pricing.resources``."""


def money(name: Any, **options: Any) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(
        name, max_digits=18, decimal_places=6, validators=[MinValueValidator(0)], **options
    )


def percent(name: Any, **options: Any) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(
        name,
        max_digits=7,
        decimal_places=4,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        **options,
    )


def person(name: Any) -> "models.ForeignKey[User | None, User | None]":
    return models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", editable=False, verbose_name=name
    )
