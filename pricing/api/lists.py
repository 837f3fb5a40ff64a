"""Price lists in the API: all that one says, read and proposed."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from accounts.models import CODE, Project, Tier, User
from core.rest.amounts import SCHEMA, ExactField, SixDecimalsField
from core.rest.moments import MomentField
from pricing.content import (
    EquivalentContent,
    ListContent,
    Place,
    RateContent,
    TermsContent,
    flat,
)
from pricing.content.rows import TERMS
from pricing.engine import Basis, Model, Part, Slab, StatePolicy
from pricing.models import (
    Combine,
    Equivalent,
    EquivalentPart,
    PriceList,
    Rate,
)
from pricing.models import Slab as SlabRow
from pricing.models import (
    StatePolicy as StateRow,
)
from pricing.resources import Resource, resource_of
from pricing.services import Head
from usage.models import Cluster


class SlabSerializer(serializers.ModelSerializer[SlabRow]):
    """The price of the units above the slab before, up to and including ``up_to``."""

    up_to = SixDecimalsField(allow_null=True, help_text="Null: all the rest.")
    unit_price = SixDecimalsField()
    flat_fee = SixDecimalsField(help_text="Due when the slab is reached.")

    class Meta:
        model = SlabRow
        fields = ("up_to", "unit_price", "flat_fee")
        read_only_fields = fields


class RateSerializer(serializers.ModelSerializer[Rate]):
    """What a unit of a resource costs, what the unit is, and for which jobs."""

    unit = serializers.SerializerMethodField(help_text="What the price is for.")
    quantity = serializers.SerializerMethodField(help_text="The job's figure that is priced.")
    unit_size = serializers.SerializerMethodField(help_text="Base units of the figure in a unit.")
    unit_price = SixDecimalsField(allow_null=True, help_text="Null where slabs say it.")
    formula = serializers.SerializerMethodField()
    flat_fee = SixDecimalsField(help_text="Due once in a month with usage.")
    slabs = SlabSerializer(many=True)
    package_units = SixDecimalsField(help_text="Units in a block that is paid for once started.")
    allowance = SixDecimalsField(help_text="Free units of a project in a month.")
    discount_percent = SixDecimalsField()
    discount_amount = SixDecimalsField(help_text="Off the month's sum, never below zero.")
    cluster = serializers.SlugRelatedField[Cluster](
        slug_field="name", read_only=True, allow_null=True, help_text="Null: any."
    )

    class Meta:
        model = Rate
        fields = (
            "resource", "unit", "quantity", "unit_size", "model", "unit_price", "formula",
            "flat_fee", "slabs", "package_units", "allowance", "discount_percent",
            "discount_amount", "fee_at_zero", "basis", "cluster", "partition", "qos",
        )  # fmt: skip
        read_only_fields = fields

    def get_unit(self, rate: Rate) -> str:
        return resource_of(rate.resource).unit

    def get_quantity(self, rate: Rate) -> str:
        return resource_of(rate.resource).quantity

    def get_unit_size(self, rate: Rate) -> int:
        return resource_of(rate.resource).unit_size

    def get_formula(self, rate: Rate) -> str:
        return _formula(rate, resource_of(rate.resource))


def _formula(rate: Rate, resource: Resource) -> str:
    """Return the arithmetic of a charge, or of a month's sum where that is what counts."""
    units = f"{resource.quantity} ÷ {resource.unit_size}"
    plain = not (rate.flat_fee or rate.allowance or rate.discount_percent or rate.discount_amount)
    if rate.model == Rate.Model.FLAT and plain:
        return f"{units} × {rate.unit_price:f}"
    return f"F(month's {units} after) − F(before), by the {rate.model} model"


class PartSerializer(serializers.ModelSerializer[EquivalentPart]):
    """``counts`` equivalents for each ``per`` of a resource (memory in GB)."""

    counts = SixDecimalsField()
    per = SixDecimalsField()

    class Meta:
        model = EquivalentPart
        fields = ("resource", "counts", "per")
        read_only_fields = fields


class EquivalentSerializer(serializers.ModelSerializer[Equivalent]):
    """A unit that the list defines, priced as ``unit:<code>``."""

    cluster = serializers.SlugRelatedField[Cluster](
        slug_field="name", read_only=True, allow_null=True, help_text="Null: any."
    )
    parts = PartSerializer(many=True)

    class Meta:
        model = Equivalent
        fields = ("code", "name", "combine", "cluster", "partition", "parts")
        read_only_fields = fields


class StateSerializer(serializers.ModelSerializer[StateRow]):
    """How much of a job that ended in a state is billed, and why."""

    percent = SixDecimalsField()

    class Meta:
        model = StateRow
        fields = ("state", "percent", "reason")
        read_only_fields = fields


