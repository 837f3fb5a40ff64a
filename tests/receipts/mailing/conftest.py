"""A receipt whose leader has an address."""

import pytest

from accounts.models import User
from core.actor import Actor
from receipts.models import Receipt
from receipts.services import create_receipt
from tests.campus import Campus
from tests.factories import OCTOBER


@pytest.fixture
def receipt(people: Campus) -> Receipt:
    User.objects.filter(pk=people.alice.pk).update(email="alice@example.org")
    User.objects.filter(pk=people.bob.pk).update(email="bob@example.org")
    return create_receipt(
        project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.alice)
    )
