"""``/api/v1/receipts``: receipts with their lines, what one would say, and making one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, ChoiceFilter
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ReadOnlyModelViewSet

from accounts.models import Project
from accounts.rest import WritingEndpoint
from accounts.scopes import Scope
from core.actor import Actor
from core.intervals import Interval
from core.rest.amounts import SCHEMA, AmountField, ExactField, SixDecimalsField
from core.rest.filters import StrictFilterSet, period
from core.rest.moments import MomentField
from core.rest.parsing import refuse_unknown
from core.rest.schema import IDEMPOTENCY_KEY, NOT_FOUND
from receipts.api.explanations import ReceiptExplanationSerializer, as_data
from receipts.downloads import TYPES, file_response
from receipts.explain import explain_receipt
from receipts.models import DocumentLanguage, Line, Receipt
from receipts.selectors import (
    Preview,
    preview,
    projects_billable_by,
    receipts_readable_by,
    with_credited,
)
from receipts.services import create_receipt
from receipts.settling import settled_of, with_standing


class LineSerializer(serializers.ModelSerializer[Line]):
    """The charges of one resource at one unit price, or by one rate that has none, rounded once to
    the currency."""

    unit_price = SixDecimalsField(
        allow_null=True, help_text="Null where a month's whole quantity is priced, or a term."
    )
    charged = SixDecimalsField()
    amount = AmountField(currency="receipt.currency")
    corrects = serializers.IntegerField(
        source="corrects.position",
        allow_null=True,
        default=None,
        help_text="Of a credit note: the position of the line that it gives back a part of.",
    )

    class Meta:
        model = Line
        fields = (
            "position", "resource", "text", "quantity", "unit_size", "unit_price", "rate",
            "charged", "amount", "jobs", "corrects",
        )  # fmt: skip
        read_only_fields = fields


class SettlementField(AmountField):
    """An amount of what settles a receipt."""

    def get_attribute(self, instance: Receipt) -> Decimal:
        amount: Decimal = getattr(settled_of(instance), str(self.field_name))
        return amount.quantize(Decimal(1).scaleb(-instance.decimals))


class ReceiptSerializer(serializers.ModelSerializer[Receipt]):
    """A receipt over the jobs of a project that ended in ``[window_start, window_end)``."""

    id = serializers.UUIDField(source="public_id")
    project = serializers.CharField(source="project.code")
    number = serializers.CharField(allow_null=True, help_text="Null while it is a draft.")
    overdue = serializers.BooleanField(source="is_overdue")
    net_amount, tax_amount, total = AmountField(), AmountField(), AmountField()
    corrects = serializers.CharField(
        source="corrects.number",
        allow_null=True,
        default=None,
        help_text="The number of the receipt that a credit note gives back.",
    )
    credited = AmountField(help_text="What credit notes gave back of it, tax included.")
    payable = AmountField(help_text="The total less what was credited.")
    settled = SettlementField(help_text="What was paid, and withheld as tax.")
    withheld = SettlementField(help_text="What of that the payer withheld as tax.")
    left = SettlementField(help_text="What is left to pay after payments and credit notes.")

    class Meta:
        model = Receipt
        fields: tuple[str, ...] = (
            "id", "number", "kind", "corrects", "credited", "payable", "reason",
            "project", "status", "overdue", "window_start", "window_end",
            "currency", "net_amount", "tax_rate", "tax_amount", "total", "settled", "withheld",
            "left", "created_at", "issued_at", "due_on", "paid_at", "voided_at", "void_reason",
            "sha256",
        )  # fmt: skip
        read_only_fields = fields


class WholeReceiptSerializer(ReceiptSerializer):
    """A receipt with both parties as they were at issue, and its lines."""

    parties = serializers.DictField(child=serializers.DictField(child=serializers.CharField()))
    lines = LineSerializer(many=True)

    class Meta(ReceiptSerializer.Meta):
        fields = (*ReceiptSerializer.Meta.fields, "parties", "lines")
        read_only_fields = fields


class DocumentQuery(serializers.Serializer[Mapping[str, Any]]):
    """Which file of a document."""

    form = serializers.ChoiceField(
        choices=list(TYPES), default="pdf", help_text="PDF, e-invoice, or the data that is hashed."
    )
    language = serializers.ChoiceField(
        choices=DocumentLanguage.choices,
        required=False,
        help_text="Of a PDF; by default the language that it was issued in.",
    )
    copy = serializers.ChoiceField(
        choices=["0", "1"], required=False, help_text="1 marks a PDF as a copy."
    )


class AsAsked(DefaultContentNegotiation):
    """Answers with JSON where a request is refused, whatever else the caller would take."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class Window(serializers.Serializer[Mapping[str, Any]]):
    """A project and a half-open window of job ends."""

    project = serializers.CharField(max_length=64, help_text="The project's code.")
    window_start = MomentField(help_text="Jobs that ended from this moment or day on.")
    window_end = MomentField(help_text="Jobs that ended before this moment or day.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["window_start"] >= attrs["window_end"]:
            raise serializers.ValidationError(
                {"window_end": [_("The period must end after it begins.")]}
            )
        return attrs


class NewReceipt(Window):
    """A receipt to be made of a project's unbilled charges."""

    expected_total = ExactField(
        max_digits=18,
        decimal_places=4,
        help_text="The total as previewed: if it changed in between, nothing is made.",
    )


@extend_schema_field(SCHEMA)
class AmountText(serializers.CharField):
    """An amount that is text already."""


class PreviewLine(serializers.Serializer[Any]):
    """A line as it would be."""

    resource = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_size = serializers.IntegerField()
    unit_price = SixDecimalsField(allow_null=True)
    amount = AmountText()
    jobs = serializers.IntegerField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One job so far",
            response_only=True,
            value={
                "currency": "THB",
                "net_amount": "25.60",
                "tax_amount": "0.00",
                "total": "25.60",
                "jobs": 1,
                "lines": [
                    {
                        "resource": "cpu",
                        "quantity": 115200,
                        "unit_size": 3600,
                        "unit_price": "0.800000",
                        "amount": "25.60",
                        "jobs": 1,
                    }
                ],
            },
        )
    ]
)
class PreviewSerializer(serializers.Serializer[Any]):
    """What a receipt would say now."""

    currency = serializers.CharField()
    net_amount, tax_amount, total = AmountText(), AmountText(), AmountText()
    jobs = serializers.IntegerField()
    lines = PreviewLine(many=True)


