import gc

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

_YOUNG_OBJECTS = 50_000


class HpcbillingConfig(AppConfig):
    name = "hpcbilling"
    verbose_name = _("HPC billing")

    def ready(self) -> None:
        # Tasks declared with shared_task bind to the Celery application that is loaded first.
        from hpcbilling import celery, checks  # noqa: F401, PLC0415 - registered by import

        # The collector would look through all that Django is made of again and again, while rows
        # by the thousand come and go that are in no cycle: that took a third of an import's time.
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
