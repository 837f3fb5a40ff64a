from django.apps import AppConfig
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = _("Payments")

    def ready(self) -> None:
        """Listen for receipts that ask for money, or for less than before."""
        listeners = import_string("receipts.settling.LISTENERS")
        listeners[:] = {*listeners, import_string("payments.services.settlement.follow")}
        finders = import_string("receipts.verification.OTHERS")
        finders[:] = {*finders, import_string("payments.official_documents.verified")}
        standings = import_string("receipts.settling.STANDINGS")
        standings[:] = [import_string("payments.selectors.with_standing")]
        balances = import_string("receipts.settling.BALANCES")
        balances[:] = [import_string("payments.selectors.balance_of")]
