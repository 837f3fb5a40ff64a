"""One Slurm that is read as two clusters: its jobs would be billed twice.

That is not refused, because a test may need it and names alone prove nothing; it is told wherever
the clusters are looked at. (Two clusters that read the same Slurm from the same place are refused.)
"""

from django.db import connection

from usage.models import Cluster
from usage.remarks import Remark

LOOKED_AT = 1000
"""How many jobs of a cluster, those with the highest ids, are looked for in the others."""

_SHARED = """
    SELECT c.name, count(*) FROM (
             SELECT job_id, submit, user_name, account FROM usage_job WHERE cluster_id = %(cluster)s
              ORDER BY job_id DESC, submit DESC LIMIT %(most)s
           ) latest
      JOIN usage_cluster c ON c.is_enabled AND c.id <> %(cluster)s
      JOIN LATERAL (
             SELECT FROM usage_job j
              WHERE j.cluster_id = c.id AND j.job_id = latest.job_id AND j.submit = latest.submit
                AND j.user_name = latest.user_name AND j.account = latest.account
           ) same ON true
     GROUP BY c.name ORDER BY c.name"""


def twins_of(cluster: Cluster) -> list[Remark]:
    """Return which other enabled clusters seem to be the same Slurm as an enabled one: those of the
    same name in Slurm, and those that have some of its latest jobs (same id, submit time, user and
    account)."""
    if not cluster.is_enabled or cluster.pk is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_SHARED, {"cluster": cluster.pk, "most": LOOKED_AT})
        shared: dict[str, int] = dict(cursor.fetchall())
    name = cluster.known_to_slurm_as
    others = Cluster.objects.filter(is_enabled=True).exclude(pk=cluster.pk)
    same = {each.name for each in others if each.known_to_slurm_as.lower() == name.lower()}
    return [
        {"code": "same_slurm", "other": other, "slurm": name, "jobs": shared.get(other, 0)}
        for other in sorted(same | shared.keys())
    ]
