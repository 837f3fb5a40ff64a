"""Reading the audit log."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from audit.chain import GENESIS, Break, walk
from audit.models import AuditEvent, AuditHead


@dataclass(frozen=True, slots=True)
class Verification:
    """What walking the whole chain found: how many events, where it ends, the first break."""

    events: int
    head: str
    broken: Break | None


@transaction.atomic
def verify_chain(*, progress: Callable[[int], None] = lambda done: None) -> Verification:
    """Walk the whole log and stop at the first row that does not hold.

    Reads in constant memory. ``progress`` is called with the number of rows seen so far. Compare
    ``events`` and ``head`` with figures noted elsewhere to notice a log that was cut at its end.
    """
    head = AuditHead.objects.get(pk=1)
    loose = AuditEvent.objects.filter(sequence=None).order_by("id").first()
    if loose is not None:
        return Verification(0, GENESIS, Break(loose.pk, None, "it is not part of the chain"))
    rows = AuditEvent.objects.filter(sequence__isnull=False).order_by("sequence")
    seen, last = 0, GENESIS
    for row, broken in walk(rows.iterator(chunk_size=2000)):
        if broken:
            return Verification(seen, last, broken)
        seen, last = seen + 1, row.hash or ""
        progress(seen)
    if (head.sequence, head.hash) != (seen, last):
        reason = f"the log ends at {seen} but its end is noted as {head.sequence}"
        return Verification(seen, last, Break(None, seen + 1, reason))
    return Verification(seen, last, None)
