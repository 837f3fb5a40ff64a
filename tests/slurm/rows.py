"""Rows in slurmdbd's own tables: what a test can't wait for.

The real sacct, slurmrestd and sreport then serve them as they serve any other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tests.slurm.machine import account
from tests.slurm.stack import MAIN, USERS, Stack

# job_state of slurm.h
STATES = {
    "PENDING": 0, "RUNNING": 1, "SUSPENDED": 2, "COMPLETED": 3, "CANCELLED": 4, "FAILED": 5,
    "TIMEOUT": 6, "NODE_FAIL": 7, "PREEMPTED": 8, "OUT_OF_MEMORY": 11, "REQUEUED": 1024,
    "RESIZING": 8192,
}  # fmt: skip
NO_TASK = 4294967294
TIMES = {
    # Of a job that is suspended just now, time_suspended is when that began, else how long it was.
    "job": ("time_submit", "time_eligible", "time_start", "time_end", "time_suspended"),
    "step": ("time_start", "time_end"),
    "suspend": ("time_start", "time_end"),
}


@dataclass(frozen=True)
class Row:
    """A job attempt as slurmctld would have reported it."""

    job_id: int
    start: datetime
    end: datetime
    user: str = "games"
    cpus: int = 2
    gpus: int = 0
    mem_mib: int = 1000
    state: str = "COMPLETED"
    submit: datetime | None = None
    node: str = "a1"
    partition: str = "batch"

    @property
    def submitted(self) -> datetime:
        return self.submit or self.start


def tres_ids(stack: Stack) -> dict[str, int]:
    """The number that slurmdbd gave each kind of resource."""
    rows = stack.sql("SELECT id, type, name FROM tres_table")
    return {f"{kind}/{name}" if name else kind: int(number) for number, kind, name in rows}


def associations(stack: Stack, cluster: str = MAIN) -> dict[str, int]:
    """Each user's association with the account that it has by default."""
    rows = stack.sql(f"SELECT user, acct, id_assoc FROM {cluster}_assoc_table WHERE deleted = 0")
    return {user: int(number) for user, acct, number in rows if USERS.get(user) == acct}


def insert(stack: Stack, rows: Iterable[Row], cluster: str = MAIN) -> None:
    """Add finished jobs to the accounting of a cluster."""
    tres, assoc = tres_ids(stack), associations(stack, cluster)
    values = ",\n".join(_values(row, tres, assoc) for row in rows)
    stack.sql(
        f"INSERT INTO {cluster}_job_table (account, cpus_req, job_name, id_assoc, id_job, id_qos,"
        " id_resv, id_wckey, id_user, id_group, het_job_id, het_job_offset, state_reason_prev,"
        " nodelist, nodes_alloc, node_inx, `partition`, priority, state, time_submit,"
        f" time_eligible, time_start, time_end, tres_alloc, tres_req) VALUES {values}"
    )


def _values(row: Row, tres: dict[str, int], assoc: dict[str, int]) -> str:
    requested = {"cpu": row.cpus, "mem": row.mem_mib, "node": 1, "billing": row.cpus}
    if row.gpus:
        requested["gres/gpu"] = row.gpus
    allocated = requested | ({"gres/gpu:a100": row.gpus} if row.gpus else {})
    alloc, req = (
        ",".join(f"{tres[name]}={count}" for name, count in each.items())
        for each in (allocated, requested)
    )
    submit, start, end = (int(t.timestamp()) for t in (row.submitted, row.start, row.end))
    return (
        f"('{USERS[row.user]}', {row.cpus}, 'put', {assoc[row.user]}, {row.job_id}, 1,"
        f" 0, 0, {account(row.user).uid}, 65534, 0, {NO_TASK}, 0,"
        f" '{row.node}', 1, '0', '{row.partition}', 1, {STATES[row.state]}, {submit},"
        f" {submit}, {start}, {end}, '{alloc}', '{req}')"
    )


def move_into_the_past(stack: Stack, days: int) -> None:
    """Let all that happened so far have happened `days` days earlier, to the second.

    sreport shows no hour before it is over. Times that say "never" or "not yet" stay.
    """
    for cluster in stack.clusters:
        for table, columns in TIMES.items():
            changes = ", ".join(
                f"{name} = IF({name} BETWEEN 1000000000 AND 2100000000,"
                f" {name} - {days * 86400}, {name})"
                for name in columns
            )
            stack.sql(f"UPDATE {cluster}_{table}_table SET {changes}")


def register_since(stack: Stack, moment: datetime) -> None:
    """Let the clusters have been there since a moment: sreport shows nothing of the time before."""
    for cluster in stack.clusters:
        stack.sql(
            f"UPDATE {cluster}_event_table SET time_start = {int(moment.timestamp())}"
            " WHERE node_name = '' ORDER BY time_start LIMIT 1"
        )


def roll_up(stack: Stack, since: datetime, until: datetime) -> None:
    """Let slurmdbd add up now what it adds up by itself every hour. UTC."""
    form = "%Y-%m-%dT%H:%M:%S"
    stack.run("sacctmgr", "-i", "rollup", since.strftime(form), until.strftime(form))
