"""Which tax a project's documents carry on a day."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from core.errors import Conflict
from receipts.arithmetic import Taxation
from receipts.models import BillingProfile, Receipt, TaxCategory, TaxProfile


@dataclass(frozen=True, slots=True)
class Taxed:
    """The tax of a document, and why it is no other."""

    taxation: Taxation
    reason: str = ""
    certificate: str = ""


def tax_for(project: Project, day: date) -> Taxed:
    """Return how a project's documents of a day are taxed: by its profile, or else at the site's
    rate on top of prices. Raises Conflict where its profile has no rate on that day."""
    return taxes_for([project.pk], day)[project.pk]


def taxes_for(project_ids: Collection[int], day: date) -> dict[int, Taxed]:
    """Return the same for several projects, by their keys."""
    profiles = BillingProfile.objects.filter(project__in=project_ids).order_by()
    found = {each.project_id: each for each in profiles.select_related("tax_profile")}
    return {key: _taxed(found.get(key), day) for key in project_ids}


def _taxed(found: BillingProfile | None, day: date) -> Taxed:
    if found is None or found.tax_profile is None:
        return Taxed(Taxation(TaxCategory.STANDARD.value, settings.SITE_TAX_RATE))
    profile = found.tax_profile
    taxation = Taxation(profile.category, _rate_of(profile, day), profile.inclusive)
    return Taxed(taxation, profile.reason, found.exemption_certificate)


def _rate_of(profile: TaxProfile, day: date) -> Decimal:
    if profile.category != TaxCategory.STANDARD:
        return Decimal(0)
    in_force = Q(ends_on=None) | Q(ends_on__gt=day)
    rate = profile.rates.filter(in_force, starts_on__lte=day).first()
    if rate is None:
        raise Conflict(
            "no_tax_rate",
            _("The tax profile “%(code)s” has no rate on %(day)s. Add one in the console.")
            % {"code": profile.code, "day": day.isoformat()},
        )
    return rate.percent


def taxation_of(receipt: Receipt) -> Taxation:
    """Return how a document is taxed."""
    return Taxation(receipt.tax_category, receipt.tax_rate, receipt.tax_inclusive)
