"""``/api/v1/formula``: how usage is priced, and new prices by finance staff."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import CODE, Tier
from accounts.rest import WritingEndpoint
from accounts.scopes import Scope
from core.actor import Actor
from core.canonical import sha256_of
from core.rest.amounts import ExactField, SixDecimalsField
from core.rest.moments import MomentField
from core.rest.parsing import refuse_unknown
from core.rest.schema import IDEMPOTENCY_KEY
from pricing.models import PriceList, Rate, ResourceCode
from pricing.resources import RESOURCES
from pricing.selectors import price_lists_at
from pricing.services import propose_price_list

FORMULA = "amount = quantity ÷ unit_size × unit_price, rounded half up to 6 decimals per charge"


class RateSerializer(serializers.ModelSerializer[Rate]):
    """The price of a unit of a resource, and what the unit is."""

    unit = serializers.SerializerMethodField(help_text="What the price is for.")
    quantity = serializers.SerializerMethodField(help_text="The job's figure that is priced.")
    unit_size = serializers.SerializerMethodField(help_text="Base units of the figure in a unit.")
    unit_price = SixDecimalsField()
    formula = serializers.SerializerMethodField()

    class Meta:
        model = Rate
        fields = ("resource", "unit", "quantity", "unit_size", "unit_price", "formula")
        read_only_fields = fields

    def get_unit(self, rate: Rate) -> str:
        return RESOURCES[rate.resource].unit

    def get_quantity(self, rate: Rate) -> str:
        return RESOURCES[rate.resource].quantity

    def get_unit_size(self, rate: Rate) -> int:
        return RESOURCES[rate.resource].unit_size

    def get_formula(self, rate: Rate) -> str:
        resource = RESOURCES[rate.resource]
        return f"{resource.quantity} ÷ {resource.unit_size} × {rate.unit_price:f}"


class PriceListSerializer(serializers.ModelSerializer[PriceList]):
    """A price list: a published one, or one that waits for approval and has no effect yet."""

    tier = serializers.SlugRelatedField[Tier](slug_field="code", read_only=True)
    rates = RateSerializer(many=True)

    class Meta:
        model = PriceList
        fields = (
            "id", "tier", "effective_at", "revision", "currency", "status", "note", "submitted_at",
            "published_at", "rates",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Prices of a tier",
            response_only=True,
            value={
                "formula": FORMULA,
                "price_lists": [
                    {
                        "id": 4,
                        "tier": "mu",
                        "effective_at": "2026-09-01T00:00:00+07:00",
                        "revision": 1,
                        "currency": "THB",
                        "status": "published",
                        "note": "New electricity tariff",
                        "submitted_at": "2026-08-11T16:04:02+07:00",
                        "published_at": "2026-08-12T10:10:35+07:00",
                        "rates": [
                            {
                                "resource": "cpu",
                                "unit": "CPU-core-hour",
                                "quantity": "cpu_seconds",
                                "unit_size": 3600,
                                "unit_price": "0.800000",
                                "formula": "cpu_seconds ÷ 3600 × 0.800000",
                            }
                        ],
                    }
                ],
            },
        )
    ]
)
class FormulaSerializer(serializers.Serializer[dict[str, Any]]):
    """How charges are computed, and the list in effect of each tier."""

    formula = serializers.CharField(help_text="The arithmetic of every charge.")
    price_lists = PriceListSerializer(many=True)


class TierField(serializers.SlugRelatedField[Tier]):
    """Reads a tier by its code. What no tier can be called is not asked of the database."""

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="code", queryset=Tier.objects.all(), **options)

    def to_internal_value(self, data: Any) -> Tier:
        if not isinstance(data, str) or not re.fullmatch(CODE.regex, data):
            self.fail("invalid")
        return super().to_internal_value(data)


class FormulaQuery(serializers.Serializer[dict[str, Any]]):
    """Which prices are asked for."""

    tier = TierField(required=False, help_text="Only this tier.")
    at = MomentField(required=False, help_text="In effect at this moment or day; now if left out.")


class NewPriceList(serializers.Serializer[dict[str, Any]]):
    """A price list to be proposed. Unit prices are per core-hour, GPU-hour and GB-hour."""

    tier = TierField(help_text="The tier's code.")
    effective_at = MomentField(help_text="Prices jobs that end from this moment or day on.")
    currency = serializers.RegexField(
        r"\A[A-Z]{3}\Z", required=False, help_text="The site's if left out."
    )
    rates = serializers.DictField(
        child=ExactField(max_digits=18, decimal_places=6, min_value=Decimal(0)),
        allow_empty=False,
        help_text=f"Unit prices as text by resource: {', '.join(ResourceCode.values)}.",
    )
    note = serializers.CharField(max_length=200, required=False, allow_blank=True)


EXAMPLE = OpenApiExample(
    "Prices of a tier",
    request_only=True,
    value={
        "tier": "mu",
        "effective_at": "2027-01-01",
        "rates": {"cpu": "0.80", "gpu": "13.00", "mem": "0.05"},
        "note": "Council decision of 12 November",
    },
)


class FormulaView(WritingEndpoint):
    """Prices in effect."""

    read_scope, write_scope = Scope.PRICES_READ, Scope.PRICES_WRITE

    @extend_schema(
        operation_id="formula_read",
        summary="Prices in effect, and how charges are computed",
        parameters=[
            FormulaQuery,
            OpenApiParameter(
                "If-None-Match",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="The ETag of an earlier answer: 304 if the prices are still the same.",
            ),
        ],
        responses={200: FormulaSerializer, 304: OpenApiResponse(description="Still the same.")},
    )
    def get(self, request: Request) -> HttpResponseBase:
        refuse_unknown(request, ("tier", "at"))
        query = FormulaQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked: Mapping[str, Any] = query.validated_data
        lists = price_lists_at(asked.get("at") or timezone.now(), asked.get("tier"))
        data = FormulaSerializer({"formula": FORMULA, "price_lists": lists}).data
        return _unless_known(request, data)

    @extend_schema(
        operation_id="formula_propose",
        summary="Propose a price list (finance staff)",
        description=(
            "Makes a list and submits it. It has no effect before a second person approves it in "
            "the console, which publishes it. If it begins in the past, charges that are on no "
            "document are then replaced."
        ),
        parameters=[IDEMPOTENCY_KEY],
        request=NewPriceList,
        responses={201: PriceListSerializer},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> HttpResponse:
        if not request.user.has_perm("pricing.add_pricelist"):
            raise PermissionDenied
        body = NewPriceList(data=request.data)
        body.is_valid(raise_exception=True)
        values = {"currency": settings.SITE_CURRENCY, **body.validated_data}
        actor = Actor.of(request.user)
        return self.created(
            request, lambda: PriceListSerializer(propose_price_list(**values, actor=actor)).data
        )


def _unless_known(request: Request, data: Any) -> HttpResponseBase:
    """Answer with a strong ETag, or 304 if the client has the very same already."""
    etag = f'"{sha256_of(data)}"'
    response = Response(data, headers={"ETag": etag, "Cache-Control": "private, no-cache"})
    patch_vary_headers(response, ["Authorization", "Cookie"])
    plain: HttpRequest = request._request  # noqa: SLF001 - DRF has no other door to it
    return get_conditional_response(plain, etag=etag, response=response) or response
