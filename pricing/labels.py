"""Names of priced things as people read them; codes and sizes are in ``pricing.resources``."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

UNITS: Mapping[str, str | Promise] = {
    "cpu": _("CPU-core-hour"),
    "gpu": _("GPU-hour"),
    "mem": _("GB-hour"),
}
"""The unit that a unit price is for, by resource."""

BASE_UNITS: Mapping[str, str | Promise] = {
    "cpu": _("CPU seconds"),
    "gpu": _("GPU seconds"),
    "mem": _("MiB seconds"),
}
"""The unit that a quantity is counted in, by resource."""
