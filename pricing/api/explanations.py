"""The shape of an explanation, for the API and for ``manage.py explain --json``."""

from typing import Any

from rest_framework import serializers

from core.rest.amounts import SixDecimalsField
from pricing.explain import ChargeStep, Explanation, Layer, ListVerdict, PaidBy, RateVerdict
from pricing.explain.made import number


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
    override_reason = serializers.CharField(allow_blank=True, help_text="Told to staff only.")


class ListStepSerializer(_Plain):
    """A published list of the tier, and whether it counts."""

    price_list = serializers.IntegerField()
    name = serializers.CharField()
    layer = serializers.ChoiceField(
        choices=[item.value for item in Layer], help_text="Whose: negotiated ones come first."
    )
    effective_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    revision = serializers.IntegerField()
    currency = serializers.CharField()
    published_at = serializers.DateTimeField(allow_null=True)
    verdict = serializers.ChoiceField(choices=[item.value for item in ListVerdict])


class QuantitySerializer(_Plain):
    """Count × seconds, and what the list makes of it; rounded to a whole number."""

    count = serializers.SerializerMethodField(
        help_text="CPUs, GPUs, MiB, nodes, licences, billing or equivalent units."
    )
    seconds = serializers.IntegerField(help_text="As billed.")
    measured_seconds = serializers.IntegerField(help_text="As the job took.")
    minimum_seconds = serializers.IntegerField()
    quantum_seconds = serializers.IntegerField()
    figure = serializers.CharField(
        allow_blank=True, help_text="The job's figure that is taken as it is, if one is."
    )
    parts = serializers.SerializerMethodField(help_text="Of an equivalent, as typed.")
    combine = serializers.CharField(allow_blank=True, help_text="max or sum of the parts.")
    state_percent = serializers.CharField(
        allow_null=True, help_text="What is billed of jobs that ended so, if not all."
    )
    share_percent = serializers.CharField(allow_null=True, help_text="What this project pays.")
    expression = serializers.CharField(help_text="The whole job's quantity, as typed.")
    whole = serializers.IntegerField(help_text="The whole job's quantity.")
    quantity = serializers.IntegerField(help_text="This project's part of it.")

    def get_count(self, made: Any) -> str:
        return number(made.count)

    def get_parts(self, made: Any) -> dict[str, str]:
        return {part.resource: part.expression for part in made.parts}


class RateStepSerializer(_Plain):
    """A rate that could price the charge, and why it does or does not."""

    rate = serializers.IntegerField()
    price_list_name = serializers.CharField()
    layer = serializers.ChoiceField(choices=[item.value for item in Layer])
    resource = serializers.CharField()
    criteria = serializers.SerializerMethodField(help_text="What it is limited to.")
    verdict = serializers.ChoiceField(choices=[item.value for item in RateVerdict])

    def get_criteria(self, step: Any) -> dict[str, str]:
        return dict(step.criteria)


class WalkSerializer(_Plain):
    """The price of a month's quantity, as typed; rounded half up at six decimals."""

    quantity = serializers.IntegerField()
    slabs = serializers.SerializerMethodField(help_text="What each slab adds, as typed.")
    packages = serializers.IntegerField(allow_null=True, help_text="How many were begun.")
    expression = serializers.CharField()
    amount = SixDecimalsField()

    def get_slabs(self, found: Any) -> list[str]:
        return [slab.expression for slab in found.slabs]


class CounterSerializer(_Plain):
    """A price by the month: that of the quantity with this charge, less what was charged before."""

    before = serializers.IntegerField()
    after = serializers.IntegerField()
    so_far = SixDecimalsField(help_text="What was charged before.")
    total = SixDecimalsField(help_text="The price of the quantity with this charge.")
    with_it = WalkSerializer()
    until_now = WalkSerializer(allow_null=True)


class ChargeStepSerializer(_Plain):
    """A charge with its arithmetic."""

    charge = serializers.IntegerField()
    kind = serializers.CharField(help_text="usage, minimum, adjustment, true_up or item.")
    resource = serializers.CharField()
    project = serializers.CharField()
    share_percent = serializers.CharField(allow_null=True, help_text="Of a job that is split.")
    basis = serializers.CharField(
        allow_blank=True, help_text="requested, used or fallback; empty for what was allocated."
    )
    quantity = serializers.IntegerField()
    made_of = QuantitySerializer(
        allow_null=True, help_text="Null where an earlier revision of the row said the quantity."
    )
    unit_size = serializers.IntegerField()
    unit_price = SixDecimalsField(allow_null=True, help_text="Null where a counter prices.")
    model = serializers.CharField(allow_blank=True)
    counter = CounterSerializer(allow_null=True)
    rates = RateStepSerializer(many=True, help_text="The winner first.")
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
    prices_of = serializers.CharField(
        allow_blank=True,
        help_text="Whose tier and lists these are: who only pays a share is told the own ones.",
    )
    tier = TierStepSerializer(allow_null=True)
    lists = ListStepSerializer(many=True, help_text="By beginning, those nearest to the job.")
    charges = ChargeStepSerializer(many=True, help_text="In force.")
    total = SixDecimalsField(help_text="The sum of the charges in force.")
    currency = serializers.CharField(allow_blank=True)
    not_used = serializers.ListField(child=serializers.CharField())
    not_priced = serializers.SerializerMethodField(
        help_text="Used and free: by resource, the equivalent that covers it, or nothing."
    )
    elsewhere_percent = serializers.CharField(
        allow_null=True, help_text="What of a split job other projects pay."
    )
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

    def get_not_priced(self, told: Explanation) -> dict[str, str]:
        return {free.resource: free.covered_by for free in told.not_priced}


def charge_data(step: ChargeStep) -> Any:
    """Return a charge without a job as plain values."""
    return ChargeStepSerializer(step).data


def as_data(explanation: Explanation) -> Any:
    """Return an explanation as plain values."""
    return ExplanationSerializer(explanation).data
