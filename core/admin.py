"""What the admin classes of all apps share: read-only pages and steps that a person confirms."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar, cast

from django import forms
from django.apps import apps
from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES

from core import formatting
from core.actor import Actor
from core.errors import Changed, DomainError, Invalid, Text

log = logging.getLogger(__name__)

NOTHING = "–"
Method = TypeVar("Method", bound=Callable[..., Any])


def column(
    description: Text,
    *,
    ordering: str | None = None,
    label: Mapping[Any, str] | None = None,
    boolean: bool | None = None,
) -> Callable[[Method], Method]:
    """Make a method a column; with ``label`` it returns a value and its text, in a colour."""
    made = display(description=description, ordering=ordering, label=label, boolean=boolean)
    if label is None:
        return cast("Callable[[Method], Method]", made)

    def labelled(method: Method) -> Method:
        @wraps(method)
        def found(*args: Any) -> Any:
            value = method(*args)
            return Labelled(value) if isinstance(value, tuple) else value

        return cast("Method", made(found))

    return labelled


class Labelled(tuple[Any, ...]):
    """A value and its text. Lists show both, as text in a colour; an object's page the text."""

    __slots__ = ()

    def __str__(self) -> str:
        return str(self[-1])


def button(
    description: Text, *, path: str, icon: str, permission: str, primary: bool = False
) -> Callable[[Method], Method]:
    """Make a method a page behind a button; ``has_<permission>_permission`` decides who sees it."""
    made = action(
        description=description,
        url_path=path,
        icon=icon,
        permissions=[permission],
        variant=ActionVariant.PRIMARY if primary else ActionVariant.DEFAULT,
    )
    return cast("Callable[[Method], Method]", made)


@contextmanager
def refusals_told(request: HttpRequest) -> Iterator[None]:
    """Turn a refusal by a rule of the business into a message on the next page."""
    try:
        yield
    except DomainError as error:
        messages.error(request, str(error))


def admin_url(model: type[models.Model] | models.Model, page: str, *args: Any) -> str:
    """Return the address of a model's page in the console, such as ``changelist``."""
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


def link(url: str, text: Any) -> SafeString:
    """Return a link as lists show it."""
    return format_html('<a class="console-link" href="{}">{}</a>', url, text)


def money(amount: Decimal | None, currency: str) -> str:
    """Return an amount as lists show it."""
    if amount is None:
        return NOTHING
    return formatting.money(amount, currency) if currency else formatting.number(amount)


def hours(quantity: int, unit_size: int = 3600) -> str:
    """Return base units as priced units; nothing used is shown as nothing."""
    return formatting.hours(quantity, unit_size) if quantity else NOTHING


@dataclass(frozen=True)
class Done:
    """What to say when a step is done, and where to go then."""

    said: Text
    url: str


@dataclass(frozen=True)
class Step:
    """A page on which a person is told what a step does, fills in a form, and confirms it.

    ``run`` does it, by a service, and returns what to say afterwards, or ``Done``. ``facts`` are a
    list of names and values. Where they may change meanwhile, ``seen`` is a mark of them, which
    comes back with the form as ``values["seen"]``; on Changed the page is shown anew. ``template``
    may extend ``admin/console/step.html``.
    """

    title: Text
    submit: Text
    run: Callable[[Actor, dict[str, Any]], Text | Done]
    back: str
    target: models.Model | None = None
    form: type[forms.Form] = forms.Form
    initial: dict[str, Any] = field(default_factory=dict)
    intro: Text = ""
    facts: tuple[tuple[Text, Any], ...] = ()
    seen: str = ""
    danger: bool = False
    template: str = "admin/console/step.html"
    context: dict[str, Any] = field(default_factory=dict)


