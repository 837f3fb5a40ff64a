"""Signing in, and what is shown while it is refused."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User


class Login(LoginView):
    """The one door for people, staff included. Messages are the same for names that nobody has.

    Who works in the console lands there, unless another page was asked for.
    """

    template_name = "accounts/login.html"

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Return the page that was asked for; the front page is none, everybody is sent there."""
        wanted = super().get_redirect_url()
        return "" if wanted == settings.LOGIN_REDIRECT_URL else wanted

    def get_default_redirect_url(self) -> str:
        """Return where a person's work begins."""
        staff = isinstance(self.request.user, User) and self.request.user.is_staff
        return reverse("admin:index") if staff else str(super().get_default_redirect_url())

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form; who is signed in and wants nothing special goes home."""
        if request.user.is_authenticated and not self.get_redirect_url():
            return redirect(self.get_default_redirect_url())
        return super().get(request, *args, **kwargs)

    @transaction.atomic
    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign in, together with the event in the log."""
        return super().form_valid(form)


def admin_login(request: HttpRequest) -> HttpResponse:
    """Send people who come to the console's own door to the one of the site."""
    wanted = request.GET.get("next") or reverse("admin:index")
    return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': wanted})}")


def locked_out(
    request: HttpRequest, _response: HttpResponseBase, _credentials: dict[str, Any] | None
) -> HttpResponse:
    """Answer an attempt during a lockout; the same whether or not the name exists."""
    minutes = settings.AUTH_LOCKOUT_MINUTES
    if request.path.startswith("/api/"):
        answer: HttpResponse = JsonResponse(
            {"detail": _("Too many failed attempts. Try again later.")}, status=429
        )
    else:
        answer = render(request, "accounts/locked_out.html", {"minutes": minutes}, status=429)
    answer["Retry-After"] = str(minutes * 60)
    return answer
