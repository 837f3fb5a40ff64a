from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class HpcbillingConfig(AppConfig):
    name = "hpcbilling"
    verbose_name = _("HPC billing")

    def ready(self) -> None:
        # Tasks declared with shared_task bind to the Celery application that is loaded first.
        from hpcbilling import celery, checks  # noqa: F401, PLC0415 - registered by import
