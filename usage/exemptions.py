"""Which jobs are exempt, and by which rule. The database says what matches: one place for all."""

from collections.abc import Collection

from django.db import connection
from django.db.models import BigIntegerField, F, Func

from usage.models import Exemption, Job


class _ExemptionOf(Func):
    """The key of the exemption that a job falls under, or null."""

    function = "usage_exemption_of"
    output_field = BigIntegerField()


def exempted(job_ids: Collection[int]) -> dict[int, int]:
    """Return the exemptions (keys) that some jobs fall under, by job; most sites have none."""
    if not job_ids or not Exemption.objects.exists():
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT job, found FROM unnest(%s::bigint[]) job, usage_exemption_of(job) found"
            " WHERE found IS NOT NULL",
            [list(job_ids)],
        )
        return dict(cursor.fetchall())


def exemption_of(job: Job) -> Exemption | None:
    """Return the exemption that a job falls under now, or None."""
    key = Job.objects.filter(pk=job.pk).values_list(_ExemptionOf(F("pk")), flat=True)[0]
    return None if key is None else Exemption.objects.get(pk=key)
