"""Price lists while they are written: made, changed, copied and thrown away."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, Tier, User
from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import Space, hold_until_commit
from pricing.content import (
    CHILDREN,
    EquivalentContent,
    ListContent,
    Problem,
    RateContent,
    as_data,
    content_of,
    problems,
)
from pricing.content.rows import set_columns, write_children
from pricing.models import PriceList, Sku
from pricing.resources import family_of
from pricing.resources import name_of as name_in
from pricing.services.currencies import check_one_currency
from usage.models import Cluster

S = PriceList.Status


class InvalidContent(Invalid):
    """What a list says can't be used. ``problems`` are all that is wrong, the first one's code is
    the error's."""

    def __init__(self, found: Iterable[Problem]) -> None:
        self.problems = tuple(found)
        super().__init__(
            self.problems[0].code, " ".join(str(problem.message) for problem in self.problems)
        )


@dataclass(frozen=True, slots=True)
class Head:
    """Whose a list is, from when on it counts, and in which currency its prices are.

    It is of one tier, or negotiated: of one project or one user, and then it may end.
    """

    effective_at: datetime
    currency: str
    tier: Tier | None = None
    project: Project | None = None
    user: User | None = None
    ends_at: datetime | None = None
    note: str = ""

    COLUMNS = ("tier", "project", "user", "effective_at", "ends_at", "currency", "note")

    @property
    def key(self) -> tuple[int | None, int | None, int | None, datetime]:
        """What revisions are counted by."""
        tier, project, user = (
            None if one is None else int(one.pk) for one in (self.tier, self.project, self.user)
        )
        return tier, project, user, self.effective_at


def head_of(price_list: PriceList) -> Head:
    """Return the head of a list."""
    return Head(**{name: getattr(price_list, name) for name in Head.COLUMNS})


def draft_price_list(*, head: Head, content: ListContent, actor: Actor) -> PriceList:
    """Make a draft list. Units of prices are in ``pricing.resources``.

    Raises InvalidContent for what no list can say, Invalid for a head that does not fit.
    """
    check(head, content)
    with transaction.atomic():
        hold_until_commit(Space.PRICE_LISTS, "lists")
        price_list = PriceList(created_by_id=actor.user_id, revision=_next_revision(head))
        _write(price_list, head, content)
        record("price_list.drafted", actor=actor, target=price_list, data=describe(price_list))
    return price_list


def edit_price_list(
    *, price_list_id: int, head: Head, content: ListContent, actor: Actor
) -> PriceList:
    """Replace what a draft says; the log keeps what it said before.

    Raises Conflict if it is no draft any more, Invalid as ``draft_price_list`` does.
    """
    check(head, content)
    with transaction.atomic():
        price_list = locked_draft(price_list_id)
        before = describe(price_list)
        if head_of(price_list).key != head.key:
            price_list.revision = _next_revision(head)
        price_list.edited_by_id = actor.user_id
        _write(price_list, head, content)
        after = describe(price_list)
        if after != before:
            data = {"before": before, "after": after}
            record("price_list.changed", actor=actor, target=price_list, data=data)
    return price_list


def copy_price_list(*, price_list_id: int, actor: Actor) -> PriceList:
    """Make a new draft that says what a list says, to take effect at the same moment."""
    old = _whole(price_list_id)
    return draft_price_list(head=head_of(old), content=content_of(old), actor=actor)


def discard_price_list(*, price_list_id: int, actor: Actor) -> None:
    """Delete a draft. Raises Conflict if it is none any more."""
    with transaction.atomic():
        price_list = locked_draft(price_list_id)
        record("price_list.discarded", actor=actor, target=price_list, data=describe(price_list))
        price_list.delete()


def check(head: Head, content: ListContent) -> None:
    """Raise InvalidContent or Invalid unless a draft may say this."""
    _check_head(head)
    found = problems_here(content)
    if found:
        raise InvalidContent(found)


def problems_here(content: ListContent) -> list[Problem]:
    """Return all that is wrong with a content on this site, with its clusters and items."""
    return [*problems(content), *_unknown(content)]


