"""Rows of a price list's page: its rates, the units it defines, its rules for end states."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline, TabularInline

from pricing.content import ListContent, RateContent
from pricing.form_rows import EquivalentForm, RateForm, RowsFormSet, StateForm
from pricing.models import Equivalent, Rate, StatePolicy

FIRST_ROWS = ListContent(tuple(RateContent(code) for code in ("cpu", "mem", "gpu")))
"""What a new list offers to be filled in."""


class _Rows:
    """Rows that everybody may edit who may edit the list."""

    extra = 0
    formset = RowsFormSet

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class RateInline(_Rows, StackedInline):
    """Rates: what a unit of each resource costs, for which jobs."""

    model = Rate
    form = RateForm
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("resource", "model", "unit_price"),
                    ("slabs", "flat_fee", "package_units"),
                    ("cluster", "partition", "qos"),
                    ("allowance", "discount_percent", "discount_amount"),
                    ("basis", "fee_at_zero"),
                )
            },
        ),
    )


class EquivalentInline(_Rows, StackedInline):
    """Units that the list defines, made of several resources."""

    model = Equivalent
    form = EquivalentForm
    fieldsets = (
        (None, {"fields": (("code", "name", "combine"), ("parts", "cluster", "partition"))}),
    )


class StateInline(_Rows, TabularInline):
    """How much of jobs that end in some state is billed."""

    model = StatePolicy
    form = StateForm
    verbose_name_plural = _("rules for states")
