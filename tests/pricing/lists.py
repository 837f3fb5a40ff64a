"""Published lists that say more than one price for each resource."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from accounts.models import Project, Split, SplitShare, Tier, User
from pricing.engine import cumulative
from pricing.models import (
    Charge,
    Counter,
    Equivalent,
    EquivalentPart,
    PriceList,
    Rate,
    Slab,
    StatePolicy,
)
from pricing.selectors import live_charges
from pricing.tariffs import read_rates
from tests.factories import LONG_AGO, let_pass

Slabs = Iterable[tuple[str | None, str] | tuple[str | None, str, str]]


def flat(resource: str, price: str, **more: Any) -> dict[str, Any]:
    return {"resource": resource, "unit_price": Decimal(price), **more}


def slabs(resource: str, *steps: Any, model: str = "graduated", **more: Any) -> dict[str, Any]:
    """A rate of slabs, each (up to, price) or (up to, price, fee)."""
    return {"resource": resource, "model": model, "slabs": steps, **more}


def publish(*rates: Mapping[str, Any], **content: Any) -> PriceList:
    """Publish a list, as somebody who let it pass unseen; for its content see ``draft``."""
    return let_pass(draft(*rates, **content))


def draft(
    *rates: Mapping[str, Any],
    at: datetime = LONG_AGO,
    tier: str = "mu",
    project: Project | None = None,
    user: User | None = None,
    states: Mapping[str, str] | None = None,
    equivalents: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
    **terms: Any,
) -> PriceList:
    """A draft; of ``equivalents`` each code has its parts as {resource: (counts, per)}."""
    author, _ = User.objects.get_or_create(username="price-author")
    holder: dict[str, Any] = {"tier": Tier.objects.get(code=tier)}
    if project is not None or user is not None:
        holder = {"project": project, "user": user}
    last = PriceList.objects.filter(effective_at=at, **holder).order_by("revision").last()
    made = PriceList.objects.create(
        **holder, effective_at=at, currency="THB", created_by=author,
        revision=last.revision + 1 if last else 1, **terms,
    )  # fmt: skip
    for values in rates:
        steps = values.get("slabs", ())
        rate = Rate.objects.create(
            price_list=made, **{name: value for name, value in values.items() if name != "slabs"}
        )
        for position, (up_to, price, *fee) in enumerate(steps, start=1):
            Slab.objects.create(
                rate=rate, position=position, up_to=None if up_to is None else Decimal(up_to),
                unit_price=Decimal(price), flat_fee=Decimal(fee[0] if fee else 0),
            )  # fmt: skip
    for state, percent in (states or {}).items():
        StatePolicy.objects.create(price_list=made, state=state, percent=percent, reason="ours")
    for code, parts in (equivalents or {}).items():
        unit = Equivalent.objects.create(price_list=made, code=code, name=code)
        for resource, (counts, per) in parts.items():
            EquivalentPart.objects.create(
                equivalent=unit, resource=resource, counts=Decimal(counts), per=Decimal(per)
            )
    return made


@transaction.atomic
def split(
    project: Project,
    *shares: tuple[Project, str],
    starts_at: datetime = LONG_AGO,
    ends_at: datetime | None = None,
    fallback: Project | None = None,
) -> Split:
    made = Split.objects.create(
        project=project, starts_at=starts_at, ends_at=ends_at, fallback=fallback, reason="grants"
    )
    for payer, percent in shares:
        SplitShare.objects.create(split=made, project=payer, percent=Decimal(percent))
    return made


def counters_add_up() -> int:
    """Σ of the charges by each counter = its amount = the price of its quantity, which is that of
    the charges in force. Returns how many counters there are."""
    connection.check_constraints()
    rates = read_rates(Counter.objects.values_list("rate", flat=True))
    for counter in Counter.objects.all():
        charges = Charge.objects.filter(
            project=counter.project, rate=counter.rate, job_end__gte=counter.starts_at,
            job_end__lt=counter.ends_at,
        )  # fmt: skip
        sums = charges.aggregate(amount=Sum("amount"), quantity=Sum("quantity"))
        found = {name: value or 0 for name, value in sums.items()}
        assert found == {"amount": counter.amount, "quantity": counter.quantity}, sums
        in_force = live_charges(charges).aggregate(quantity=Sum("quantity"))["quantity"]
        assert (in_force or 0) == counter.quantity
        assert counter.amount == cumulative(rates[counter.rate_id], counter.quantity)
    return Counter.objects.count()