def check_whole(price_list: PriceList) -> None:
    """Raise Invalid unless a draft can be submitted: it has a rate, all that it says fits together,
    and lists for the same jobs have one currency."""
    content = content_of(price_list)
    if not content.rates:
        raise Invalid("no_rates", _("A price list needs at least one rate."))
    check(head_of(price_list), content)
    check_one_currency(price_list)


def _check_head(head: Head) -> None:
    if sum(holder is not None for holder in (head.tier, head.project, head.user)) != 1:
        raise Invalid("holder", _("A list is of one tier, one project or one user."))
    code = head.currency
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise Invalid("currency", _("Use a currency's three letters, such as THB."))
    if head.ends_at is not None and head.tier is not None:
        raise Invalid(
            "ends_at", _("Only negotiated prices end; a tier's hold until its next list.")
        )
    if head.ends_at is not None and head.ends_at <= head.effective_at:
        raise Invalid("ends_at", _("It must end after it begins."))


def _unknown(content: ListContent) -> list[Problem]:
    """Return what the content speaks of and the site does not have."""
    clusters = set(Cluster.objects.values_list("name", flat=True))
    items = set(Sku.objects.filter(is_active=True).values_list("code", flat=True))
    both: tuple[tuple[str, Sequence[RateContent | EquivalentContent]], ...] = (
        ("rates", content.rates),
        ("equivalents", content.equivalents),
    )
    found = [
        Problem(
            section,
            index,
            "cluster",
            _("There is no cluster “%(name)s”.") % {"name": one.place.cluster},
        )
        for section, parts in both
        for index, one in enumerate(parts)
        if one.place.cluster and one.place.cluster not in clusters
    ]
    return found + [
        Problem("rates", index, "item", _("There is no item “%(code)s”.") % {"code": code})
        for index, code in enumerate(name_in(rate.resource) for rate in content.rates)
        if family_of(content.rates[index].resource) == "sku" and code not in items
    ]


def locked(price_list_id: int) -> PriceList:
    """Return a list that nobody else moves or changes until commit. Raises Conflict."""
    hold_until_commit(Space.PRICE_LISTS, "lists")
    price_list = _lists().filter(pk=price_list_id).first()
    if price_list is None:
        raise Conflict("gone", _("This draft was deleted by someone else."))
    return price_list


def locked_draft(price_list_id: int) -> PriceList:
    """Return a draft that nobody else changes until commit. Raises Conflict if it is none."""
    price_list = locked(price_list_id)
    if price_list.status == S.SUBMITTED:
        raise Conflict(
            "submitted", _("This price list waits for approval. Withdraw it to change it.")
        )
    if price_list.status != S.DRAFT:
        raise Conflict("published", _("A published price list can't be changed or deleted."))
    return price_list


def _lists() -> QuerySet[PriceList]:
    return PriceList.objects.select_related("tier", "project", "user")


def _whole(price_list_id: int) -> PriceList:
    return _lists().prefetch_related(*CHILDREN).get(pk=price_list_id)


def _next_revision(head: Head) -> int:
    same = PriceList.objects.filter(
        tier=head.tier, project=head.project, user=head.user, effective_at=head.effective_at
    )
    return int(same.aggregate(last=Max("revision"))["last"] or 0) + 1


def _write(price_list: PriceList, head: Head, content: ListContent) -> None:
    for name in Head.COLUMNS:
        setattr(price_list, name, getattr(head, name))
    set_columns(price_list, content)
    price_list.save()
    write_children(price_list, content)


def name_of(user: User | None) -> str:
    """Return how the log calls a person; nothing for nobody."""
    return user.get_username() if user else ""


def describe(price_list: PriceList) -> dict[str, object]:
    """Return a list with all that it says as the audit log shows it."""
    kind = "tier" if price_list.tier_id else "project" if price_list.project_id else "user"
    ends = {"ends_at": price_list.ends_at} if price_list.ends_at else {}
    return {
        kind: price_list.holder,
        "effective_at": price_list.effective_at,
        **ends,
        "revision": price_list.revision,
        "currency": price_list.currency,
        "note": price_list.note,
        **as_data(content_of(price_list)),
    }
