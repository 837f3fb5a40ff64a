"""What the charges of a period are, in few figures: kept when it is closed, and compared later."""

import json
from typing import Any

from django.db import connection

from accounts.models import Period

_STATEMENT = """
    SELECT count(*), coalesce(encode(sha256(string_agg(sha256(convert_to(ROW(
               id, job_id, project_id, share_id, kind, resource, generation, rate_id,
               price_list_id, extract(epoch FROM job_end), quantity, unit_size, unit_price,
               counter_before, counter_after, amount, currency, reverses_id, estimated, basis
               )::text, 'UTF8')), ''
               ORDER BY id)), 'hex'), ''),
           coalesce((SELECT jsonb_object_agg(currency, amount::text) FROM (
               SELECT currency, sum(amount) AS amount FROM pricing_charge
                WHERE period_id = %(month)s GROUP BY currency) sums), '{}')
      FROM pricing_charge WHERE period_id = %(month)s
"""


def seal_of(period: Period) -> dict[str, Any]:
    """Return how many charges are booked into a period, their sums by currency, and a SHA-256 over
    all of them in the order of their keys. Each column has its place in what is hashed, empty or
    not, so that a figure that moves from one column to another shows.

    A closed period's charges never change, so its seal stays what it was.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, {"month": period.month})
        count, digest, amounts = cursor.fetchone()
    if isinstance(amounts, str):
        amounts = json.loads(amounts)
    return {"charges": count, "amounts": amounts, "sha256": digest}
