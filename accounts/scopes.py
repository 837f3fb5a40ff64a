"""What an API token may be used for. A scope never gives more than its owner may do anyway."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Scope(TextChoices):
    """Scopes are ``thing:act``; ``*`` is all of them, those of later versions included."""

    USAGE_READ = "usage:read", _("Read jobs and what became of them")
    CHARGES_READ = "charges:read", _("Read charges")
    RECEIPTS_READ = "receipts:read", _("Read receipts")
    RECEIPTS_WRITE = "receipts:write", _("Create receipts")
    PAYMENTS_READ = "payments:read", _("Read payments")
    PRICES_READ = "prices:read", _("Read price lists")
    PRICES_WRITE = "prices:write", _("Propose price lists (finance staff only)")
    ALL = "*", _("Everything that you may do")
