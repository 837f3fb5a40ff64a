"""``/api/v1/pricing/estimate``: what jobs would cost before they are submitted."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import CODE, Project
from accounts.permissions import HasScope
from accounts.scopes import Scope
from accounts.selectors import Viewer
from core.money import round_money
from core.rest.amounts import ExactField, SixDecimalsField
from core.rest.moments import MomentField
from core.rest.views import Endpoint
from pricing import quote_wording
from pricing.api.lists import TierField
from pricing.models import PriceList
from pricing.quote_requests import (
    MOST_GB,
    MOST_HOURS,
    FromScript,
    cluster_called,
    from_script,
    kib_of,
    may_estimate,
    moment_of,
    payer_of,
    projects_to_ask_about,
    seconds_of,
)
from pricing.quotes import MOST_JOBS, Note, Quote, QuoteLine, QuotePart, Wanted, quote
from pricing.resources import resource_of
from usage.sbatch import Found

MOST = 10**7


class MayEstimate(BasePermission):
    """Everybody who is logged in, and all the world where the site allows it."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return may_estimate(request.user)


class ProjectField(serializers.SlugRelatedField[Project]):
    """Reads a project by its code; those whose prices are not the caller's don't exist."""

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="code", queryset=Project.objects.all(), **options)

    def get_queryset(self) -> Any:
        request = self.context.get("request")
        return projects_to_ask_about(request.user) if request else Project.objects.none()

    def to_internal_value(self, data: Any) -> Project:
        if not isinstance(data, str) or not re.fullmatch(CODE.regex, data):
            self.fail("invalid")
        return super().to_internal_value(data)


def _name(maximum: int, help_text: str) -> serializers.RegexField:
    return serializers.RegexField(
        r"\A[^\x00-\x1f]*\Z",
        required=False,
        allow_blank=True,
        max_length=maximum,
        help_text=help_text,
    )


