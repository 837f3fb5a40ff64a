"""Submitting adjustments: whether a second person has to look depends on what else goes on the
addressee's documents, which receipts know."""

from django.db import transaction

from accounts.models import Project
from core.actor import Actor
from core.locks import lock_rows
from pricing.models import Adjustment
from pricing.services import adjustments
from receipts.addressees import addressees_of
from receipts.alone import alone_before


def submit_adjustment(*, adjustment_id: int, actor: Actor) -> Adjustment:
    """Ask for approval of a draft. It is given at once, and the charge made, where all that one
    person alone decided for the addressee's next documents stays within ``ADJUSTMENT_LIMIT``.

    The addressee is locked before anything is counted, so two at once count each other. Raises
    Conflict as ``pricing.services.adjustments.submit_adjustment`` does.
    """
    with transaction.atomic():
        row = Adjustment.objects.get(pk=adjustment_id)
        addressees = addressees_of([row.project_id])
        lock_rows(Project.objects.all(), *addressees, *addressees.values())
        alone = alone_before(row)
        return adjustments.submit_adjustment(adjustment_id=row.pk, alone=alone, actor=actor)
