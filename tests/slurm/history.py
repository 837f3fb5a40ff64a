"""Jobs of every kind that accounting knows, really run, with sleeps of a second or two.

What can't be made by waiting a minute (months, nights on which the clock changes) is put into
slurmdbd's database by tests.slurm.rows.
"""

import time
from collections.abc import Mapping

from tests.slurm.stack import MAIN, OTHER, Stack

LONG = 600
# However slow the machine is just now, these last until they were acted on.
UNTIL_TOLD = 'until [ -e "{told}/$SLURM_JOB_ID" ]; do sleep 0.2; done'
ONCE_MORE = f'[ "${{SLURM_RESTART_COUNT:-0}}" -ge 1 ] || sleep {LONG}; sleep 1'
TWICE_MORE = ONCE_MORE.replace("-ge 1", "-ge 2")
# Three processes, two seconds of CPU time each: the kernel ends them, however slow the machine is.
BURN = "ulimit -t 2; while :; do :; done"
# Each is submitted at once: user, options, script. What is done to them comes after.
PLAIN: Mapping[str, tuple[str, str, str]] = {
    "plain_games": ("games", "-n2 --mem=500", "sleep 2"),
    "plain_news": ("news", "-n1 --mem-per-cpu=1537K", "sleep 1"),
    "plain_list": ("list", "-N2 -n4 --mem=300", "sleep 1"),
    "other_account": ("news", "-A climate -n1", "sleep 1"),
    "premium": ("games", "-q premium -n4", "sleep 1"),
    "odd_on_two_threads": ("backup", "-p h100 -n3 --mem=1G", "sleep 1"),
    "whole_memory": ("backup", "-n1 --mem=0 -w a3", "sleep 1"),
    "exclusive": ("games", "-n1 --exclusive -w a2", "sleep 1"),
    "array": ("news", "-a 0-4%3 -n1 --mem=200", "sleep 1"),
    "array_failed_task": ("list", "-a 1,3 -n1", "exit $((SLURM_ARRAY_TASK_ID / 3))"),
    "gpu_untyped": ("games", "-p a100 --gres=gpu:2 -n1", "sleep 2"),
    "gpu_typed": ("games", "-p a100 --gres=gpu:a100:1 -n1", "sleep 2"),
    "gpus": ("news", "-p a100 --gpus=3 -n1", "sleep 2"),
    "gpus_per_node": ("list", "-p h100 -N2 -n2 --gpus-per-node=h100:2", "sleep 2"),
    "gpus_per_task": ("backup", "-n2 -N1 --gpus-per-task=1", "sleep 2"),
    "failed": ("backup", "-n1", "exit 3"),
    "killed": ("backup", "-n1", "kill -9 $$"),
    "steps": ("games", "-n2 --mem=400", "srun -n2 sleep 1; srun -n1 false; true"),
    "burned": ("games", "-n2 --mem=300", f"({BURN}); srun -n2 sh -c '({BURN}); true'"),
    "no_output_folder": ("list", "-n1 -o /nonexistent/x", "sleep 1"),
    "lost_end": ("list", "-n2 --mem=100", "sleep 1"),
    "name_bar": ("games", "-n1 -J a|b||c", "true"),
    "name_thai": ("games", "-n1 -J จำลองอากาศ", "true"),
    "name_newline": ("games", "-n1 -J line1\nline2", "true"),
    "name_bad_utf8": ("games", "-n1 -J bad\udcffbyte", "true"),
    "name_like_a_step": ("games", "-n1 -J 123.batch", "true"),
}
ACTED_ON: Mapping[str, tuple[str, str, str]] = {
    "preempted": ("backup", "-q scavenge -w a2 -N1 -n30 --mem=100", ONCE_MORE),
    "node_failed": ("list", "-w a4 -n1 --mem=100 --no-requeue", f"sleep {LONG}"),
    "node_failed_requeued": ("list", "-w a4 -n1 --mem=101 --requeue", ONCE_MORE),
    "requeued": ("backup", "-w a1 -n1 --mem=100", ONCE_MORE),
    "requeued_twice": ("backup", "-w a1 -n1 --mem=100", TWICE_MORE),
    "suspended": ("news", "-w a1 -n1 --mem=100", UNTIL_TOLD),
    "suspended_now": ("news", "-w a1 -n1 --mem=100", f"sleep {LONG}"),
    "resized": ("games", "-p h100 -w a3,a4 -N2 -n2 --mem=200", UNTIL_TOLD),
    "timed_out": ("backup", "-w a1 -n2 --mem=300 -t1", f"sleep {LONG}"),
    "cancelled_running": ("news", "-w a1 -n1 --mem=100", f"sleep {LONG}"),
    "cancelled_by_root": ("news", "-w a1 -n1 --mem=100", f"sleep {LONG}"),
    "cancelled_before_start": ("news", "-H -n1", "true"),
    "array_cancelled_before_start": ("news", "-H -a 1-3 -n1", "true"),
    "renamed_while_running": ("games", "-w a1 -n1 --mem=100", UNTIL_TOLD),
    "account_changed": ("news", "-H -n1 --mem=100", "sleep 1"),
    "running": ("games", "-w a1 -n2 --mem=100", f"sleep {LONG}"),
    "held_forever": ("games", "-H -n1", "true"),
    "array_pending": ("games", "-H -a 1-9:4 -n1", "true"),
    "begins_later": ("games", "--begin=now+2hours -n1", "true"),
}
LEFT = ("running", "suspended_now", "held_forever", "array_pending", "begins_later")


