"""Which jobs are exempt, and by which rule. The database says what matches: one place for all."""

from collections.abc import Collection

from django.db import connection, transaction
from django.db.models import BigIntegerField, F, Func

from audit.services import record
from core.actor import Actor
from core.queue import RATE_TASK, after_commit
from usage.models import Exemption, Job


def make_exemption(exemption: Exemption, *, actor: Actor) -> Exemption:
    """Store a new exemption and tell the log. One that begins in the past has no effect before a
    second person approves it."""
    with transaction.atomic():
        exemption.clean()
        exemption.save(force_insert=True)
        exemption.refresh_from_db()
        names = ("reason", "starts_at", "ends_at", *Exemption.CRITERIA)
        values = {name: getattr(exemption, name) for name in names}
        changes = {name: [None, value] for name, value in values.items() if value}
        data = {"name": str(exemption), "changes": changes}
        record("exemption.created", actor=actor, target=exemption, data=data)
        after_commit(RATE_TASK)
    return exemption


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
