"""The shape of an explanation, for the API and for ``manage.py explain --json``."""

from dataclasses import replace
from typing import Any

from rest_framework import serializers

from core.rest.amounts import SixDecimalsField
from pricing.explain import Explanation, ListVerdict, PaidBy


class _Plain(serializers.Serializer[Any]):
    """Shown only, never read."""


class SourceSerializer(_Plain):
    """Where the accounting row stands."""

    import_id = serializers.IntegerField()
    origin = serializers.CharField()
    line = serializers.IntegerField(help_text="Line or record of the input, from 1.")
    sha256 = serializers.CharField(help_text="Digest of the input.")
    revision = serializers.IntegerField(help_text="How often the row said something else, plus 1.")


class TierStepSerializer(_Plain):
    """The project's tier when the job ended."""

    code = serializers.CharField()
    name = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    override_reason = serializers.CharField(allow_blank=True)


class ListStepSerializer(_Plain):
    """A published list of the tier, and whether it counts."""

    price_list = serializers.IntegerField()
    name = serializers.CharField()
    effective_at = serializers.DateTimeField()
    revision = serializers.IntegerField()
    currency = serializers.CharField()
    published_at = serializers.DateTimeField(allow_null=True)
    verdict = serializers.ChoiceField(choices=[item.value for item in ListVerdict])


class QuantitySerializer(_Plain):
    """Count × seconds = quantity, rounded down to a whole."""

    count = serializers.CharField(help_text="CPUs, GPUs or MiB.")
    seconds = serializers.IntegerField()
    quantity = serializers.IntegerField()


class ChargeStepSerializer(_Plain):
    """A charge with its arithmetic."""

    charge = serializers.IntegerField()
    resource = serializers.CharField()
    project = serializers.CharField()
    quantity = serializers.IntegerField()
    made_of = QuantitySerializer(
        allow_null=True, help_text="Null where an earlier revision of the row said the quantity."
    )
    unit_size = serializers.IntegerField()
    unit_price = SixDecimalsField()
    expression = serializers.CharField(help_text="The arithmetic, as typed into a calculator.")
    unrounded = serializers.CharField(help_text="Its result, cut off after twelve decimals.")
    is_exact = serializers.BooleanField(help_text="Nothing had to be rounded.")
    amount = SixDecimalsField(help_text="Rounded half up at six decimals.")
    currency = serializers.CharField()
    price_list = serializers.IntegerField()
    price_list_name = serializers.CharField()
    generation = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    reverses = serializers.IntegerField(allow_null=True)
    reversed_by = serializers.IntegerField(allow_null=True)


class ExplanationSerializer(_Plain):
    """Why a job costs what it costs, or nothing: row, payer, tier, list, quantity, arithmetic."""

    job = serializers.IntegerField(source="job.pk", help_text="The job's id in this API.")
    display_id = serializers.CharField(source="job.display_id")
    cluster = serializers.CharField(source="job.cluster.name")
    end = serializers.DateTimeField(source="job.end", allow_null=True)
    row = SourceSerializer(source="source", help_text="The accounting row.")
    status = serializers.CharField(source="stage.value", help_text="As in the list of jobs.")
    reason = serializers.CharField(allow_blank=True, help_text="Why it is exempt or unpriced.")
    project = serializers.CharField(allow_blank=True)
    paid_by = serializers.ChoiceField(choices=[item.value for item in PaidBy], allow_null=True)
    tier = TierStepSerializer(allow_null=True)
    lists = ListStepSerializer(many=True, help_text="By beginning, those nearest to the job.")
    charges = ChargeStepSerializer(many=True, help_text="In force.")
    total = SixDecimalsField(help_text="The sum of the charges in force.")
    currency = serializers.CharField(allow_blank=True)
    not_used = serializers.ListField(child=serializers.CharField())
    missing_rates = serializers.ListField(
        child=serializers.CharField(), help_text="Used, and without a price in the list."
    )
    earlier = ChargeStepSerializer(many=True, help_text="Reversed charges and their reversals.")
    exempt_because = serializers.CharField(
        allow_blank=True,
        help_text="The reason of the exemption that covers it; told to staff only.",
    )
    to_correct = serializers.BooleanField(
        help_text="Its charges would be others now, but are on a document."
    )
    outdated = serializers.BooleanField(
        help_text="By the tiers and lists of today another list counts."
    )


def as_data(explanation: Explanation, *, to_staff: bool = True) -> Any:
    """Return an explanation as plain values. Why staff made an exemption stays among staff."""
    told = explanation if to_staff else replace(explanation, exempt_because="")
    return ExplanationSerializer(told).data
