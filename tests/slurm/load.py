"""Many finished jobs in slurmdbd's database, made there from a seed: the same seed, the same jobs.

They are like those of a real site: many short and few long ones, arrays, GPUs in one of six,
failures, time-outs, cancellations. slurmdbd can't tell them from others.
"""

from datetime import datetime

from tests.slurm.machine import account
from tests.slurm.rows import STATES, associations, tres_ids
from tests.slurm.stack import MAIN, USERS, Stack

FIRST_LOADED = 2_000_000
# Shares of the ends of jobs, in parts of a hundred.
ENDS = (("COMPLETED", 84), ("FAILED", 92), ("CANCELLED", 95), ("TIMEOUT", 98), ("NODE_FAIL", 99))
LAST_END = "OUT_OF_MEMORY"


def _chance(seed: int, column: int) -> str:
    """SQL for a number from 0 to 1 that depends on the seed, the row and the column only."""
    return f"CONV(LEFT(MD5(CONCAT('{seed}:{column}:', seq)), 8), 16, 10) / 4294967296"


def load(
    stack: Stack, jobs: int, *, seed: int, since: datetime, seconds: int, first: int = FIRST_LOADED
) -> None:
    """Add `jobs` jobs to the main cluster, submitted evenly over `seconds` from `since` on."""
    tres, assoc = tres_ids(stack), associations(stack)
    users = [user for user in USERS if user in assoc]
    chances = ", ".join(f"{_chance(seed, column)} AS u{column}" for column in range(5))
    end = "CASE " + "".join(
        f"WHEN u4 * 100 < {limit} THEN {STATES[state]} " for state, limit in ENDS
    )
    who = {
        "account": _choice([f"'{USERS[user]}'" for user in users]),
        "assoc": _choice([str(assoc[user]) for user in users]),
        "uid": _choice([str(account(user).uid) for user in users]),
    }
    requested = f"CONCAT('{tres['cpu']}=', cpus, ',{tres['mem']}=', cpus * 2000, ',{tres['node']}=1"
    gpus = f"IF(gpus, CONCAT(',{tres['gres/gpu']}=', gpus), '')"
    typed = f"IF(gpus, CONCAT(',{tres['gres/gpu:a100']}=', gpus), '')"
    stack.sql(
        "SET SESSION unique_checks = 0;"
        f"INSERT INTO {MAIN}_job_table (account, cpus_req, job_name, id_assoc, id_job, id_qos,"
        " id_resv, id_wckey, id_user, id_group, het_job_id, het_job_offset, state_reason_prev,"
        " id_array_job, id_array_task, nodelist, nodes_alloc, node_inx, `partition`, priority,"
        " state, time_submit, time_eligible, time_start, time_end, tres_alloc, tres_req)"
        f" SELECT {who['account']}, cpus, CONCAT('job ', seq % 977), {who['assoc']},"
        f" {first} + seq, 1, 0, 0, {who['uid']}, 65534, 0, 4294967294, 0,"
        # A quarter of all stand in arrays of forty.
        f" IF(seq DIV 40 % 4, 0, {first} + seq - seq % 40),"
        " IF(seq DIV 40 % 4, 4294967294, seq % 40),"
        " CONCAT('a', 1 + seq % 4), 1, '0', IF(gpus, 'a100', 'batch'), 1,"
        f" {end} ELSE {STATES[LAST_END]} END, submit, submit, submit + waited,"
        f" submit + waited + ran,"
        f" {requested},{tres['billing']}=', cpus + 8 * gpus, {gpus}, {typed}),"
        f" {requested}', {gpus})"
        " FROM (SELECT seq, u3, u4, CAST(POW(2, FLOOR(u0 * 6)) AS UNSIGNED) AS cpus,"
        " IF(u1 < 0.17, CAST(1 + FLOOR(u1 * 23) AS UNSIGNED), 0) AS gpus,"
        " FLOOR(POW(u2, 4) * 7200) AS waited, 1 + FLOOR(EXP(u3 * LN(20000))) AS ran,"
        f" {int(since.timestamp())} + FLOOR((seq - 1) * {seconds} / {jobs}) AS submit"
        f" FROM (SELECT seq, {chances} FROM seq_1_to_{jobs}) drawn) made;"
        f"ANALYZE TABLE {MAIN}_job_table"
    )


def unload(stack: Stack) -> None:
    """Take all of them away again."""
    stack.sql(f"DELETE FROM {MAIN}_job_table WHERE id_job > {FIRST_LOADED}")


def _choice(values: list[str]) -> str:
    """SQL for one of the values, by the row's fourth number."""
    return f"ELT(1 + FLOOR(u3 * 1009) % {len(values)}, {', '.join(values)})"
