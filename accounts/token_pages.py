"""The page where people make and revoke their own API tokens."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.scopes import Scope
from accounts.tokens import create_token, revoke_token, tokens_of
from core.actor import Actor
from core.errors import DomainError

FOR_FINANCE = {Scope.PRICES_WRITE: "pricing.add_pricelist"}
"""Scopes that are offered to those who have the right."""


def lives() -> list[tuple[int, str]]:
    """How long a token may live, in the reader's language."""
    days = (1, 7, 30, 90, 365)
    return [(n, ngettext("%(days)s day", "%(days)s days", n) % {"days": n}) for n in days]


class TokenForm(forms.Form):
    """What a new token is called, may do, and how long it lives."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("Such as the script that uses it."),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Valid for"), choices=lives, coerce=int, initial=90
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("May be used to"), widget=forms.CheckboxSelectMultiple()
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        scopes: Any = self.fields["scopes"]
        scopes.choices = [
            (scope.value, scope.label)
            for scope in Scope
            if scope not in FOR_FINANCE or user.has_perm(FOR_FINANCE[scope])
        ]


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """List a person's tokens and make new ones; a new key is in this one answer only."""
    user = request.user
    if not isinstance(user, User):
        return redirect("login")
    key = ""
    form = TokenForm(request.POST if request.method == "POST" else None, user=user)
    if form.is_bound and form.is_valid():
        try:
            _token, key = create_token(user=user, actor=Actor.of(user), **form.cleaned_data)
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            form = TokenForm(user=user)
    context = {"form": form, "key": key, "tokens": tokens_of(user), "now": timezone.now()}
    return render(request, "accounts/tokens.html", context)


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Revoke one of a person's own tokens."""
    token = get_object_or_404(tokens_of(request.user), pk=token_id)
    try:
        revoke_token(token=token, actor=Actor.of(request.user))
    except DomainError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect("tokens")
