"""The shape of a receipt's explanation, for the API and for ``explain receipt --json``."""

from typing import Any

from rest_framework import serializers

from core.rest.amounts import SixDecimalsField
from pricing.walk import plain
from receipts.explain import LineStep, ReceiptExplanation


class LineStepSerializer(serializers.Serializer[LineStep]):
    """A line, computed anew from its charges."""

    position = serializers.IntegerField(source="line.position")
    resource = serializers.CharField(source="line.resource")
    unit_price = SixDecimalsField(source="line.unit_price", allow_null=True)
    unit_size = serializers.IntegerField(source="line.unit_size")
    jobs = serializers.IntegerField(source="line.jobs")
    charges = serializers.IntegerField(help_text="How many; `/charges?receipt=…` lists them.")
    quantity = serializers.IntegerField()
    charged = SixDecimalsField(help_text="The sum of the charges.")
    amount = serializers.SerializerMethodField(help_text="That, rounded half up to the currency.")
    agrees = serializers.BooleanField(help_text="The line says the same.")

    def get_amount(self, step: LineStep) -> str:
        return plain(step.amount)


class ReceiptExplanationSerializer(serializers.Serializer[ReceiptExplanation]):
    """A receipt, computed anew from its charges."""

    receipt = serializers.UUIDField(source="receipt.public_id")
    number = serializers.CharField(source="receipt.number", allow_null=True)
    project = serializers.CharField(source="receipt.project.code")
    currency = serializers.CharField(source="receipt.currency")
    lines = LineStepSerializer(many=True)
    net = serializers.SerializerMethodField()
    net_expression = serializers.CharField(help_text="The arithmetic, as typed.")
    tax = serializers.SerializerMethodField()
    tax_expression = serializers.CharField(help_text="Rounded half up to the currency.")
    total = serializers.SerializerMethodField()
    total_expression = serializers.CharField()
    digest = serializers.CharField(
        allow_blank=True, help_text="SHA-256 of what the document says now; drafts have none."
    )
    agrees = serializers.BooleanField(help_text="The document says the same, digest included.")

    def get_net(self, found: ReceiptExplanation) -> str:
        return plain(found.net)

    def get_tax(self, found: ReceiptExplanation) -> str:
        return plain(found.tax)

    def get_total(self, found: ReceiptExplanation) -> str:
        return plain(found.total)


def as_data(found: ReceiptExplanation) -> Any:
    """Return an explanation as plain values."""
    return ReceiptExplanationSerializer(found).data