class PriceListSerializer(serializers.ModelSerializer[PriceList]):
    """A price list: a published one, or one that waits for approval and has no effect yet.

    It is of one tier, or negotiated for one project or one user.
    """

    tier = serializers.SlugRelatedField[Tier](slug_field="code", read_only=True, allow_null=True)
    project = serializers.SlugRelatedField[Project](
        slug_field="code", read_only=True, allow_null=True
    )
    user = serializers.SlugRelatedField[User](
        slug_field="username", read_only=True, allow_null=True
    )
    minimum_per_job = SixDecimalsField()
    cap = SixDecimalsField(allow_null=True, help_text="What a month costs at most.")
    commitment = SixDecimalsField(allow_null=True, help_text="What a month costs at least.")
    rates = RateSerializer(many=True)
    states = StateSerializer(many=True)
    equivalents = EquivalentSerializer(many=True)

    class Meta:
        model = PriceList
        fields = (
            "id", "tier", "project", "user", "effective_at", "ends_at", "revision", "currency",
            "status", "note", "submitted_at", "published_at", "rates", *TERMS, "states",
            "equivalents", "free_resources",
        )  # fmt: skip
        read_only_fields = fields


class TierField(serializers.SlugRelatedField[Tier]):
    """Reads a tier by its code. What no tier can be called is not asked of the database."""

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="code", queryset=Tier.objects.all(), **options)

    def to_internal_value(self, data: Any) -> Tier:
        if not isinstance(data, str) or not re.fullmatch(CODE.regex, data):
            self.fail("invalid")
        return super().to_internal_value(data)


class ProjectField(serializers.SlugRelatedField[Project]):
    """Reads a project by its code."""

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="code", queryset=Project.objects.all(), **options)

    def to_internal_value(self, data: Any) -> Project:
        if not isinstance(data, str) or not re.fullmatch(CODE.regex, data):
            self.fail("invalid")
        return super().to_internal_value(data)


class UserField(serializers.SlugRelatedField[User]):
    """Reads a user by the name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="username", queryset=User.objects.all(), **options)

    def to_internal_value(self, data: Any) -> User:
        if not isinstance(data, str) or "\0" in data:
            self.fail("invalid")
        return super().to_internal_value(data)


def _exact(decimals: int = 6, **options: Any) -> ExactField:
    return ExactField(max_digits=18, decimal_places=decimals, min_value=Decimal(0), **options)


class NewSlab(serializers.Serializer[Any]):
    """A slab; the last one has no ``up_to``."""

    up_to = _exact(required=False, allow_null=True)
    unit_price = _exact()
    flat_fee = _exact(required=False)

    def to_internal_value(self, data: Any) -> Any:
        said = super().to_internal_value(data)
        fee = said.get("flat_fee", Decimal(0))
        return Slab(said.get("up_to"), said["unit_price"], fee)


class _Placed(serializers.Serializer[Any]):
    """Something that counts for some jobs only."""

    cluster = serializers.CharField(
        required=False, allow_null=True, max_length=64, help_text="Its name; any if left out."
    )
    partition = serializers.CharField(required=False, allow_blank=True, max_length=255)

    def place(self, said: Mapping[str, Any]) -> Place:
        return Place(said.get("cluster") or "", said.get("partition", ""), said.get("qos", ""))


class NewRate(_Placed):
    """What a unit of a resource costs."""

    resource = serializers.CharField(max_length=64, help_text="Such as cpu or gpu:a100.")
    model = serializers.ChoiceField(choices=list(Model), required=False)
    unit_price = _exact(required=False, allow_null=True)
    flat_fee = _exact(required=False)
    slabs = NewSlab(many=True, required=False)
    package_units = _exact(required=False)
    allowance = _exact(required=False)
    discount_percent = _exact(4, required=False)
    discount_amount = _exact(required=False)
    fee_at_zero = serializers.BooleanField(required=False)
    basis = serializers.ChoiceField(choices=list(Basis), required=False)
    qos = serializers.CharField(required=False, allow_blank=True, max_length=128)

    def to_internal_value(self, data: Any) -> Any:
        said = dict(super().to_internal_value(data))
        place = self.place(said)
        for name in Place._fields:
            said.pop(name, None)
        said |= {"model": Model(said.get("model", "flat")), "slabs": tuple(said.get("slabs", ()))}
        return RateContent(**{**said, "basis": Basis(said.get("basis", "allocated"))}, place=place)


class NewPart(serializers.Serializer[Any]):
    """A part of an equivalent."""

    resource = serializers.CharField(max_length=64)
    counts = _exact(required=False)
    per = _exact(required=False)

    def to_internal_value(self, data: Any) -> Any:
        return Part(**{"counts": Decimal(1), **super().to_internal_value(data)})


class NewEquivalent(_Placed):
    """A unit that the list defines."""

    code = serializers.CharField(max_length=56)
    name = serializers.CharField(max_length=100)
    combine = serializers.ChoiceField(choices=Combine.choices, required=False)
    parts = NewPart(many=True, allow_empty=False)

    def to_internal_value(self, data: Any) -> Any:
        said = super().to_internal_value(data)
        return EquivalentContent(
            code=said["code"],
            name=said["name"],
            parts=tuple(said["parts"]),
            combine=said.get("combine", "max"),
            place=self.place(said),
        )


class NewState(serializers.Serializer[Any]):
    """A rule for jobs that ended in a state."""

    state = serializers.CharField(max_length=32)
    percent = _exact(4)
    reason = serializers.CharField(max_length=200)

    def to_internal_value(self, data: Any) -> Any:
        return StatePolicy(**super().to_internal_value(data))


class RatesField(serializers.Field[Any, Any, Any, Any]):
    """Unit prices by resource, or a list of rates."""

    default_error_messages = {"invalid": "Give prices by resource, or a list of rates."}

    def to_internal_value(self, data: Any) -> tuple[RateContent, ...]:
        if isinstance(data, dict):
            prices = serializers.DictField(child=_exact(), allow_empty=False)
            return flat(prices.run_validation(data)).rates
        if not isinstance(data, list):
            self.fail("invalid")
        rates = NewRate(many=True, allow_empty=False)
        return tuple(rates.run_validation(data))


class RatesFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Says both forms of the field in the schema."""

    target_class = RatesField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        rate = auto_schema.resolve_serializer(NewRate, direction)
        return {
            "oneOf": [
                {"type": "object", "additionalProperties": SCHEMA, "minProperties": 1},
                {"type": "array", "items": rate.ref, "minItems": 1},
            ]
        }


