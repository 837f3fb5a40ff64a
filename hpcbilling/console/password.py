"""Changing one's own password in the console, together with the event in the log."""

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase

from accounts.models import User
from audit.services import record
from core.actor import Actor


def change_password(request: HttpRequest) -> HttpResponseBase:
    """Let the site's page do it, and record that it did."""
    return admin.site.admin_view(_change)(request)


@transaction.atomic
def _change(request: HttpRequest) -> HttpResponse:
    response: HttpResponse = admin.site.password_change(request)
    if request.method == "POST" and isinstance(response, HttpResponseRedirect):
        person = User.objects.get(pk=request.user.pk or 0)
        record("user.password_changed", actor=Actor.of(person), target=person)
    return response
