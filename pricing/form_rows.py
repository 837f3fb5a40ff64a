"""Rows of the console's page of a price list: rates, rules for states, equivalents.

Rows have no keys: what the page says replaces what the draft said, as the service does it.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from core.errors import Invalid
from pricing.content import EquivalentContent, ListContent, Place, Problem, RateContent
from pricing.content.shorthand import parts_text, plain, read_parts, read_slabs, slabs_text
from pricing.engine import Basis, Model, StatePolicy
from pricing.forms import without_links
from pricing.models import Equivalent, Rate, Sku
from pricing.models import StatePolicy as StateRow
from pricing.services import problems_here
from usage.models import Cluster

_USUAL = RateContent("")
_NUMBERS = (
    "unit_price", "flat_fee", "package_units", "allowance", "discount_percent", "discount_amount",
)  # fmt: skip
COMMON = ("cpu", "mem", "gpu", "node", "billing", "energy")


class ResourceWidget(UnfoldAdminTextInputWidget):
    """A text field that offers the resources that lists have had, and items."""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        offering = {**(attrs or {}), "list": "priced-resources"}
        shown: SafeString = super().render(name, value, offering, renderer)
        return shown


def offered_resources() -> list[str]:
    """Return the resources that are offered where one is asked for."""
    known = Rate.objects.order_by().values_list("resource", flat=True).distinct()
    items = (
        f"sku:{code}" for code in Sku.objects.filter(is_active=True).values_list("code", flat=True)
    )
    return [*COMMON, *sorted({*known, *items} - set(COMMON))]


class RowForm(forms.ModelForm[Any]):
    """One row. A row in which nothing is said is left out."""

    aside: ClassVar[frozenset[str]] = frozenset()
    """Fields that say nothing by themselves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if name not in self.needed:
                field.required = False
            widget = field.widget
            if isinstance(field, forms.DecimalField):
                widget.attrs["class"] = f"{widget.attrs.get('class', '')} text-right"
            without_links(widget)

    needed: ClassVar[frozenset[str]] = frozenset()

    def has_changed(self) -> bool:
        """Whether anything is said at all, compared with nothing and not with what was."""
        names = [name for name in self.fields if name not in {*self.aside, "id", "DELETE"}]
        given = (self.data.get(self.add_prefix(name)) for name in names)
        return any(value not in {None, "", "False"} for value in given)

    def _post_clean(self) -> None:
        """Rows are checked together, as the content of a list."""

    def content(self) -> Any:
        """Return what the row says."""
        raise NotImplementedError


