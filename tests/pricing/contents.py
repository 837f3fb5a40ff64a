"""Contents of price lists for tests: a full one by hand, and any valid one by Hypothesis."""

from decimal import Decimal

from hypothesis import strategies as st

from pricing.content import (
    EquivalentContent,
    ListContent,
    Place,
    RateContent,
    TermsContent,
    problems,
)
from pricing.engine import Basis, Model, Part, Slab, StatePolicy

CLUSTERS = ("alpha", "beta")
ALPHA = Place("alpha")

FULL = ListContent(
    rates=(
        RateContent("cpu", Decimal("0.75"), allowance=Decimal(100), basis=Basis.USED),
        RateContent("cpu", Decimal("0.60"), place=Place("alpha", "cheap")),
        RateContent(
            "gpu",
            model=Model.GRADUATED,
            slabs=(Slab(Decimal(100), Decimal(15)), Slab(None, Decimal(12), Decimal(20))),
            discount_percent=Decimal("2.5"),
        ),
        RateContent(
            "gpu:a100",
            model=Model.VOLUME,
            slabs=(Slab(Decimal("0.5"), Decimal(40)), Slab(None, Decimal(30))),
            fee_at_zero=True,
        ),
        RateContent("license:matlab", Decimal(9), model=Model.PACKAGE, package_units=Decimal(10)),
        RateContent("unit:che", Decimal("0.5"), flat_fee=Decimal(50), discount_amount=Decimal(1)),
    ),
    terms=TermsContent(60, 300, True, Decimal("0.01"), Decimal(9000), Decimal(100)),
    states=(StatePolicy("NODE_FAIL", Decimal(0), "our hardware"),),
    equivalents=(
        EquivalentContent(
            "che",
            "Core-hour equivalents",
            (Part("mem", Decimal(1), Decimal(4)), Part("node", Decimal(16))),
            place=Place("beta"),
        ),
    ),
    free=("mem",),
)
"""Says something of everything that a list can say."""

assert problems(FULL) == []

_PRICES = st.decimals(0, 10**6, places=6)
_UNITS = st.decimals(Decimal("0.000001"), 10**6, places=6)
_VISIBLE = st.characters(exclude_categories=["C", "Z"])
_TEXTS = st.text(_VISIBLE, min_size=1, max_size=40)
_CHAIN = (Place(), ALPHA, Place("alpha", "fat"), Place("alpha", "fat", "high"))


@st.composite
def _slabs(draw: st.DrawFn) -> tuple[Slab, ...]:
    bounds = sorted(draw(st.sets(_UNITS, max_size=4)))
    return tuple(Slab(end, draw(_PRICES), draw(_PRICES)) for end in (*bounds, None))


@st.composite
def _rates(draw: st.DrawFn, resource: str, place: Place) -> RateContent:
    model = draw(st.sampled_from(Model))
    has_slabs = model in {Model.GRADUATED, Model.VOLUME}
    bases = [Basis.ALLOCATED, Basis.REQUESTED, *([Basis.USED] if resource == "cpu" else [])]
    return RateContent(
        resource,
        None if has_slabs else draw(_PRICES),
        model=model,
        slabs=draw(_slabs()) if has_slabs else (),
        flat_fee=Decimal(0) if has_slabs else draw(_PRICES),
        package_units=draw(_UNITS) if model is Model.PACKAGE else Decimal(1),
        allowance=draw(_PRICES),
        discount_percent=draw(st.decimals(0, 100, places=4)),
        discount_amount=draw(_PRICES),
        fee_at_zero=draw(st.booleans()),
        basis=draw(st.sampled_from(bases)),
        place=place,
    )


@st.composite
def contents(draw: st.DrawFn) -> ListContent:
    """Any content that a list may have, of clusters ``alpha`` and ``beta``."""
    codes = draw(
        st.sets(st.sampled_from(["cpu", "mem", "node", "billing", "license:a@b"]), min_size=1)
    )
    depth = draw(st.integers(1, len(_CHAIN)))
    keys = [(code, place) for code in sorted(codes) for place in _CHAIN[:depth]]
    keys += [(code, Place()) for code in draw(st.sets(st.sampled_from(["gpu", "gpu:a100"])))]
    units: tuple[EquivalentContent, ...] = ()
    if draw(st.booleans()):
        keys.append(("unit:che", Place()))
        factors = st.decimals(Decimal("0.000001"), 1000, places=6)
        parts = draw(st.sets(st.sampled_from(["cpu", "mem", "node", "gpu"]), min_size=1))
        units = tuple(
            EquivalentContent(
                "che",
                draw(_TEXTS),
                tuple(Part(code, draw(factors), draw(factors)) for code in sorted(parts)),
                draw(st.sampled_from(["max", "sum"])),
                place,
            )
            for place in draw(st.sampled_from([_CHAIN[:1], _CHAIN[:3], (Place("beta"),)]))
        )
    low, high = sorted(draw(st.tuples(_PRICES, _PRICES)))
    return ListContent(
        rates=tuple(draw(_rates(code, place)) for code, place in keys),
        terms=TermsContent(
            draw(st.sampled_from([1, 60, 3600])),
            draw(st.integers(0, 86400)),
            draw(st.booleans()),
            draw(_PRICES),
            draw(st.sampled_from([None, high])),
            draw(st.sampled_from([None, low])),
        ),
        states=tuple(
            StatePolicy(state, draw(st.decimals(0, 100, places=4)), draw(_TEXTS))
            for state in sorted(draw(st.sets(st.sampled_from(["FAILED", "NODE_FAIL", "TIMEOUT"]))))
        ),
        equivalents=units,
        free=tuple(draw(st.sets(st.sampled_from(["mem", "gpu", "gpu:v100"])))),
    )
