"""The console's page of one price list: its head, and its terms."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.intervals import local_midnight, next_month
from core.site import site_zone
from pricing.content import ListContent, Problem, TermsContent, problems
from pricing.content.rows import TERMS
from pricing.content.shorthand import plain
from pricing.models import PriceList
from pricing.services import Head

HOLDERS = ("tier", "project", "user")
HEAD = Head.COLUMNS
"""Whose a list is, and from when on it counts."""

LIST_TERMS = (*TERMS, "free_resources")
"""What a list says besides its rates."""


class PriceListForm(forms.ModelForm[PriceList]):
    """A draft: whose it is, its start, currency, note and terms."""

    class Meta:
        model = PriceList
        fields = (*HEAD, *LIST_TERMS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in HOLDERS:
            if name in self.fields:
                without_links(self.fields[name].widget)
        for name in LIST_TERMS:
            if name in self.fields:
                self.fields[name].required = False
        for name in ("minimum_per_job", "cap", "commitment"):
            value = self.initial.get(name)
            if value is not None:
                self.initial[name] = plain(value) if value else ""
        if not self.instance.pk:
            start = local_midnight(next_month(timezone.localdate()), site_zone())
            self.initial.setdefault("effective_at", start)
            self.initial.setdefault("currency", settings.SITE_CURRENCY)

    def clean_currency(self) -> str:
        code: str = self.cleaned_data["currency"].upper()
        if not (len(code) == 3 and code.isascii() and code.isalpha()):
            raise forms.ValidationError(_("Use a currency's three letters, such as THB."))
        return code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = [name for name in HOLDERS if cleaned.get(name)]
        if len(given) != 1 and not any(name in self.errors for name in HOLDERS):
            self.add_error(
                "tier", _("Choose a tier, or for negotiated prices a project or a user.")
            )
        for problem in problems(ListContent(terms=self.terms, free=self.free)):
            self.add_error(_field_of(problem), str(problem.message))
        return cleaned

    def _post_clean(self) -> None:
        """The services check the rest and write it."""

    @property
    def terms(self) -> TermsContent:
        """The terms that were given; what was left empty is as usual."""
        usual = TermsContent()
        given = {name: self.cleaned_data.get(name) for name in TERMS}
        return TermsContent(
            **{
                name: getattr(usual, name) if value is None else value
                for name, value in given.items()
            }
        )

    @property
    def free(self) -> tuple[str, ...]:
        return tuple(self.cleaned_data.get("free_resources") or ())

    @property
    def head(self) -> Head:
        said: dict[str, Any] = {name: self.cleaned_data.get(name) for name in HEAD}
        return Head(**said)


def without_links(widget: Any) -> None:
    """Offer what can be chosen, and no pages to make or change it."""
    for right in ("can_add_related", "can_change_related", "can_view_related"):
        if hasattr(widget, right):
            setattr(widget, right, False)


def _field_of(problem: Problem) -> str:
    return "free_resources" if problem.section == "free" else problem.code