class RateForm(RowForm):
    """A rate."""

    aside = frozenset({"resource", "model", "basis", "price_list"})
    needed = frozenset({"resource"})
    slabs = forms.CharField(
        label=_("Slabs"),
        required=False,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 3, "placeholder": "100: 15.00\nrest: 12.00"}
        ),
        help_text=_(
            "For graduated and volume prices, one a line: up to how many units in a month, the "
            "unit price, and maybe a fee, as in “100: 15.00 + 20”. The last one is “rest”."
        ),
    )

    class Meta:
        model = Rate
        fields = (
            "resource", "model", "unit_price", "flat_fee", "package_units", "allowance",
            "discount_percent", "discount_amount", "fee_at_zero", "basis", "cluster", "partition",
            "qos",
        )  # fmt: skip
        widgets = {"resource": ResourceWidget}

    @staticmethod
    def initial_of(rate: RateContent) -> dict[str, Any]:
        """Return what the fields show of a rate; what is as usual stays empty."""
        values: dict[str, Any] = {
            name: plain(getattr(rate, name))
            for name in _NUMBERS
            if getattr(rate, name) not in {None, getattr(_USUAL, name)}
        }
        return {
            **values,
            "resource": rate.resource,
            "model": rate.model.value,
            "basis": rate.basis.value,
            "fee_at_zero": rate.fee_at_zero,
            "slabs": slabs_text(rate.slabs),
            **initial_place(rate.place),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _NUMBERS:
            self.initial.setdefault(name, "")
            self.fields[name].initial = None

    def clean_slabs(self) -> Any:
        try:
            return read_slabs(self.cleaned_data["slabs"])
        except Invalid as error:
            raise ValidationError(str(error)) from error

    def content(self) -> RateContent:
        said = self.cleaned_data
        numbers = {name: said[name] for name in _NUMBERS if said[name] is not None}
        return RateContent(
            resource=said["resource"],
            model=Model(said["model"] or Model.FLAT),
            slabs=said["slabs"],
            fee_at_zero=said["fee_at_zero"],
            basis=Basis(said["basis"] or Basis.ALLOCATED),
            place=place_of(said),
            **numbers,
        )


class StateForm(RowForm):
    """A rule for an end state."""

    needed = frozenset({"state", "percent", "reason"})

    class Meta:
        model = StateRow
        fields = ("state", "percent", "reason")

    @staticmethod
    def initial_of(policy: StatePolicy) -> dict[str, Any]:
        return {**policy._asdict(), "percent": plain(policy.percent)}

    def content(self) -> StatePolicy:
        said = self.cleaned_data
        return StatePolicy(said["state"].strip().upper(), said["percent"], said["reason"].strip())


class EquivalentForm(RowForm):
    """A unit that the list defines."""

    aside = frozenset({"combine"})
    needed = frozenset({"code", "name", "parts"})
    parts = forms.CharField(
        label=_("Parts"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": "cpu: 1\nmem: 1 per 4"}),
        help_text=_(
            "One a line: a resource and how many units it counts, as in “gpu: 16”, or “mem: 1 per "
            "4” for one unit per 4 GB. Price it by a rate for the resource “unit:” and its code."
        ),
    )

    class Meta:
        model = Equivalent
        fields = ("code", "name", "combine", "parts", "cluster", "partition")

    @staticmethod
    def initial_of(one: EquivalentContent) -> dict[str, Any]:
        return {
            "code": one.code,
            "name": one.name,
            "combine": one.combine,
            "parts": parts_text(one.parts),
            **initial_place(one.place),
        }

    def clean_parts(self) -> Any:
        try:
            return read_parts(self.cleaned_data["parts"])
        except Invalid as error:
            raise ValidationError(str(error)) from error

    def content(self) -> EquivalentContent:
        said = self.cleaned_data
        return EquivalentContent(
            code=said["code"],
            name=said["name"].strip(),
            parts=said["parts"],
            combine=said["combine"] or "max",
            place=place_of(said),
        )


def initial_place(place: Place) -> dict[str, Any]:
    """Return what the fields show of where something counts."""
    cluster = Cluster.objects.filter(name=place.cluster).first() if place.cluster else None
    return {"cluster": cluster, "partition": place.partition, "qos": place.qos}


def place_of(said: dict[str, Any]) -> Place:
    cluster = said["cluster"]
    return Place(cluster.name if cluster else "", said["partition"], said.get("qos", ""))


class RowsFormSet(PaginationInlineFormSet):
    """The rows of one kind. ``siblings`` are all of the page; the first checks them together."""

    siblings: Sequence["RowsFormSet"] = ()

    def initial_form_count(self) -> int:
        return 0

    def total_form_count(self) -> int:
        return super().total_form_count() if self.is_bound else len(self.initial_extra or ())

    @property
    def said(self) -> list[tuple[Any, RowForm]]:
        """What each row says, with its form."""
        return [
            (form.content(), form)
            for form in self.forms
            if form.has_changed() and form.is_valid() and not self._should_delete_form(form)
        ]

    def clean(self) -> None:
        """Check the rows of all kinds together, and tell each row what is wrong with it."""
        if not self.siblings or self.siblings[0] is not self:
            return
        others = [other.is_valid() for other in self.siblings[1:]]
        if any(self.errors) or not all(others):
            return
        rows = {sibling.prefix: sibling.said for sibling in self.siblings}
        content = self.content()
        for problem in problems_here(content):
            part = getattr(content, problem.section)[problem.index]
            for value, form in rows.get(problem.section, ()):
                if value == part:
                    form.add_error(_field(form, problem), str(problem.message))
                    break

    def content(self) -> ListContent:
        """Return what the rows of all kinds say."""
        rows: dict[str, Any] = {
            sibling.prefix: tuple(value for value, _form in sibling.said)
            for sibling in self.siblings
        }
        return ListContent(**rows)


_FIELDS = {
    "no_slabs": "slabs",
    "slabs_open": "slabs",
    "slabs_rise": "slabs",
    "slab_bound": "slabs",
    "no_parts": "parts",
    "part": "parts",
    "part_twice": "parts",
    "factor": "parts",
}


def _field(form: RowForm, problem: Problem) -> str | None:
    name = _FIELDS.get(problem.code, problem.code)
    return name if name in form.fields else None