class EstimateRequest(serializers.Serializer[dict[str, Any]]):
    """Jobs, by what they ask for or by their batch script, and by whose prices."""

    tier = TierField(required=False, help_text="By the published list of this tier.")
    project = ProjectField(
        required=False,
        help_text=(
            "Instead of a tier: by the project's tier and negotiated prices, on top of what it has "
            "used of the month. Needs a login."
        ),
    )
    date = MomentField(
        required=False, help_text="When the jobs end, which decides on the list; now if left out."
    )
    cluster = _name(64, "The cluster's name; needed where prices differ by cluster.")
    partition = _name(255, "Slurm's partition.")
    qos = _name(128, "Slurm's QOS.")
    hours = ExactField(
        max_digits=11,
        decimal_places=6,
        min_value=Decimal("0.000001"),
        max_value=MOST_HOURS,
        required=False,
        help_text="How long a job runs. With a script: where that sets no limit of time.",
    )
    cpus = serializers.IntegerField(min_value=0, max_value=MOST, default=0)
    memory_gb = ExactField(
        max_digits=14,
        decimal_places=6,
        min_value=Decimal(0),
        max_value=MOST_GB,
        required=False,
        help_text="Memory of the whole job; a GB is 1024 MiB.",
    )
    gpus = serializers.IntegerField(min_value=0, max_value=MOST, default=0)
    gpu_type = serializers.RegexField(
        r"\A[A-Za-z0-9._-]*\Z",
        required=False,
        allow_blank=True,
        max_length=55,
        help_text="Such as a100, as Slurm calls it.",
    )
    nodes = serializers.IntegerField(min_value=1, max_value=MOST, default=1)
    jobs = serializers.IntegerField(min_value=1, max_value=MOST_JOBS, default=1)
    script = serializers.CharField(
        required=False,
        max_length=64 * 1024,
        trim_whitespace=False,
        help_text=(
            "A batch script. Its #SBATCH lines are read instead of cpus, gpus, gpu_type, nodes, "
            "jobs, partition and qos. It is not run and not kept."
        ),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A job is either described or scripted, and one payer is named at most."""
        if "tier" in attrs and "project" in attrs:
            raise serializers.ValidationError({"project": ["Give a tier or a project."]})
        if "script" not in attrs and "hours" not in attrs:
            raise serializers.ValidationError({"hours": ["This field is required."]})
        return attrs


class EstimateListSerializer(serializers.ModelSerializer[PriceList]):
    """A list that prices the jobs."""

    name = serializers.CharField(source="__str__")

    class Meta:
        model = PriceList
        fields = ("id", "name", "effective_at", "revision", "currency")
        read_only_fields = fields


class EstimateLineSerializer(serializers.Serializer[QuoteLine]):
    """What a resource comes to, all jobs together."""

    kind = serializers.CharField(help_text="usage, or minimum: what the minimum of each job adds.")
    resource = serializers.CharField()
    quantity = serializers.IntegerField(help_text="In base units, as in charges.")
    unit_size = serializers.SerializerMethodField(help_text="Base units in a unit.")
    unit = serializers.SerializerMethodField(help_text="What a unit price is for.")
    unit_price = serializers.SerializerMethodField(
        help_text="Null where a rate has no single price."
    )
    model = serializers.SerializerMethodField(help_text="flat, graduated, volume or package.")
    basis = serializers.CharField(
        help_text="requested, used or fallback; empty for what is allocated."
    )
    counter_before = serializers.IntegerField(
        allow_null=True, help_text="What is used of the month already, where that makes a price."
    )
    amount = SixDecimalsField()

    def get_unit_size(self, line: QuoteLine) -> int:
        return line.rate.unit_size if line.rate else 1

    def get_unit(self, line: QuoteLine) -> str:
        return resource_of(line.resource).unit if line.rate else ""

    @extend_schema_field(SixDecimalsField(allow_null=True))
    def get_unit_price(self, line: QuoteLine) -> str | None:
        price = line.rate.unit_price if line.rate else None
        return None if price is None else f"{price:f}"

    def get_model(self, line: QuoteLine) -> str:
        return line.rate.model.value if line.rate else ""


class EstimatePartSerializer(serializers.Serializer[QuotePart]):
    """One kind of job: a script of a heterogeneous job has several."""

    jobs = serializers.IntegerField(source="wanted.jobs")
    seconds = serializers.IntegerField(source="wanted.seconds")
    tres = serializers.CharField(source="wanted.tres", help_text="What a job holds, as Slurm says.")
    partition = serializers.CharField(source="wanted.partition", allow_blank=True)
    qos = serializers.CharField(source="wanted.qos", allow_blank=True)
    lines = EstimateLineSerializer(many=True)
    total = SixDecimalsField()


class EstimateNoteSerializer(serializers.Serializer[dict[str, Any]]):
    """What the estimate rests on, or what is odd about the script."""

    code = serializers.CharField(help_text="For programs.")
    about = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField(help_text="Line of the script; 0 where none is meant.")
    text = serializers.CharField(help_text="For people, in the language asked for.")


class EstimateSerializer(serializers.Serializer[dict[str, Any]]):
    """What the jobs would cost. An estimate: charges are made of what a job really held."""

    moment = serializers.DateTimeField(help_text="When the jobs are taken to end.")
    tier = serializers.CharField(allow_null=True)
    project = serializers.CharField(allow_null=True)
    cluster = serializers.CharField(allow_null=True)
    price_lists = EstimateListSerializer(many=True, help_text="By precedence: negotiated first.")
    requests = EstimatePartSerializer(many=True)
    total = SixDecimalsField(help_text="Without tax.")
    rounded = serializers.CharField(help_text="The total as money of its currency.")
    currency = serializers.CharField()
    notes = EstimateNoteSerializer(many=True)


EXAMPLES = [
    OpenApiExample(
        "Ten jobs on a GPU",
        request_only=True,
        value={
            "tier": "mu",
            "cpus": 8,
            "memory_gb": "64",
            "gpus": 1,
            "gpu_type": "a100",
            "hours": "12",
            "jobs": 10,
            "partition": "gpu",
        },
    ),
    OpenApiExample(
        "A batch script",
        request_only=True,
        value={
            "project": "genomics",
            "script": "#!/bin/bash\n#SBATCH --ntasks=4 --mem=16G --time=2:00:00\nsrun ./model\n",
        },
    ),
    OpenApiExample(
        "An estimate",
        response_only=True,
        value={
            "moment": "2026-11-20T10:00:00+07:00",
            "tier": "mu",
            "project": None,
            "cluster": "alpha",
            "price_lists": [
                {
                    "id": 4,
                    "name": "mu 2026-09-01 r1",
                    "effective_at": "2026-09-01T00:00:00+07:00",
                    "revision": 1,
                    "currency": "THB",
                }
            ],
            "requests": [
                {
                    "jobs": 10,
                    "seconds": 43200,
                    "tres": "cpu=8,node=1",
                    "partition": "",
                    "qos": "",
                    "lines": [
                        {
                            "kind": "usage",
                            "resource": "cpu",
                            "quantity": 3456000,
                            "unit_size": 3600,
                            "unit": "CPU-core-hour",
                            "unit_price": "0.750000",
                            "model": "flat",
                            "basis": "",
                            "counter_before": None,
                            "amount": "720.000000",
                        }
                    ],
                    "total": "720.000000",
                }
            ],
            "total": "720.000000",
            "rounded": "720.00",
            "currency": "THB",
            "notes": [
                {
                    "code": "one_cluster",
                    "about": "alpha",
                    "line": 0,
                    "text": "For the cluster alpha, the only one there is.",
                }
            ],
        },
    ),
]


class EstimateView(Endpoint):
    """Estimates."""

    permission_classes = [MayEstimate, HasScope]
    # It changes nothing: whoever may read prices may have them multiplied.
    write_scope = Scope.PRICES_READ

    @extend_schema(
        operation_id="pricing_estimate",
        summary="What jobs would cost",
        description=(
            "Prices jobs by the engine that charges, and charges nothing. `no_tier`, `no_list`, "
            "`no_rate`, `state`, `too_large`, `payer`, `cluster`, `script` and `no_time` tell why "
            "there is no estimate."
        ),
        request=EstimateRequest,
        responses={(200, "application/json"): EstimateSerializer},
        examples=EXAMPLES,
    )
    def post(self, request: Request) -> Response:
        body = EstimateRequest(data=request.data, context={"request": request})
        body.is_valid(raise_exception=True)
        found, remarks = _answer(body.validated_data, request.user)
        return Response(as_data(found, remarks))


def _answer(asked: Mapping[str, Any], viewer: Viewer) -> tuple[Quote, tuple[Found, ...]]:
    payer = payer_of(viewer, tier=asked.get("tier"), project=asked.get("project"))
    source = _jobs(asked)
    cluster = cluster_called(asked.get("cluster") or source.cluster)
    moment = moment_of(asked.get("date"))
    return quote(source.jobs, payer=payer, moment=moment, cluster=cluster), source.remarks


def _jobs(asked: Mapping[str, Any]) -> FromScript:
    hours, memory = asked.get("hours"), asked.get("memory_gb")
    if "script" in asked:
        return from_script(asked["script"], hours=hours, memory_gb=memory)
    wanted = Wanted(
        seconds=seconds_of(hours or Decimal(0)),
        cpus=asked["cpus"],
        mem_kib=kib_of(memory or Decimal(0)),
        gpus=((asked.get("gpu_type", ""), asked["gpus"]),) if asked["gpus"] else (),
        nodes=asked["nodes"],
        jobs=asked["jobs"],
        partition=asked.get("partition", ""),
        qos=asked.get("qos", ""),
    )
    return FromScript((wanted,), "", ())


def as_data(found: Quote, remarks: tuple[Found, ...] = ()) -> Any:
    """Return an estimate as plain values: the API's answer, and ``estimate --json``."""
    return EstimateSerializer(
        {
            "moment": found.moment,
            "tier": found.tier.code if found.tier else None,
            "project": found.project.code if found.project else None,
            "cluster": found.cluster.name if found.cluster else None,
            "price_lists": found.lists,
            "requests": found.parts,
            "total": found.total,
            "rounded": f"{round_money(found.total, found.currency):f}",
            "currency": found.currency,
            "notes": [
                *(_note(note, found.currency) for note in found.notes),
                *(_remark(remark) for remark in remarks),
            ],
        }
    ).data


def _note(note: Note, currency: str) -> dict[str, Any]:
    return {
        "code": note.remark.value,
        "about": note.about,
        "line": 0,
        "text": quote_wording.note_text(note, currency),
    }


def _remark(remark: Found) -> dict[str, Any]:
    return {
        "code": f"script_{remark.remark.value}",
        "about": remark.text,
        "line": remark.line,
        "text": quote_wording.found_text(remark),
    }
