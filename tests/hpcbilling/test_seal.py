"""The seal of a closed period tells charges apart by what stands in which column."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection

from accounts.models import Period
from hpcbilling.closing.seal import seal_of

PERIOD = Period(
    month=date(2026, 10, 1),
    starts_at=datetime(2026, 10, 1, tzinfo=UTC),
    ends_at=datetime(2026, 11, 1, tzinfo=UTC),
)


def sealed(column: str) -> str:
    """The digest of one charge whose only other figure stands in this column."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE pricing_charge AS TABLE public.pricing_charge")
        cursor.execute(
            f"INSERT INTO pricing_charge (id, period_id, amount, currency, {column})"
            " VALUES (1, '2026-10-01', 5, 'THB', 7)"
        )
        found = seal_of(PERIOD)
        cursor.execute("DROP TABLE pg_temp.pricing_charge")
    assert found["charges"] == 1
    return str(found["sha256"])


@pytest.mark.django_db
def test_a_figure_in_another_column_is_another_seal() -> None:
    columns = ("rate_id", "price_list_id", "counter_before", "counter_after", "share_id")
    assert len({sealed(column) for column in columns}) == len(columns)