def previewed(found: Preview) -> dict[str, Any]:
    """Return a preview as it is shown."""
    return {
        "currency": found.currency,
        "net_amount": str(found.totals.net),
        "tax_amount": str(found.totals.tax),
        "total": str(found.totals.total),
        "jobs": found.jobs,
        "lines": [
            {
                "resource": line.resource,
                "quantity": line.quantity,
                "unit_size": line.unit_size,
                "unit_price": line.unit_price,
                "amount": str(line.amount),
                "jobs": line.jobs,
            }
            for line in found.lines
        ],
    }


class ReceiptFilters(StrictFilterSet):
    """Filters of receipts."""

    project = CharFilter(field_name="project__code", label="Code of the project.")
    status = ChoiceFilter(choices=Receipt.Status.choices, label="Where it stands.")
    number = CharFilter(label="Number of the document.")
    kind = ChoiceFilter(choices=Receipt.Kind.choices, label="What it is.")
    corrects = CharFilter(
        field_name="corrects__number", label="Number of the receipt that credit notes are over."
    )
    from_, to = period("issued_at")

    class Meta:
        model = Receipt
        fields: tuple[str, ...] = ()


@extend_schema_view(
    list=extend_schema(
        operation_id="receipts_list",
        summary="Receipts",
        description=(
            "Receipts of projects that you act for; staff see all. `from` and `to` are about the "
            "time of issue, which drafts do not have."
        ),
    ),
    retrieve=extend_schema(operation_id="receipts_read", summary="A receipt with its lines"),
)
class ReceiptViewSet(WritingEndpoint, ReadOnlyModelViewSet[Receipt]):
    """Receipts."""

    read_scope, write_scope = Scope.RECEIPTS_READ, Scope.RECEIPTS_WRITE
    filterset_class = ReceiptFilters
    queryset = Receipt.objects.none()
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

    def get_queryset(self) -> QuerySet[Receipt]:
        return with_standing(with_credited(receipts_readable_by(self.request.user)))

    def get_serializer_class(self) -> type[BaseSerializer[Receipt]]:
        return ReceiptSerializer if self.action == "list" else WholeReceiptSerializer

    @extend_schema(
        operation_id="receipts_create",
        summary="Create a receipt",
        description=(
            "Drafts and issues a receipt over everything unbilled of a project that you act for "
            "(finance staff: any). Two at once make one; the other is refused with 409."
        ),
        parameters=[IDEMPOTENCY_KEY],
        request=NewReceipt,
        responses={201: WholeReceiptSerializer, **NOT_FOUND},
        examples=[
            OpenApiExample(
                "A month",
                request_only=True,
                value={
                    "project": "genomics",
                    "window_start": "2026-11-01",
                    "window_end": "2026-12-01",
                    "expected_total": "1234.50",
                },
            )
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        body = NewReceipt(data=request.data)
        body.is_valid(raise_exception=True)
        project, window = self._asked(request, body.validated_data)
        expected: Decimal = body.validated_data["expected_total"]
        actor = Actor.of(request.user)

        def act() -> Any:
            receipt = create_receipt(
                project_id=project.pk, window=window, actor=actor, expected_total=expected
            )
            made = with_credited(Receipt.objects.filter(pk=receipt.pk)).get()
            return WholeReceiptSerializer(made).data

        return self.created(request, act)

    @extend_schema(
        operation_id="receipts_preview",
        summary="What a receipt would say now",
        parameters=[Window],
        responses={200: PreviewSerializer, **NOT_FOUND},
        filters=False,
    )
    @action(detail=False, pagination_class=None)
    def preview(self, request: Request) -> Response:
        refuse_unknown(request, Window().fields)
        query = Window(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        project, window = self._asked(request, query.validated_data)
        return Response(PreviewSerializer(previewed(preview(project, window))).data)

    @extend_schema(
        operation_id="receipts_document",
        summary="The document as a file",
        description=(
            "The PDF as it was issued, the e-invoice (Factur-X, EN 16931), or the canonical JSON"
            " whose SHA-256 is printed on the document. The same bytes each time."
        ),
        parameters=[DocumentQuery],
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            (200, "application/xml"): OpenApiTypes.BINARY,
            (200, "application/json"): OpenApiTypes.OBJECT,
            **NOT_FOUND,
        },
        filters=False,
    )
    @action(
        detail=True,
        filterset_class=None,
        pagination_class=None,
        content_negotiation_class=AsAsked,
    )
    def document(self, request: Request, id: str) -> HttpResponse:  # noqa: A002 - of the address
        """Answer with a file of the document."""
        refuse_unknown(request, DocumentQuery().fields)
        query = DocumentQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        receipt = get_object_or_404(self.get_queryset(), public_id=id)
        return file_response(request, receipt, query.validated_data["form"])

    @extend_schema(
        operation_id="receipts_explain",
        summary="Why a receipt is what it is",
        description="Computes its lines, tax, total and digest anew from its charges.",
        responses=ReceiptExplanationSerializer,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def explanation(self, request: Request, id: str) -> Response:  # noqa: A002 - of the address
        """Answer with the way from the charges to the total."""
        return Response(as_data(explain_receipt(self.get_object())))

    def _asked(self, request: Request, values: Mapping[str, Any]) -> tuple[Project, Interval]:
        """Return the project and window of a request; 404 if the person can't bill the project."""
        project = projects_billable_by(request.user).filter(code=values["project"]).first()
        if project is None:
            raise Http404
        return project, Interval(values["window_start"], values["window_end"])
