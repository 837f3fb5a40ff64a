"""``/api/v1/payments``: how receipts were paid."""

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter, UUIDFilter
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.viewsets import ReadOnlyModelViewSet

from accounts.scopes import Scope
from core.rest.amounts import AmountField
from core.rest.filters import StrictFilterSet, period
from core.rest.views import Endpoint
from payments.models import Payment
from payments.selectors import payments_readable_by


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    """An attempt to pay a receipt; it succeeds only by a verified message of the provider."""

    id = serializers.UUIDField(source="public_id")
    receipt = serializers.UUIDField(source="receipt.public_id")
    receipt_number = serializers.CharField(source="receipt.number")
    project = serializers.CharField(source="receipt.project.code")
    amount = AmountField()

    class Meta:
        model = Payment
        fields = (
            "id", "receipt", "receipt_number", "project", "provider", "status", "amount",
            "currency", "created_at", "settled_at",
        )  # fmt: skip
        read_only_fields = fields


class PaymentFilters(StrictFilterSet):
    """Filters of payments."""

    project = CharFilter(field_name="receipt__project__code", label="Code of the project.")
    receipt = UUIDFilter(field_name="receipt__public_id", label="Id of the receipt.")
    provider = CharFilter(label="Code of the provider, such as manual.")
    status = ChoiceFilter(choices=Payment.Status.choices, label="Where it stands.")
    from_, to = period("created_at")

    class Meta:
        model = Payment
        fields: tuple[str, ...] = ()


@extend_schema_view(
    list=extend_schema(
        operation_id="payments_list",
        summary="Payments",
        description=(
            "Payments of receipts that you may see. `from` and `to` are about the time at which "
            "the payment was started."
        ),
    ),
    retrieve=extend_schema(operation_id="payments_read", summary="A payment"),
)
class PaymentViewSet(Endpoint, ReadOnlyModelViewSet[Payment]):
    """Payments."""

    read_scope = Scope.PAYMENTS_READ
    serializer_class = PaymentSerializer
    filterset_class = PaymentFilters
    queryset = Payment.objects.none()
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

    def get_queryset(self) -> QuerySet[Payment]:
        return payments_readable_by(self.request.user)
