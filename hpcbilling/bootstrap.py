"""What a new site starts with: roles, three tiers with a first price list each, the schedule.

Runs after migrations. Roles follow `hpcbilling.roles`; prices are made only where there is no tier
at all, so that a site's own choices stay.
"""

from datetime import UTC, datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from accounts.models import Tier
from audit.services import record
from core.actor import Actor
from hpcbilling import schedule
from hpcbilling.roles import sync_roles
from pricing.content import flat
from pricing.services import Head, publish_first_list

FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
SETUP = Actor.system("setup")

TIERS = {
    "mu": ("University", {"cpu": "0.75", "gpu": "12.00", "mem": "0.05"}),
    "gov": ("Government", {"cpu": "1.50", "gpu": "24.00", "mem": "0.10"}),
    "private": ("Private sector", {"cpu": "3.00", "gpu": "60.00", "mem": "0.20"}),
}
"""By code: name, and unit prices per CPU-core-hour, GPU-hour and GB-hour."""


def run() -> None:
    """Bring roles up to date and seed prices on a new site; safe to run again."""
    sync_roles(SETUP)
    seed_prices()
    schedule.sync(SETUP)


@transaction.atomic
def seed_prices() -> None:
    """Make the first tiers and publish their first lists, if there are no tiers."""
    if Tier.objects.exists():
        return
    for code, (name, rates) in TIERS.items():
        tier = Tier.objects.create(code=code, name=name)
        record("tier.created", actor=SETUP, target=tier, data={"code": code, "name": name})
        publish_first_list(
            actor=SETUP,
            head=Head(
                tier=tier,
                effective_at=FIRST_DAY,
                currency=settings.SITE_CURRENCY,
                note="First list",
            ),
            content=flat({resource: Decimal(price) for resource, price in rates.items()}),
        )
