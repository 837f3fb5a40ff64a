"""Splits of a project's costs, as they are typed into the project's page in the console."""

import re
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import Project, Split, SplitShare
from core import formatting

_SHARE = re.compile(r"(?P<code>\S+)\s+(?P<percent>[0-9]+(\.[0-9]{1,4})?)\s*%?")
WHOLE = Decimal(100)


class SharesField(forms.CharField):
    """A project's code and its percentage on each line, 100 % together."""

    widget = UnfoldAdminTextareaWidget
    default_error_messages = {
        "line": _(
            "Write a project's code and its percent on each line, such as “genomics 33.3333”."
        ),
        "twice": _("%(code)s is there twice."),
        "unknown": _("There is no project “%(code)s”."),
        "whole": _("The shares add up to %(sum)s %%, not to 100 %%."),
    }

    def clean(self, value: Any) -> dict[Project, Decimal]:
        text = super().clean(value)
        percents: dict[str, Decimal] = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            code, percent = self._share(line)
            if code in percents:
                raise self._wrong("twice", code=code)
            percents[code] = percent
        if sum(percents.values()) != WHOLE:
            raise self._wrong("whole", sum=sum(percents.values()))
        projects = {row.code: row for row in Project.objects.filter(code__in=percents)}
        for code in percents:
            if code not in projects:
                raise self._wrong("unknown", code=code)
        return {projects[code]: percent for code, percent in percents.items()}

    def _share(self, line: str) -> tuple[str, Decimal]:
        found = _SHARE.fullmatch(line)
        percent = Decimal(found["percent"]) if found else Decimal(0)
        if found is None or not 0 < percent <= WHOLE:
            raise self._wrong("line")
        return found["code"], percent

    def _wrong(self, error: str, /, **values: Any) -> ValidationError:
        return ValidationError(self.error_messages[error], code=error, params=values)


class SplitForm(forms.ModelForm[Split]):
    """A split. Once it is there only its end and who pays afterwards change."""

    shares = SharesField(
        label=_("Shares"), help_text=_("A project's code and its percent on each line.")
    )

    class Meta:
        model = Split
        fields = ("starts_at", "ends_at", "shares", "fallback", "reason")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk:
            for name in ("starts_at", "reason", "shares"):
                self.fields[name].disabled = True
            rows = self.instance.shares.select_related("project")
            self.initial["shares"] = "\n".join(
                f"{row.project.code} {row.percent.normalize():f}" for row in rows
            )


class SplitFormSet(PaginationInlineFormSet):
    """The splits of a project, none of which may overlap another; the shares of new ones are made
    with them."""

    def clean(self) -> None:
        super().clean()
        values = [getattr(form, "cleaned_data", {}) for form in self.forms]
        spans = [
            (row["starts_at"], row.get("ends_at"))
            for row in values
            if row.get("starts_at") and row["starts_at"] != row.get("ends_at")
        ]
        for (start, end), (next_start, _end) in pairwise(sorted(spans, key=lambda span: span[0])):
            if end is None or end > next_start:
                text = _("The split from %(day)s overlaps with the next one. End it first.")
                raise ValidationError(text % {"day": formatting.day(start)})

    def save_new(self, form: forms.ModelForm[Split], commit: bool = True) -> Split:
        split: Split = super().save_new(form, commit=commit)
        SplitShare.objects.bulk_create(
            SplitShare(split=split, project=project, percent=percent)
            for project, percent in form.cleaned_data["shares"].items()
        )
        shares = {project.code: str(each) for project, each in form.cleaned_data["shares"].items()}
        setattr(split, "also_logged", {"shares": shares})  # noqa: B010 - of this object only
        return split


class SplitInline(TabularInline):
    """Who shares the costs of a project's jobs. To withdraw a split, let it end when it began."""

    model = Split
    form = SplitForm
    formset = SplitFormSet
    fk_name = "project"
    autocomplete_fields = ("fallback",)
    extra = 0
    tab = True
    can_delete = False
    ordering = ("-starts_at",)
