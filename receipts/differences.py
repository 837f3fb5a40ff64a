"""What corrections of issued receipts come to: reversals that no credit note has yet, and what was
charged in their place."""

import json
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from pricing.models import Charge
from receipts.models import Receipt
from receipts.selectors import CREDITABLE, unbilled_charges, uncredited_reversals

OF = "reverses__document_line__line__receipt"

# UNION keeps one of the same: a charge counts once for a receipt, however it was found.
_WITH = """
    WITH waiting AS (
        SELECT receipt.id AS receipt_id, receipt.project_id AS addressee, receipt.currency,
               charge.job_id, charge.project_id, charge.amount,
               CASE WHEN charge.counter_after IS NOT NULL THEN charge.rate_id END AS counted
        FROM pricing_charge AS charge
        JOIN receipts_linecharge AS link ON link.charge_id = charge.reverses_id
        JOIN receipts_line AS line ON line.id = link.line_id
        JOIN receipts_receipt AS receipt ON receipt.id = line.receipt_id
        WHERE charge.reverses_id IS NOT NULL
          AND receipt.status = ANY(%(creditable)s)
          AND (%(receipts)s::bigint[] IS NULL OR receipt.id = ANY(%(receipts)s))
          AND NOT EXISTS (SELECT FROM receipts_linecharge AS new WHERE new.charge_id = charge.id)
    ),
    found AS (
        SELECT ours.receipt_id, ours.addressee, charge.id, charge.amount, charge.project_id,
               charge.reverses_id
        FROM (SELECT DISTINCT receipt_id, addressee, currency, job_id FROM waiting) AS ours
        JOIN pricing_charge AS charge USING (job_id, currency)
        UNION
        SELECT rates.receipt_id, rates.addressee, charge.id, charge.amount, charge.project_id,
               charge.reverses_id
        FROM (SELECT DISTINCT receipt_id, addressee, currency, counted FROM waiting) AS rates
        JOIN (SELECT DISTINCT receipt_id, project_id FROM waiting) AS projects USING (receipt_id)
        JOIN pricing_charge AS charge
          ON charge.rate_id = rates.counted AND charge.project_id = projects.project_id
         AND charge.currency = rates.currency AND charge.kind = 'adjustment'
    ),
    again AS (
        SELECT receipt_id, id, amount
        FROM found
        WHERE reverses_id IS NULL
          AND NOT EXISTS (SELECT FROM pricing_charge AS gone WHERE gone.reverses_id = found.id)
          AND NOT EXISTS (SELECT FROM receipts_linecharge AS link WHERE link.charge_id = found.id)
          AND receipts_addressee(project_id) = addressee
    )"""

_DIFFERENCES = """
    SELECT parts.receipt_id, sum(parts.amount)
    FROM (
        SELECT receipt_id, amount FROM waiting UNION ALL SELECT receipt_id, amount FROM again
    ) AS parts
    JOIN receipts_receipt AS receipt ON receipt.id = parts.receipt_id
    GROUP BY parts.receipt_id, receipt.currency
    HAVING abs(sum(parts.amount))
           >= coalesce((%(least)s::jsonb ->> receipt.currency)::numeric, 0)
    ORDER BY parts.receipt_id"""

_REPLACEMENTS = " SELECT id FROM again"


def receipts_to_correct(only: Collection[int] | None = None) -> list[int]:
    """Return which receipts with reversals that wait, of all or of some, differ by at least
    ``CORRECTION_THRESHOLD`` of their currency, the oldest first; in one query, however many wait.

    In a currency without a threshold every difference is enough.
    """
    least = {code: str(amount) for code, amount in settings.CORRECTION_THRESHOLD.items()}
    return [key for key, _ in _rows(_DIFFERENCES, only, least=json.dumps(least))]


def replacements(receipt_id: int) -> QuerySet[Charge]:
    """Return what was charged in place of a receipt's reversals that wait and is on no document:
    of the same jobs, and what their counters then lacked; for the same addressee."""
    ids = [key for (key,) in _rows(_REPLACEMENTS, [receipt_id])]
    return unbilled_charges().filter(pk__in=ids)


def _rows(query: str, receipts: Collection[int] | None, **values: str) -> list[tuple[Any, ...]]:
    keys = None if receipts is None else list(receipts)
    creditable = [status.value for status in CREDITABLE]
    with connection.cursor() as cursor:
        cursor.execute(_WITH + query, {"receipts": keys, "creditable": creditable, **values})
        return list(cursor.fetchall())


def waits(receipt: Receipt) -> bool:
    """Tell whether a receipt that may be credited has reversals that no note has."""
    return waiting_in(uncredited_reversals()).filter(pk=receipt.pk).exists()


def waiting_in(reversals: QuerySet[Charge]) -> QuerySet[Receipt]:
    """Return the receipts that may be credited and that reversals are of, directly or by a credit
    note over them, in the order in which they are locked."""
    rows = reversals.order_by().annotate(of=Coalesce(f"{OF}__corrects", OF))
    found = rows.values_list("of", flat=True).distinct()
    return Receipt.objects.filter(pk__in=found, status__in=CREDITABLE).order_by("pk")


def receipts_waiting() -> QuerySet[Receipt]:
    """Return the receipts with reversals that no note has, the oldest first."""
    return waiting_in(uncredited_reversals())
