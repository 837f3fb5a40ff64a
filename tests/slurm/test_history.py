"""The stack itself: that its jobs really ended as their names say."""

import pytest

from tests.slurm.history import LEFT, History
from tests.slurm.rows import STATES
from tests.slurm.stack import MAIN, OTHER

pytestmark = pytest.mark.slurm

# What became of each attempt, in order of submission.
ENDS = {
    "preempted": ["PREEMPTED", "COMPLETED"],
    "node_failed": ["NODE_FAIL"],
    "node_failed_requeued": ["NODE_FAIL", "COMPLETED"],
    "requeued": ["REQUEUED", "COMPLETED"],
    "requeued_twice": ["REQUEUED", "REQUEUED", "COMPLETED"],
    "resized": ["RESIZING", "COMPLETED"],
    "timed_out": ["TIMEOUT"],
    "cancelled_running": ["CANCELLED"],
    "cancelled_before_start": ["CANCELLED"],
    "suspended": ["COMPLETED"],
    "suspended_now": ["SUSPENDED"],
    "running": ["RUNNING"],
    "lost_end": ["RUNNING"],
    "held_forever": ["PENDING"],
    "begins_later": ["PENDING"],
    "failed": ["FAILED"],
    "gpu_untyped": ["COMPLETED"],
}


def test_every_job_ended_as_it_should(history: History) -> None:
    states = {number: name for name, number in STATES.items()}
    rows = history.stack.sql(
        f"SELECT id_job, state & 0x24ff FROM {MAIN}_job_table ORDER BY time_submit, job_db_inx"
    )
    seen: dict[int, list[str]] = {}
    for job, state in rows:
        seen.setdefault(int(job), []).append(states.get(int(state), state))
    first = seen[history.jobs["before_reset"]]
    assert first[0] == "COMPLETED"
    assert len(first) > 1, "after the reset the number was given away again"
    for tag, expected in ENDS.items():
        assert seen[history.jobs[tag]][-len(expected) :] == expected, tag


def test_what_is_left_is_what_was_meant_to_stay(history: History) -> None:
    queue = history.queue("PD,R,S,CG,CF")
    assert queue.keys() == {str(history.jobs[tag]) for tag in LEFT}
    assert history.queue("PD,R,S,CG,CF", OTHER) == {}
