"""``/api/v1/usage``: jobs, and what became of each."""

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter
from drf_spectacular.utils import (
    OpenApiExample,
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
from core.rest.filters import StrictFilterSet, key, period
from core.rest.views import Endpoint
from pricing.api.explanations import ExplanationSerializer, as_data
from pricing.explain import explain_job
from pricing.models import JobRating
from pricing.selectors import charges_readable_by, jobs_readable_by
from usage import stages
from usage.models import Job
from usage.stages import Stage

FATES = (
    (Stage.RUNNING.value, "Not ended yet"),
    (Stage.HELD.value, "Its import is incomplete; it is rated once that is released or complete"),
    (Stage.PENDING.value, "Not rated yet as it is now"),
    (Stage.RATED.value, "Has charges"),
    (Stage.EXEMPT.value, "Used nothing that is priced"),
    (Stage.UNPRICED.value, "Can't be priced; the reason tells why"),
)
TOLD = (Stage.EXEMPT, Stage.UNPRICED)
"""Where a job has a reason for being there."""


class EvidenceSerializer(serializers.Serializer[Job]):
    """The raw row of a job: the import that read it, the digest of its input, and the place in it.

    ``offset`` and ``size`` are bytes of the input once it is unpacked.
    """

    run = serializers.IntegerField(source="run_id")
    origin = serializers.CharField(source="run.origin")
    sha256 = serializers.CharField(source="run.evidence.sha256")
    line = serializers.IntegerField()
    offset = serializers.IntegerField(source="raw_offset")
    size = serializers.IntegerField(source="raw_size")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A job that was charged",
            response_only=True,
            value={
                "id": 4066,
                "cluster": "alpha",
                "job_id": 101657,
                "display_id": "101657",
                "submit": "2026-11-20T00:38:15+07:00",
                "start": "2026-11-20T02:49:45+07:00",
                "end": "2026-11-20T03:49:45+07:00",
                "user_name": "malee",
                "account": "genomics",
                "project": "genomics",
                "partition": "gpu",
                "qos": "normal",
                "state": "COMPLETED",
                "name": "train",
                "node_list": "n[3-4]",
                "reservation": "",
                "elapsed_seconds": 3600,
                "suspended_seconds": 0,
                "cpu_seconds": 115200,
                "gpu_seconds": 14400,
                "gpu_type_seconds": {"a100": 14400},
                "mem_mib_seconds": 943718400,
                "node_seconds": 7200,
                "req_tres": "cpu=32,mem=262144M,node=2,gres/gpu=4",
                "used_cpu_seconds": 98310,
                "used_mem_mib_seconds": 512403112,
                "energy_joules": None,
                "estimated": False,
                "flags": [],
                "revision": 1,
                "status": "rated",
                "reason": "",
                "evidence": {
                    "run": 17,
                    "origin": "sacct (main)",
                    "sha256": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
                    "line": 1201,
                    "offset": 214003,
                    "size": 178,
                },
            },
        )
    ]
)
class JobSerializer(serializers.ModelSerializer[Job]):
    """A job: one attempt. Quantities are whole base units: seconds × CPUs, GPUs, MiB, nodes.

    ``req_tres`` is what it asked for, empty where that is not known. What it really used is null
    where its steps were not read, and energy where none was measured.
    """

    cluster = serializers.CharField(source="cluster.name")
    status = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField(help_text="Why it is exempt or unpriced.")
    evidence = EvidenceSerializer(source="*", help_text="Where its raw accounting row stands.")
    project = serializers.SerializerMethodField(
        help_text="The code of the project that pays, once the job was looked at."
    )
    gpu_type_seconds = serializers.DictField(child=serializers.IntegerField())
    flags = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Job
        fields = (
            "id", "cluster", "job_id", "display_id", "submit", "start", "end", "user_name",
            "account", "project", "partition", "qos", "state", "name", "node_list",
            "reservation", "elapsed_seconds", "suspended_seconds", "cpu_seconds", "gpu_seconds",
            "gpu_type_seconds", "mem_mib_seconds", "node_seconds", "req_tres", "used_cpu_seconds",
            "used_mem_mib_seconds", "energy_joules", "estimated", "flags",
            "revision", "status", "reason", "evidence",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "string", "enum": [code for code, _label in FATES]})
    def get_status(self, job: Job) -> str:
        return _stage(job).value

    def get_reason(self, job: Job) -> str:
        rating = _rating(job)
        return rating.reason if rating and _stage(job) in TOLD else ""

    def get_project(self, job: Job) -> str | None:
        rating = _rating(job)
        return rating.project.code if rating and rating.project else None


def _rating(job: Job) -> JobRating | None:
    return getattr(job, "rating", None)


def _stage(job: Job) -> Stage:
    """Where the job stands, as the view's queryset annotated it."""
    return Stage(getattr(job, "stage"))  # noqa: B009 - no field of the model


class JobFilters(StrictFilterSet):
    """Filters of jobs."""

    project = CharFilter(field_name="rating__project__code", label="Code of the project.")
    cluster = CharFilter(field_name="cluster__name", label="Name of the cluster.")
    user = CharFilter(field_name="user_name", label="Slurm user.")
    account = CharFilter(label="Slurm account.")
    job_id = key("job_id", "Slurm's raw job id.")
    state = CharFilter(label="Slurm's state, such as COMPLETED.")
    status = ChoiceFilter(choices=FATES, method="by_status", label="What became of the job.")
    from_, to = period("end")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()

    def by_status(self, jobs: QuerySet[Job], _name: str, value: str) -> QuerySet[Job]:
        return jobs.filter(stages.condition(value))


@extend_schema_view(
    list=extend_schema(
        operation_id="usage_list",
        summary="Jobs",
        description=(
            "Own jobs, and all jobs of projects that you act for; staff see all. `from` and `to` "
            "are about the job's end."
        ),
    ),
    retrieve=extend_schema(operation_id="usage_read", summary="A job"),
)
class JobViewSet(Endpoint, ReadOnlyModelViewSet[Job]):
    """Jobs."""

    read_scope = Scope.USAGE_READ
    serializer_class = JobSerializer
    filterset_class = JobFilters
    queryset = Job.objects.none()
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Job]:
        jobs = jobs_readable_by(self.request.user).select_related("run__evidence")
        return jobs.annotate(stage=stages.stage())

    @extend_schema(
        operation_id="usage_explain",
        summary="Why a job costs what it costs, or nothing",
        responses=ExplanationSerializer,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def explanation(self, request: Request, pk: str) -> Response:
        """Answer with every step from the accounting row to the amount."""
        seen = charges_readable_by(request.user)
        told = explain_job(self.get_object().pk, charges=seen, reader=request.user)
        return Response(as_data(told))
