"""Published lists with all that a list can say, for tests; plain ones make ``factories``."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import Tier, User
from core.actor import Actor
from pricing.models import Equivalent, PriceList, Rate, Slab, StatePolicy
from pricing.services import submit_price_list
from tests.factories import approve

Slabs = Iterable[tuple[str | None, str, str]]


def draft(at: datetime, **values: Any) -> PriceList:
    """A draft of the tier ``mu``, or of what is given: tier's code, project, user, and terms."""
    author = User.objects.get_or_create(username="price-author")[0]
    if not {"project", "user"} & set(values):
        values["tier"] = Tier.objects.get(code=values.get("tier", "mu"))
    last = PriceList.objects.filter(
        effective_at=at, **{k: values.get(k) for k in ("tier", "project", "user")}
    ).order_by("revision").last()  # fmt: skip
    return PriceList.objects.create(
        effective_at=at, currency=values.pop("currency", "THB"), created_by=author,
        revision=last.revision + 1 if last else 1, **values,
    )  # fmt: skip


def add_rate(to: PriceList, resource: str, price: str | None, **values: Any) -> Rate:
    """A rate; with ``slabs`` of (up to, unit price, flat fee) instead of a price."""
    slabs: Slabs = values.pop("slabs", ())
    rate = Rate.objects.create(
        price_list=to, resource=resource, unit_price=None if price is None else Decimal(price),
        **{name: value if name in TEXTS else _figure(value) for name, value in values.items()},
    )  # fmt: skip
    for position, (up_to, unit_price, fee) in enumerate(slabs):
        Slab.objects.create(
            rate=rate, position=position, up_to=None if up_to is None else Decimal(up_to),
            unit_price=Decimal(unit_price), flat_fee=Decimal(fee),
        )  # fmt: skip
    return rate


TEXTS = {"partition", "qos", "basis", "model"}


def _figure(value: object) -> object:
    return Decimal(value) if isinstance(value, str) else value


def add_state(to: PriceList, state: str, percent: str, reason: str) -> None:
    StatePolicy.objects.create(price_list=to, state=state, percent=Decimal(percent), reason=reason)


def add_equivalent(
    to: PriceList, code: str, parts: Mapping[str, tuple[str, str]], **values: Any
) -> Equivalent:
    """An equivalent whose parts count so many per so many of a resource."""
    one = Equivalent.objects.create(price_list=to, code=code, name=code, **values)
    for resource, (counts, per) in parts.items():
        one.parts.create(resource=resource, counts=Decimal(counts), per=Decimal(per))
    return one


def publish(price_list: PriceList) -> PriceList:
    """Submitted by its author, approved by somebody else."""
    author = User.objects.get(username="price-author")
    made = submit_price_list(price_list_id=price_list.pk, actor=Actor.of(author))
    return approve(made)
