"""The site of the console's pages."""

from functools import partial
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin import sites
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.apps import BasicAppConfig
from unfold.sites import UnfoldAdminSite


class Console(UnfoldAdminSite):
    """Unfold's, but that nothing is worked out which no page shows."""

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Return Django's own table of contents, made when somebody looks at it.

        Each page is given it, which took a sixth of its time, and has our side bar instead.
        """
        whole = partial(super().get_app_list, request, app_label)
        return cast("list[dict[str, Any]]", SimpleLazyObject(whole))


class ConsoleConfig(BasicAppConfig):
    """Unfold with our site."""

    def ready(self) -> None:
        """Put it in the place of Django's, before admin classes register."""
        admin.site = sites.site = Console()