class History:
    """Runs the jobs of a stack and knows their ids by what they stand for."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.jobs: dict[str, int] = {}
        self.told = stack.directory / "told"
        self.told.mkdir(mode=0o755)

    def make(self) -> None:
        """Everything, in about a minute. What is in LEFT still runs or waits afterwards."""
        self.before_the_reset()
        for tag, job in ACTED_ON.items():
            self.submit(tag, *job)
        self.fail_a_node()
        self.het("het")
        for tag, job in PLAIN.items():
            self.submit(tag, *job)
        self.submit("other_cluster", "games", "-n2 --mem=100", "sleep 1", cluster=OTHER)
        self.act()
        self.wait()
        self.lose_an_end()

    # -- Submitting -------------------------------------------------------------------------------

    def submit(self, tag: str, user: str, options: str, script: str, cluster: str = MAIN) -> int:
        words = [word for word in options.split(" ") if word]
        if "-o" not in words:
            words += ["-o", "/dev/null"]
        script = script.replace("{told}", str(self.told))
        limit = [] if any(word.startswith("-t") for word in words) else ["-t15"]
        printed = self.stack.run(
            "sbatch", "--parsable", *limit, *words, f"--wrap={script}", user=user, cluster=cluster
        )
        self.jobs[tag] = int(printed.split(";")[0])
        return self.jobs[tag]

    def het(self, tag: str) -> None:
        """A job of two components; the second has GPUs."""
        printed = self.stack.run(
            "sbatch", "--parsable", "-o", "/dev/null", "-t5", "-n2", "--mem=200",
            ":", "-n1", "-p", "a100", "--gres=gpu:a100:1", "--mem=300",
            user="news", typed="#!/bin/sh\nsleep 2\n",
        )  # fmt: skip
        self.jobs[tag] = int(printed.split(";")[0])

    def before_the_reset(self) -> None:
        """Two jobs; then the controller dies with all it knew, and begins again at the first id."""
        self.submit("before_reset", "games", "-n1 --mem=100", "true")
        self.submit("controller_lost", "list", "-n2 --mem=100", f"sleep {LONG}")
        self.wait_for("controller_lost", "RUNNING")
        self.stack.wait_until(
            lambda: self.stack.run("sacct", "-aXn", "-S", "now-1hour", "-o", "State%20"),
            lambda jobs: "COMPLETED" in jobs and "RUNNING" in jobs,
        )
        self.stack.kill(f"slurmctld.{MAIN}")
        self.stack.forget(MAIN)
        self.stack.start_slurmctld(MAIN)
        self.stack.wait_for_nodes(MAIN)

    # -- Acting -----------------------------------------------------------------------------------

    def fail_a_node(self) -> None:
        """First of all, so that it takes only the jobs with it that are meant."""
        for tag in ("resized", "node_failed", "node_failed_requeued"):
            self.wait_for(tag, "RUNNING")
        time.sleep(1)
        self._scontrol("update", f"JobId={self.jobs['resized']}", "NumNodes=1")
        self._scontrol("update", "NodeName=a4", "State=DOWN", "Reason=pulled")

    def act(self) -> None:
        scontrol, ids = self._scontrol, self.jobs
        scontrol("update", f"JobId={ids['account_changed']}", "Account=climate")
        scontrol("release", str(ids["account_changed"]))
        for tag in ("requeued", "requeued_twice", "suspended", "suspended_now", "timed_out"):
            self.wait_for(tag, "RUNNING")
        scontrol("update", f"JobId={ids['timed_out']}", "EndTime=now+3")
        for tag in ("suspended", "suspended_now"):
            scontrol("suspend", str(ids[tag]))
        self.requeue("requeued")
        self.requeue("requeued_twice")
        scontrol(
            "update", f"JobId={ids['renamed_while_running']}", "JobName=new|name", "TimeLimit=9"
        )
        self.wait_for("preempted", "RUNNING")
        self.submit("preempting", "list", "-q premium -w a2 -N1 -n30 --mem=100", "sleep 1")
        for tag in ("cancelled_before_start", "array_cancelled_before_start", "cancelled_running"):
            self.stack.run("scancel", str(ids[tag]), user="news")
        self.stack.run("scancel", str(ids["cancelled_by_root"]))
        waiting = self.submit("cancelled_waiting", "news", "-w a1 -n32 --mem=100", "true")
        self.stack.run("scancel", str(waiting), user="news")
        time.sleep(1)
        scontrol("resume", str(ids["suspended"]))
        for tag in ("suspended", "resized"):
            self.tell(tag)
        self.tell("renamed_while_running")
        self.hurry("preempted")
        self.hurry("node_failed_requeued")
        self.wait_for("requeued_twice", "RUNNING")
        self.requeue("requeued_twice")

    def requeue(self, tag: str) -> None:
        self._scontrol("requeue", str(self.jobs[tag]))
        self.hurry(tag)

    def hurry(self, tag: str) -> None:
        """Slurm lets two minutes pass before it starts a job again.

        In the same second it must not be: slurmd would take the job's new credential for the one
        that was just revoked, and the job would fail.
        """
        self.wait_for(tag, "PENDING")
        self._scontrol("update", f"JobId={self.jobs[tag]}", "StartTime=now+2")

    def lose_an_end(self) -> None:
        """What a crash leaves behind: slurmdbd was never told that the job ended."""
        job = self.jobs["lost_end"]
        self.stack.sql(f"UPDATE {MAIN}_job_table SET time_end = 0, state = 1 WHERE id_job = {job}")

    def tell(self, tag: str) -> None:
        """Let a job that waits for it come to its end."""
        (self.told / str(self.jobs[tag])).touch()

    def _scontrol(self, *words: str) -> None:
        self.stack.run("scontrol", *words)

    # -- Waiting ----------------------------------------------------------------------------------

    def state(self, tag: str) -> str:
        """As squeue has it; empty when it has left the queue."""
        job = str(self.jobs[tag])
        queue = self.queue("PD,R,S,CG,CF")
        return queue.get(job, "")

    def queue(self, states: str, cluster: str = MAIN) -> dict[str, str]:
        printed = self.stack.run("squeue", "-h", "-t", states, "-o", "%A %T", cluster=cluster)
        return dict(line.split() for line in printed.splitlines())

    def wait_for(self, tag: str, state: str) -> None:
        self.stack.wait_until(lambda: self.state(tag), lambda found: found == state)

    def wait(self) -> None:
        """Until nothing moves any more but what is meant to stay, and slurmdbd knows it."""
        left = {str(self.jobs[tag]) for tag in LEFT}
        for cluster in (MAIN, OTHER):
            self.stack.wait_until(
                lambda name=cluster: self.queue("PD,R,S,CG,CF", name).keys() - left,  # type: ignore[misc]
                lambda moving: not moving,
                seconds=120,
            )
        time.sleep(1)
