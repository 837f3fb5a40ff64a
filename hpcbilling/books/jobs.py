"""Checks of jobs: each stands in exactly one place on its way to being paid."""

from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import Any

from django.db.models import Case, IntegerField, Value, When
from django.utils.translation import gettext_lazy as _

from hpcbilling.books.found import CHUNK, Break, Check, sql_check
from usage.models import Job
from usage.stages import Stage, condition

# Who is rated has charges in force, and who has charges in force is rated.
_RATED = """
    SELECT 'job ' || coalesce(c.job_id, r.job_id), 'charges in force',
           coalesce(c.charges, 0)::text, CASE WHEN r.status = 'rated' THEN 'some' ELSE '0' END
      FROM (SELECT c.job_id, count(*) AS charges FROM pricing_charge c
             WHERE c.job_id IS NOT NULL AND @live GROUP BY c.job_id) c
      FULL JOIN pricing_jobrating r ON r.job_id = c.job_id
     WHERE (coalesce(r.status, '') = 'rated') <> (c.job_id IS NOT NULL)
    UNION ALL
    SELECT 'charge ' || c.id, 'job', c.job_id::text, 'nothing there'
      FROM pricing_charge c LEFT JOIN usage_job j ON j.id = c.job_id
     WHERE c.job_id IS NOT NULL AND j.id IS NULL
"""


def _one_bucket() -> Iterator[Break]:
    """By stages alone: the buckets of those that are rated part one stage without gap or overlap,
    as a document is there or not, and asking that of each job takes most of a minute a million."""
    found = {stage: condition(stage) for stage in Stage}
    ones: list[Any] = [
        Case(When(where, then=Value(1)), default=Value(0), output_field=IntegerField())
        for where in found.values()
    ]
    jobs = Job.objects.annotate(buckets=reduce(add, ones)).exclude(buckets=1)
    for job, count in jobs.order_by().values_list("pk", "buckets").iterator(CHUNK):
        yield Break(f"job {job}", "buckets", str(count), "1")


CHECKS = (
    Check("one_bucket", _("Each job is in exactly one bucket"), _one_bucket),
    sql_check("rated", _("A job has charges in force exactly if it is rated"), _RATED),
)
