from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts and projects")

    def ready(self) -> None:
        from accounts import hooks  # noqa: F401, PLC0415 - receivers register by import
