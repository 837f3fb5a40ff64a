"""Names of priced things as people read them; codes and sizes are in ``pricing.resources``."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

NAMES: Mapping[str, str | Promise] = {
    "cpu": _("CPU"),
    "gpu": _("GPU"),
    "mem": _("Memory"),
    "node": _("Node"),
    "billing": _("Billing units"),
    "energy": _("Energy"),
    "license": _("Licence"),
    "unit": _("Equivalents"),
    "sku": _("Item"),
    "minimum": _("Minimum of a job"),
    "true_up": _("Cap or commitment"),
    "manual": _("Adjustment no."),
    "opening": _("Opening balance"),
}
"""By resource, or by the family of it that is before the colon."""

UNITS: Mapping[str, str | Promise] = {
    "cpu": _("CPU-core-hour"),
    "gpu": _("GPU-hour"),
    "mem": _("GB-hour"),
    "node": _("node-hour"),
    "billing": _("billing-hour"),
    "energy": _("kWh"),
    "license": _("licence-hour"),
    "unit": _("unit-hour"),
    "sku": _("piece"),
}
"""The unit that a unit price is for, by resource."""

BASE_UNITS: Mapping[str, str | Promise] = {
    "cpu": _("CPU seconds"),
    "gpu": _("GPU seconds"),
    "mem": _("MiB seconds"),
    "node": _("node seconds"),
    "billing": _("millionths of a billing second"),
    "energy": _("joules"),
    "license": _("licence seconds"),
    "unit": _("millionths of a unit second"),
    "sku": _("millionths of a piece"),
}
"""The unit that a quantity is counted in, by resource or its family."""


def resource_name(code: str) -> str:
    """Return what people call a resource, such as “GPU a100”, in the current language."""
    family, colon, kind = code.partition(":")
    name = NAMES.get(family, code)
    return gettext("%(family)s %(kind)s") % {"family": name, "kind": kind} if colon else str(name)


def unit_name(code: str) -> str:
    """Return the unit that a unit price is for, in the current language."""
    return str(UNITS.get(code.partition(":")[0], ""))


def base_unit_name(code: str) -> str:
    """Return the unit that a quantity is counted in, in the current language."""
    return str(BASE_UNITS.get(code.partition(":")[0], ""))