class NewPriceList(serializers.Serializer[dict[str, Any]]):
    """A price list to be proposed, of one tier, one project or one user."""

    tier = TierField(required=False, help_text="The tier's code.")
    project = ProjectField(required=False, help_text="A project's code: negotiated prices.")
    user = UserField(required=False, help_text="A user's name: negotiated prices.")
    effective_at = MomentField(help_text="Prices jobs that end from this moment or day on.")
    ends_at = MomentField(required=False, help_text="Negotiated prices only: not included.")
    currency = serializers.RegexField(
        r"\A[A-Z]{3}\Z", required=False, help_text="The site's if left out."
    )
    rates = RatesField(help_text="Unit prices as text by resource, or a list of rates.")
    quantum_seconds = serializers.IntegerField(min_value=1, max_value=86400, required=False)
    minimum_seconds = serializers.IntegerField(min_value=0, max_value=31 * 86400, required=False)
    suspended_is_free = serializers.BooleanField(required=False)
    minimum_per_job = _exact(required=False)
    cap = _exact(required=False, allow_null=True)
    commitment = _exact(required=False, allow_null=True)
    states = NewState(many=True, required=False)
    equivalents = NewEquivalent(many=True, required=False)
    free_resources = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False
    )
    note = serializers.CharField(max_length=200, required=False, allow_blank=True)

    @property
    def head(self) -> Head:
        said = {"currency": settings.SITE_CURRENCY, **self.validated_data}
        return Head(**{name: said[name] for name in Head.COLUMNS if name in said})

    @property
    def content(self) -> ListContent:
        said = self.validated_data
        return ListContent(
            rates=said["rates"],
            terms=TermsContent(**{name: said[name] for name in TERMS if name in said}),
            states=tuple(said.get("states", ())),
            equivalents=tuple(said.get("equivalents", ())),
            free=tuple(said.get("free_resources", ())),
        )


EXAMPLES = [
    OpenApiExample(
        "Prices of a tier",
        request_only=True,
        value={
            "tier": "mu",
            "effective_at": "2027-01-01",
            "rates": {"cpu": "0.80", "gpu": "13.00", "mem": "0.05"},
            "note": "Council decision of 12 November",
        },
    ),
    OpenApiExample(
        "Graduated prices, negotiated with a project",
        request_only=True,
        value={
            "project": "genomics",
            "effective_at": "2027-01-01",
            "ends_at": "2028-01-01",
            "rates": [
                {
                    "resource": "gpu:a100",
                    "model": "graduated",
                    "slabs": [
                        {"up_to": "100", "unit_price": "15.00"},
                        {"unit_price": "12.00"},
                    ],
                }
            ],
        },
    ),
]
