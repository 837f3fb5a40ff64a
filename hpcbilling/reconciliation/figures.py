"""A comparison's figures as its readers see them: six buckets that share out all that was used."""

from django.utils.translation import gettext_lazy as _

from core.errors import Text
from hpcbilling.reconciliation.compare import QUARANTINED, RESOURCES
from insights.buckets import Bucket
from usage.models import Reconciliation

GROUPS: dict[str, tuple[Text, tuple[str, ...]]] = {
    "billed": (_("Billed"), (Bucket.BILLED,)),
    "unbilled": (_("Not billed yet"), (Bucket.UNBILLED, Bucket.REVIEW)),
    "running": (_("Running"), (Bucket.RUNNING,)),
    "exempt": (_("Free of charge"), (Bucket.EXEMPT,)),
    "unpriced": (_("Without price"), (Bucket.UNPRICED, Bucket.PENDING, Bucket.HELD)),
    "quarantined": (_("In quarantine"), (QUARANTINED,)),
}
"""What is on a draft is not billed yet; what waits to be priced, or is held back, has no price."""


def grouped(result: Reconciliation) -> dict[str, dict[str, int]]:
    """Return seconds by bucket and resource; the buckets share out all that we have."""
    return {
        group: {
            name: sum(result.figures[name]["buckets"].get(str(member), 0) for member in members)
            for name in RESOURCES
        }
        for group, (_label, members) in GROUPS.items()
    }
