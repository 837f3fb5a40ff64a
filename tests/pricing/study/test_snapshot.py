"""A study reads from one snapshot, in a transaction that can't write."""

import pytest
from django.db import InternalError, transaction

from accounts.models import Tier
from pricing.study import study
from tests.factories import OCTOBER
from tests.pricing.study.test_study import draft


@pytest.mark.usefixtures("committed_db")
def test_the_database_would_refuse_a_charge_of_a_study() -> None:
    seen: list[str] = []

    def try_to_write(done: int, total: int) -> None:
        with pytest.raises(InternalError, match="read-only"), transaction.atomic():
            Tier.objects.create(code="sly", name="Sly")
        seen.append("refused")

    study(price_list=draft("mu", cpu="1"), window=OCTOBER, advance=try_to_write)
    assert seen
