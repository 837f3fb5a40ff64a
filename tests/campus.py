"""Two projects with their people and jobs, and staff without a project: who may see what."""

from dataclasses import dataclass
from datetime import UTC, datetime

from accounts.models import Project, User
from tests.factories import Row, import_rows, join, make_cluster, make_project, make_user
from usage.models import Cluster, Job

GPU = "cpu=4,mem=8192M,node=1,billing=4,gres/gpu=2"
FORMULA = '=HYPERLINK("http://evil.example")'


@dataclass(frozen=True)
class Campus:
    """Alice leads genomics with Bob in it. Charlie leads climate, where Bob ran a job once."""

    alice: User
    bob: User
    charlie: User
    clerk: User
    auditor: User
    genomics: Project
    climate: Project
    cluster: Cluster

    def job(self, job_id: int) -> Job:
        return Job.objects.get(job_id=job_id)


def october(day: int) -> datetime:
    return datetime(2026, 10, day, 5, tzinfo=UTC)


def build() -> Campus:
    """Jobs by id: 1 and 2 genomics, 3 and 4 climate, 5 nobody's, 6 runs."""
    alice, bob, charlie = (make_user(name) for name in ("alice", "bob", "charlie"))
    campus = Campus(
        alice=alice,
        bob=bob,
        charlie=charlie,
        clerk=make_user("clerk", groups=("finance",)),
        auditor=make_user("auditor", groups=("auditor",)),
        genomics=make_project("genomics", pi=alice),
        climate=make_project("climate", tier="gov", pi=charlie),
        cluster=make_cluster("alpha"),
    )
    join(campus.genomics, bob)
    import_rows(
        campus.cluster,
        Row(1, user="alice", end=october(5), name=FORMULA),
        Row(2, user="bob", end=october(6), seconds=7200, tres=GPU, state="FAILED"),
        Row(3, user="charlie", account="climate", end=october(7)),
        Row(4, user="bob", account="climate", end=october(8)),
        Row(5, user="alice", account="nowhere", end=october(9)),
        Row(6, user="bob", end=october(10), state="RUNNING"),
    )
    return campus
