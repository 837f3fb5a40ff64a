"""The console's form for uploading an accounting file."""

import re

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from core.admin import ConsoleForm
from core.errors import Invalid
from usage.models import Cluster
from usage.services import check_time_zone


class AgainForm(ConsoleForm):
    """How an import is read again."""

    SOURCE, ORIGINAL = "source", "original"

    how = forms.ChoiceField(
        label=_("How"),
        choices=(
            (SOURCE, _("Ask the cluster again for these days")),
            (ORIGINAL, _("Read the stored original again")),
        ),
    )


class UploadForm(ConsoleForm):
    """A file of accounting in any of its forms, for one cluster."""

    cluster = forms.ModelChoiceField(Cluster.objects.all(), label=_("Cluster"))
    file = forms.FileField(
        label=_("File"),
        widget=UnfoldAdminFileFieldWidget,
        help_text=_(
            "What sacct printed with --parsable2 or --json, or what slurmrestd answered; "
            "also packed as .gz or .zst."
        ),
    )
    columns = forms.CharField(
        label=_("Columns"),
        required=False,
        max_length=2000,
        help_text=_(
            "Only for a file without a header row: the names of its columns in order, "
            "such as JobIDRaw,Submit,Start,End."
        ),
    )
    time_zone = forms.CharField(
        label=_("Time zone"),
        required=False,
        max_length=64,
        help_text=_("Only if it differs from the cluster's, for times that carry no zone."),
    )

    as_of = forms.DateTimeField(
        label=_("Made at"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=_(
            "Only if the file was made later than the latest moment in it. An older file does not"
            " change what a newer one told."
        ),
    )

    def clean_columns(self) -> list[str]:
        return [name for name in re.split(r"[\s,|;]+", self.cleaned_data["columns"]) if name]

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"].strip()
        if name:
            try:
                check_time_zone(name)
            except Invalid as error:
                raise ValidationError(str(error)) from error
        return name
