"""``/api/v1/charges``: what each resource of each job costs, and on which receipt it is."""

from django.db.models import Q, QuerySet
from django_filters import CharFilter, ChoiceFilter, UUIDFilter
from drf_spectacular.utils import (
    OpenApiExample,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from accounts.scopes import Scope
from core.rest.amounts import SixDecimalsField
from core.rest.filters import StrictFilterSet, key, period
from core.rest.views import Endpoint
from pricing.api.explanations import (
    ChargeStepSerializer,
    ExplanationSerializer,
    as_data,
    charge_data,
)
from pricing.explain import explain_charge
from pricing.models import Charge, ChargeKind
from pricing.models.fields import RESOURCE
from pricing.selectors import charges_readable_by
from receipts.models import LineCharge

STATUSES = (
    ("unbilled", "In force and on no receipt yet"),
    ("billed", "In force and on a receipt, drafts included"),
    ("reversed", "Taken back by the charge that has its id in “reverses”"),
    ("reversal", "Takes another charge back"),
)
IN_FORCE = Q(reverses=None, reversal=None)
WHERE = {
    "unbilled": IN_FORCE & Q(document_line=None),
    "billed": IN_FORCE & Q(document_line__isnull=False),
    "reversed": Q(reversal__isnull=False),
    "reversal": Q(reverses__isnull=False),
}
"""By status: which charges; every charge is in exactly one."""


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "32 core-hours at 0.80 baht",
            response_only=True,
            value={
                "id": 10018,
                "job": 4066,
                "cluster": "alpha",
                "display_id": "101657",
                "user_name": "malee",
                "project": "genomics",
                "resource": "cpu",
                "generation": 1,
                "job_end": "2026-11-20T03:49:45+07:00",
                "quantity": 115200,
                "unit_size": 3600,
                "unit_price": "0.800000",
                "amount": "25.600000",
                "currency": "THB",
                "estimated": False,
                "price_list": 4,
                "reverses": None,
                "status": "unbilled",
                "receipt": None,
                "kind": "usage",
                "basis": "",
                "counter_before": None,
                "counter_after": None,
            },
        )
    ]
)
class ChargeSerializer(serializers.ModelSerializer[Charge]):
    """A charge: amount = quantity ÷ unit_size × unit_price, rounded half up to 6 decimals.

    Without unit price the rate prices the month's whole quantity: amount is the price of
    `counter_after` base units less what was charged before. Charges of other kinds than `usage` and
    `minimum` have no job.
    """

    job = serializers.IntegerField(
        source="job_id", allow_null=True, help_text="The job's id in this API."
    )
    cluster = serializers.CharField(source="job.cluster.name", allow_null=True)
    display_id = serializers.CharField(
        source="job.display_id", allow_null=True, help_text="Slurm's job id."
    )
    user_name = serializers.CharField(source="job.user_name", allow_null=True)
    project = serializers.CharField(source="project.code")
    unit_price = SixDecimalsField(allow_null=True)
    amount = SixDecimalsField()
    price_list = serializers.SerializerMethodField()
    reverses = serializers.IntegerField(source="reverses_id", allow_null=True)
    status = serializers.SerializerMethodField()
    receipt = serializers.SerializerMethodField(help_text="Id of the receipt that it is on.")

    class Meta:
        model = Charge
        fields = (
            "id", "job", "cluster", "display_id", "user_name", "project", "resource", "generation",
            "job_end", "quantity", "unit_size", "unit_price", "amount", "currency", "estimated",
            "price_list", "reverses", "status", "receipt", "kind", "basis", "counter_before",
            "counter_after",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "string", "enum": [code for code, _label in STATUSES]})
    def get_status(self, charge: Charge) -> str:
        if charge.reverses_id is not None:
            return "reversal"
        if hasattr(charge, "reversal"):
            return "reversed"
        return "billed" if _link(charge) else "unbilled"

    def get_price_list(self, charge: Charge) -> int:
        key = charge.price_list_id if charge.rate is None else charge.rate.price_list_id
        return key or 0

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_receipt(self, charge: Charge) -> str | None:
        link = _link(charge)
        return str(link.line.receipt.public_id) if link else None


def _link(charge: Charge) -> LineCharge | None:
    return getattr(charge, "document_line", None)


class ChargeFilters(StrictFilterSet):
    """Filters of charges."""

    project = CharFilter(field_name="project__code", label="Code of the project.")
    cluster = CharFilter(field_name="job__cluster__name", label="Name of the cluster.")
    user = CharFilter(field_name="job__user_name", label="Slurm user.")
    job = key("job_id", "The job's id in this API.")
    resource = CharFilter(
        validators=[RESOURCE], label="What is charged for, such as cpu or gpu:a100."
    )
    kind = ChoiceFilter(choices=ChargeKind.choices, label="Usage, or what else it is for.")
    status = ChoiceFilter(choices=STATUSES, method="by_status", label="Where it stands.")
    receipt = UUIDFilter(
        field_name="document_line__line__receipt__public_id", label="Id of a receipt."
    )
    from_, to = period("job_end")

    class Meta:
        model = Charge
        fields: tuple[str, ...] = ()

    def by_status(self, charges: QuerySet[Charge], _name: str, value: str) -> QuerySet[Charge]:
        return charges.filter(WHERE[value])


@extend_schema_view(
    list=extend_schema(
        operation_id="charges_list",
        summary="Charges",
        description=(
            "Charges of own jobs, and of projects that you act for; staff see all. `from` and `to` "
            "are about the job's end."
        ),
    ),
    retrieve=extend_schema(operation_id="charges_read", summary="A charge"),
)
class ChargeViewSet(Endpoint, ReadOnlyModelViewSet[Charge]):
    """Charges."""

    read_scope = Scope.CHARGES_READ
    serializer_class = ChargeSerializer
    filterset_class = ChargeFilters
    queryset = Charge.objects.none()
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Charge]:
        charges = charges_readable_by(self.request.user)
        return charges.select_related(
            "project", "job__cluster", "rate", "reversal", "document_line__line__receipt"
        )

    @extend_schema(
        operation_id="charges_explain",
        summary="Why a charge's job costs what it costs",
        description="A charge without a job, such as a cap, is explained alone.",
        responses=PolymorphicProxySerializer(
            component_name="ChargeExplanation",
            serializers=[ExplanationSerializer, ChargeStepSerializer],
            resource_type_field_name=None,
        ),
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def explanation(self, request: Request, pk: str) -> Response:
        """Answer with every step from the accounting row to the amount, for the charge's job."""
        seen = charges_readable_by(request.user)
        key = self.get_object().pk
        step, told = explain_charge(key, charges=seen, reader=request.user)
        if told is None:
            return Response(charge_data(step))
        return Response(as_data(told))
