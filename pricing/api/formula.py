"""``/api/v1/formula``: how usage is priced, and new prices by finance staff."""

from collections.abc import Mapping
from typing import Any

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
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Project
from accounts.rest import WritingEndpoint
from accounts.scopes import Scope
from accounts.selectors import projects_managed_by
from core.actor import Actor
from core.canonical import sha256_of
from core.rest.moments import MomentField
from core.rest.parsing import refuse_unknown
from core.rest.schema import IDEMPOTENCY_KEY
from pricing.api.lists import (
    EXAMPLES,
    NewPriceList,
    PriceListSerializer,
    ProjectField,
    TierField,
)
from pricing.selectors import negotiated_at, price_lists_at
from pricing.services import propose_price_list

FORMULA = "amount = quantity ÷ unit_size × unit_price, rounded half up to 6 decimals per charge"


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
                        "project": None,
                        "user": None,
                        "effective_at": "2026-09-01T00:00:00+07:00",
                        "ends_at": None,
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
                                "model": "flat",
                                "formula": "cpu_seconds ÷ 3600 × 0.800000",
                                "flat_fee": "0.000000",
                                "slabs": [],
                                "package_units": "1.000000",
                                "allowance": "0.000000",
                                "discount_percent": "0.000000",
                                "discount_amount": "0.000000",
                                "fee_at_zero": False,
                                "basis": "allocated",
                                "cluster": None,
                                "partition": "",
                                "qos": "",
                            }
                        ],
                        "quantum_seconds": 1,
                        "minimum_seconds": 0,
                        "suspended_is_free": False,
                        "minimum_per_job": "0.000000",
                        "cap": None,
                        "commitment": None,
                        "states": [],
                        "equivalents": [],
                        "free_resources": [],
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


class FormulaQuery(serializers.Serializer[dict[str, Any]]):
    """Which prices are asked for."""

    tier = TierField(required=False, help_text="Only this tier.")
    project = ProjectField(
        required=False, help_text="Negotiated prices of a project that you act for instead."
    )
    at = MomentField(required=False, help_text="In effect at this moment or day; now if left out.")


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
        refuse_unknown(request, ("tier", "project", "at"))
        query = FormulaQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked: Mapping[str, Any] = query.validated_data
        moment, project = asked.get("at") or timezone.now(), asked.get("project")
        if project is None:
            lists = price_lists_at(moment, asked.get("tier"))
        elif _may_see(request, project):
            lists = negotiated_at(moment, project)
        else:
            raise NotFound
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
        examples=EXAMPLES,
    )
    def post(self, request: Request) -> HttpResponse:
        if not request.user.has_perm("pricing.add_pricelist"):
            raise PermissionDenied
        body = NewPriceList(data=request.data)
        body.is_valid(raise_exception=True)
        actor = Actor.of(request.user)

        def propose() -> Any:
            made = propose_price_list(head=body.head, content=body.content, actor=actor)
            return PriceListSerializer(made).data

        return self.created(request, propose)


def _may_see(request: Request, project: Project) -> bool:
    """Whether someone may see what was negotiated for a project."""
    if request.user.has_perm("pricing.view_pricelist"):
        return True
    return projects_managed_by(request.user).filter(pk=project.pk).exists()


def _unless_known(request: Request, data: Any) -> HttpResponseBase:
    """Answer with a strong ETag, or 304 if the client has the very same already."""
    etag = f'"{sha256_of(data)}"'
    response = Response(data, headers={"ETag": etag, "Cache-Control": "private, no-cache"})
    patch_vary_headers(response, ["Authorization", "Cookie"])
    plain: HttpRequest = request._request  # noqa: SLF001 - DRF has no other door to it
    return get_conditional_response(plain, etag=etag, response=response) or response