def plain_number(value: Any) -> Any:
    """Return a number as a field of a form shows it: without the zeros that its column adds."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) and value.is_finite() else value


OF_WHOLE_LISTS = {ALL_VAR, ORDER_VAR, PAGE_VAR, ERROR_FLAG}
"""What an address may ask for of a list without leaving any of its rows out."""


class ConsoleAdmin(ModelAdmin):
    """The base of every list and form in the console."""

    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    list_fullwidth = True
    warn_unsaved_form = True
    change_form_show_cancel_button = True

    steps_by_status: Mapping[Any, Collection[str]] = {}
    """Which detail buttons show in which status of the object; all where there is no entry."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list; a year beyond the calendar is a wrong filter, as any other nonsense."""
        try:
            found = super().get_changelist_instance(request)
        except (OverflowError, ValueError) as error:
            raise IncorrectLookupParameters from error
        if not request.GET.keys() - OF_WHOLE_LISTS:
            found.full_result_count = found.result_count
        return found

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the buttons that this person may press in the object's present status."""
        buttons = super().get_actions_detail(request, object_id)
        if not self.steps_by_status:
            return list(buttons)
        found = self.get_object(request, str(object_id))
        fitting = self.steps_by_status.get(found.status, ()) if found else ()
        return [item for item in buttons if item.method.original_function_name in fitting]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save an object. A refusal undoes the whole change and is told."""
        try:
            response: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
        except DomainError as error:
            messages.error(request, str(error))
        except IntegrityError as error:
            log.warning("a change in the console broke a rule of the database: %s", error)
            messages.error(
                request, _t("This does not go together with what is stored. Look again.")
            )
        else:
            return response
        return HttpResponseRedirect(request.get_full_path())

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Keep long texts to a few lines, and numbers to the decimals that they have."""
        made = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(made, forms.DecimalField):
            made.prepare_value = plain_number  # type: ignore[method-assign]
        if made is not None and isinstance(made.widget, forms.Textarea):
            made.widget.attrs["rows"] = 3
        return made

    def pick(self, request: HttpRequest, object_id: str | int) -> Any:
        """Return the object that a page is about, if this person may see it. Raises Http404."""
        found = self.get_object(request, str(object_id))
        if found is None:
            raise Http404
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        return found

    def step(self, request: HttpRequest, step: Step) -> HttpResponse:
        """Show a step, or do it when its form was sent. Refusals are told, nothing is done then."""
        sent = request.method == "POST"
        form = step.form(
            request.POST if sent else None, request.FILES if sent else None, initial=step.initial
        )
        if sent and form.is_valid():
            try:
                values = form.cleaned_data
                if step.seen:
                    values["seen"] = request.POST.get("seen", "")
                end = step.run(Actor.of(request.user), values)
            except Invalid as error:
                form.add_error(error.code if error.code in form.fields else None, str(error))
            except Changed as error:
                messages.warning(request, str(error))
                return HttpResponseRedirect(request.get_full_path())
            except DomainError as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(step.back)
            else:
                done = end if isinstance(end, Done) else Done(end, step.back)
                messages.success(request, str(done.said))
                return HttpResponseRedirect(done.url)
        return self.page(
            request,
            step.template,
            title=step.title,
            step=step,
            form=form,
            original=step.target,
            **step.context,
        )

    def page(
        self, request: HttpRequest, template: str, *, title: Text, **context: Any
    ) -> TemplateResponse:
        """Return a page of the console with its frame around it."""
        request.current_app = self.admin_site.name
        frame = self.admin_site.each_context(request)
        return TemplateResponse(
            request,
            template,
            {**frame, "title": title, "opts": self.opts, "media": self.media, **context},
        )


class ReadOnlyAdmin(ConsoleAdmin):
    """Facts and documents: seen here by who may, changed only by their own steps."""

    warn_unsaved_form = False
    filled_only: Collection[str] = ()
    """Fields about what may never happen, such as voiding: shown once they say something."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out what has not happened."""
        found = super().get_fieldsets(request, obj)
        if obj is None:
            return found
        empty = {name for name in self.filled_only if getattr(obj, name) in (None, "")}
        return [
            (
                title,
                {**options, "fields": [each for each in options["fields"] if each not in empty]},
            )
            for title, options in found
        ]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline:
    """Rows below an object that are shown and never edited there."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False
    hide_title = True
    template_after = "admin/console/empty_inline.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LinkedFilter(SimpleListFilter):
    """Narrows a list to what belongs to one object, when a link from its page asks for it.

    Subclasses name the parameter, the lookup and the model as ``app.Model``, which may be upstream.
    Without the parameter nothing shows.
    """

    lookup = ""
    model = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(self.parameter_name or "", "")
        if not value.isdecimal():
            return [("0", NOTHING)] if value else []
        found = models.QuerySet[Any](apps.get_model(self.model)).filter(pk=value)
        return [(value, str(found[0]) if found else value)]

    def has_output(self) -> bool:
        return True

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(**{self.lookup: value}) if value.isdecimal() else queryset.none()


class ConsoleForm(forms.Form):
    """A form in the dress of the console."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for item in self.fields.values():
            classes = SELECT_CLASSES if isinstance(item.widget, forms.Select) else INPUT_CLASSES
            item.widget.attrs.setdefault("class", " ".join(classes))
            if type(item.widget) is forms.Select:
                item.widget.template_name = "unfold/widgets/select.html"  # it draws the arrow


class ReasonForm(ConsoleForm):
    """Asks for a reason that goes into the log."""

    reason = forms.CharField(label=_("Reason"), max_length=200)
