"""What a list may say: told exactly where it is wrong, and refused by the database alike."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from accounts.models import Tier
from core.actor import Actor
from core.errors import Invalid
from pricing import services
from pricing.content import (
    EquivalentContent,
    ListContent,
    Place,
    RateContent,
    as_data,
    content_of,
    flat,
    problems,
)
from pricing.content.rows import write_children
from pricing.content.shorthand import parts_text, read_parts, read_slabs, slabs_text
from pricing.engine import Model, Part, Slab, StatePolicy
from pricing.models import PriceList
from pricing.services import Head, InvalidContent
from tests.factories import join, make_cluster, make_project, make_user, publish_list
from tests.pricing.contents import CLUSTERS, FULL

YEAR = datetime(2027, 1, 1, tzinfo=UTC)
CPU = RateContent("cpu", Decimal(1))


def placed(*names: str, resource: str = "cpu") -> RateContent:
    return RateContent(resource, Decimal(1), place=Place(*names))


def unit(code: str, *parts: str, place: Place = Place()) -> EquivalentContent:  # noqa: B008 - frozen
    return EquivalentContent(code, code, tuple(Part(one, Decimal(1)) for one in parts), place=place)


def unit_rate(code: str) -> RateContent:
    return RateContent(f"unit:{code}", Decimal(1))


def stepped(*slabs: Slab) -> RateContent:
    return RateContent("gpu", model=Model.GRADUATED, slabs=slabs)


WRONG: list[tuple[str, ListContent]] = [
    ("tie", ListContent((placed("alpha"), placed("", "fat")))),
    ("tie", ListContent((placed("alpha", "fat"), placed("alpha", "", "high")))),
    ("tie", ListContent((RateContent("gpu:a100", Decimal(1)), placed("alpha", resource="gpu")))),
    ("no_slabs", ListContent((stepped(),))),
    ("slabs_open", ListContent((stepped(Slab(Decimal(1), Decimal(1))),))),
    (
        "slabs_rise",
        ListContent(
            (stepped(*(Slab(end, Decimal(1)) for end in (Decimal(5), Decimal(5), None))),)
        ),
    ),
    ("slabs", ListContent((replace(CPU, slabs=(Slab(None, Decimal(1)),)),))),
    ("no_equivalent", ListContent((unit_rate("che"),))),
    ("no_unit_rate", ListContent((CPU,), equivalents=(unit("che", "cpu"),))),
    ("no_parts", ListContent((unit_rate("che"),), equivalents=(unit("che"),))),
    (
        "units_overlap",
        ListContent(
            (unit_rate("a"), unit_rate("b")), equivalents=(unit("a", "gpu"), unit("b", "gpu:x"))
        ),
    ),
    (
        "units_overlap",
        ListContent(
            (unit_rate("a"),),
            equivalents=(
                unit("a", "cpu", place=Place("alpha")), unit("a", "cpu", place=Place("", "fat")),
            ),
        ),
    ),
    ("resource", ListContent((CPU,), free=("coffee",))),
]  # fmt: skip
RIGHT: list[ListContent] = [
    FULL,
    ListContent((placed("alpha"), placed("", "fat"), placed("alpha", "fat"))),
    ListContent((placed("alpha"), placed("beta"))),
    ListContent((CPU, placed("alpha"), placed("alpha", "fat"))),
    ListContent(
        (unit_rate("a"), unit_rate("b")), equivalents=(unit("a", "gpu:x"), unit("b", "gpu:y"))
    ),
    ListContent(
        (unit_rate("a"), unit_rate("b")),
        equivalents=(unit("a", "cpu", place=Place("alpha")), unit("b", "cpu", place=Place("beta"))),
    ),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "content"), WRONG)
def test_what_does_not_fit_together_is_told_and_refused(code: str, content: ListContent) -> None:
    assert code in {problem.code for problem in problems(content)}
    with pytest.raises(IntegrityError), transaction.atomic():
        submit_by_hand(content)


@pytest.mark.django_db
@pytest.mark.parametrize("content", RIGHT)
def test_what_fits_together_is_taken_by_both(content: ListContent) -> None:
    assert problems(content) == []
    assert submit_by_hand(content).status == "submitted"


def submit_by_hand(content: ListContent) -> PriceList:
    """Write a draft around the services, and submit it."""
    for name in CLUSTERS:
        make_cluster(name)
    row = PriceList.objects.create(
        tier=Tier.objects.get(code="mu"), effective_at=YEAR, currency="THB",
        free_resources=list(content.free),
    )  # fmt: skip
    write_children(row, content)
    PriceList.objects.filter(pk=row.pk).update(
        status="submitted", submitted_at=timezone.now(), submitted_by=make_user("author")
    )
    row.refresh_from_db()
    return row


def test_a_tie_names_both_rates() -> None:
    (found,) = problems(WRONG[0][1])
    assert "“cpu (cluster alpha)” and “cpu (partition fat)”" in str(found.message) or (
        "“cpu (partition fat)” and “cpu (cluster alpha)”" in str(found.message)
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"resource": "coffee"}, "resource"), ({"unit_price": None}, "unit_price"),
        ({"unit_price": Decimal(-1)}, "unit_price"), ({"unit_price": Decimal("NaN")}, "unit_price"),
        ({"unit_price": Decimal("0.1234567")}, "unit_price"),
        ({"unit_price": Decimal("1e12")}, "unit_price"),
        ({"flat_fee": Decimal("Infinity")}, "flat_fee"), ({"allowance": Decimal(-1)}, "allowance"),
        ({"discount_percent": Decimal("100.1")}, "discount_percent"),
        ({"discount_percent": Decimal("0.00001")}, "discount_percent"),
        ({"package_units": Decimal(2)}, "package_units"),
        ({"place": Place("alpha", " fat")}, "partition"),
        ({"resource": "sku:poster", "place": Place("alpha")}, "item"),
    ],
)  # fmt: skip
def test_a_wrong_number_is_told_by_its_field(change: dict[str, Any], code: str) -> None:
    assert [found.code for found in problems(ListContent((replace(CPU, **change),)))] == [code]


def test_contents_compare_as_they_count() -> None:
    one = ListContent((CPU, placed("alpha")), free=("mem", "gpu"))
    other = ListContent(
        (placed("alpha"), replace(CPU, unit_price=Decimal("1.000000"))), free=("gpu", "mem")
    )
    assert one == other
    assert one != replace(one, free=())
    assert flat({"cpu": Decimal(1)}).is_flat
    assert not FULL.is_flat
    assert as_data(flat({"cpu": Decimal(1)})) == {"rates": {"cpu": Decimal(1)}}


def test_slabs_and_parts_are_typed_by_line() -> None:
    slabs = (Slab(Decimal(100), Decimal(15)), Slab(None, Decimal(12), Decimal("20.5")))
    assert slabs_text(slabs) == "100: 15\nrest: 12 + 20.5"
    assert read_slabs(slabs_text(slabs)) == slabs
    assert read_slabs("100 : 15.00 ; REST:12+20.50") == slabs
    with translation.override("th"):
        assert read_slabs("100: 15\nที่เหลือ: 12 + 20.5") == slabs
    parts = (Part("cpu", Decimal(1)), Part("mem", Decimal(1), Decimal(4)))
    assert parts_text(parts) == "cpu: 1\nmem: 1 per 4"
    assert read_parts("cpu: 1; mem = 1 / 4") == parts
    for text in ("100: 15\n20 15", "1\n100: x", "100: 15\n: 3", "100: 15\n-1: 3"):
        with pytest.raises(Invalid, match=r"Line [12]"):
            read_slabs(text)
    with pytest.raises(Invalid, match="Line 2"):
        read_parts("cpu: 1\nmem 4")


@pytest.mark.django_db
def test_a_full_list_is_written_read_copied_and_logged_whole() -> None:
    for name in CLUSTERS:
        make_cluster(name)
    author = Actor.of(make_user("author"))
    head = Head(YEAR, "THB", project=make_project("genomics"), ends_at=YEAR.replace(year=2028))
    made = services.draft_price_list(head=head, content=FULL, actor=author)
    assert content_of(made) == FULL
    copied = services.copy_price_list(price_list_id=made.pk, actor=author)
    assert (content_of(copied), services.head_of(copied), copied.revision) == (FULL, head, 2)
    told = services.describe(made)
    assert told["project"] == "genomics"
    assert {"rates", "terms", "states", "equivalents", "free", "ends_at"} <= set(told)


@pytest.mark.django_db
def test_what_the_site_does_not_have_is_told() -> None:
    author = Actor.of(make_user("author"))
    head = Head(YEAR, "THB", tier=Tier.objects.get(code="mu"))
    content = ListContent((placed("nowhere"), RateContent("sku:nothing", Decimal(1))))
    with pytest.raises(InvalidContent) as caught:
        services.draft_price_list(head=head, content=content, actor=author)
    assert {found.code for found in caught.value.problems} == {"cluster", "item"}
    heads = [
        (Head(YEAR, "THB"), "one tier"),
        (replace(head, project=make_project("genomics")), "one tier"),
        (replace(head, ends_at=YEAR.replace(year=2028)), "Only negotiated"),
        (replace(head, currency="baht"), "three letters"),
    ]
    for bad, message in heads:
        with pytest.raises(Invalid, match=message):
            services.draft_price_list(head=bad, content=flat({"cpu": Decimal(1)}), actor=author)


@pytest.mark.django_db
def test_lists_for_the_same_jobs_have_one_currency() -> None:
    project, author = make_project("genomics"), Actor.of(make_user("author"))
    alice = make_user("alice")
    join(project, alice)
    prices = flat({"cpu": Decimal(1)})
    for holder in ({"project": project}, {"user": alice}):
        head = Head(YEAR, "USD", **holder)
        with pytest.raises(Invalid, match="in THB"):
            services.propose_price_list(head=head, content=prices, actor=author)
    publish_list(Head(YEAR, "THB", project=project, ends_at=YEAR.replace(year=2028)), prices)
    tier = Tier.objects.get(code="mu")
    with pytest.raises(Invalid, match="in THB"):
        services.propose_price_list(
            head=Head(YEAR.replace(month=6), "USD", tier=tier), content=prices, actor=author
        )
    later = Head(YEAR.replace(year=2028), "USD", tier=tier)
    assert services.propose_price_list(head=later, content=prices, actor=author).currency == "USD"


def test_states_are_checked() -> None:
    for policy, code in (
        (StatePolicy("failed", Decimal(0), "x"), "state"),
        (StatePolicy("FAILED", Decimal(101), "x"), "percent"),
        (StatePolicy("FAILED", Decimal(1), " "), "reason"),
    ):
        assert [one.code for one in problems(ListContent((CPU,), states=(policy,)))] == [code]
    twice = (StatePolicy("FAILED", Decimal(1), "x"), StatePolicy("FAILED", Decimal(2), "x"))
    assert [one.code for one in problems(ListContent((CPU,), states=twice))] == ["state_twice"]
