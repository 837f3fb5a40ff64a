"""Whatever a job is like: as sacct prints it and as slurmrestd gives it, it is one job.

Both forms are written here from the same made-up facts, by rules of their own; the reader's rules
then have to bring them together again, in the oldest and the newest shape.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.usage.sacct_rows import GOOD, table
from tests.usage.sources.recordings import answer, job, parsed
from usage.sources.sacct import Parsed

SUBMIT = 1_793_527_200
STATES = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "RUNNING", "PENDING",
          "REQUEUED", "RESIZING", "OUT_OF_MEMORY")  # fmt: skip
KINDS = (("gres", "gpu"), ("gres", "gpu:a100"), ("gres", "gpu:h100"), ("gres", "shard"),
         ("fs", "disk"), ("license", "matlab"), ("bb", "cray"), ("energy", ""))  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """A job as Slurm keeps it."""

    number: int
    state: str
    waited: int
    elapsed: int
    suspended: int
    ended: bool
    placed: bool
    alloc: dict[tuple[str, str], int]
    requested: dict[tuple[str, str], int]
    account: str
    qos: str
    partition: str

    @property
    def start(self) -> int:
        return SUBMIT + self.waited

    @property
    def end(self) -> int:
        return self.start + self.elapsed + self.suspended


def tres(rarely: bool) -> st.SearchStrategy[dict[tuple[str, str], int]]:
    always = st.fixed_dictionaries(
        {
            ("cpu", ""): st.integers(0, 2**31 if rarely else 4096),
            ("mem", ""): st.integers(0, 2**36 if rarely else 2**22),
            ("node", ""): st.integers(0, 500),
            ("billing", ""): st.integers(0, 10**6),
        }
    )
    extra = st.dictionaries(st.sampled_from(KINDS), st.integers(0, 64), max_size=4)
    return st.tuples(always, extra).map(lambda both: both[0] | both[1]) | st.just({})


NAMES = st.sampled_from(["pi_suda", "", "pi-ก", "x" * 129, "a b", "=cmd()", "root"])
FACTS = st.builds(
    Facts,
    number=st.integers(0, 2**32 + 5),
    state=st.sampled_from(STATES),
    waited=st.integers(-50, 5000),
    elapsed=st.integers(0, 100_000),
    suspended=st.sampled_from([0, 0, 0, 7, 3600, 90_000]),
    ended=st.booleans(),
    placed=st.booleans(),
    alloc=tres(rarely=True),
    requested=tres(rarely=False),
    account=NAMES,
    qos=NAMES,
    partition=st.sampled_from(["gpu", "cpu,gpu", ""]),
)


def hours(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock


def as_text(facts: Facts) -> bytes:
    def line(kinds: dict[tuple[str, str], int]) -> str:
        return ",".join(
            f"{kind}{'/' if name else ''}{name}={count}{'M' if kind in ('mem', 'bb') else ''}"
            for (kind, name), count in sorted(kinds.items())
        )

    return table(
        [
            GOOD
            | {
                "JobIDRaw": str(facts.number), "JobID": str(facts.number),
                "Account": facts.account, "QOS": facts.qos, "Partition": facts.partition,
                "State": facts.state + (" by 1002" if facts.state == "CANCELLED" else ""),
                "Submit": str(SUBMIT),
                "Start": str(facts.start) if facts.placed else "None",
                "End": str(facts.end) if facts.ended else "Unknown",
                "ElapsedRaw": str(facts.elapsed), "Suspended": hours(facts.suspended),
                "NodeList": "n[1-2]" if facts.placed else "None assigned",
                "ReqTRES": line(facts.requested), "AllocTRES": line(facts.alloc),
            }
        ]
    )  # fmt: skip


def as_json(facts: Facts, *, new: bool) -> bytes:
    def number(value: int) -> Any:
        return {"set": True, "infinite": False, "number": value} if new else value

    def entries(kinds: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
        return [
            {"type": kind, "name": name or ("" if new else None), "id": 1, "count": count}
            for (kind, name), count in kinds.items()
        ]

    flags = ("REQUEUED", "RESIZING")
    words = ["PENDING", facts.state] if facts.state in flags else [facts.state]
    return answer(
        job(
            job_id=facts.number,
            account=facts.account or ("" if new else None),
            qos=facts.qos,
            partition=facts.partition,
            nodes="n[1-2]" if facts.placed else "None assigned",
            state={"current": words if new else facts.state, "reason": "None"},
            time={
                "elapsed": facts.elapsed,
                "suspended": number(facts.suspended),
                "submission": SUBMIT,
                "start": facts.start if facts.placed else (2**32 - 2 if new else 0),
                "end": facts.end if facts.ended else 0,
            },
            tres={"allocated": entries(facts.alloc), "requested": entries(facts.requested)},
            submit_line="sbatch job.sh",
        )
    )


def outcome(row: Parsed) -> Any:
    found = row.job
    if found is None:
        return row.reason
    return found.fingerprint, found.started, found.flags, found.tres.gpu_types, found.node_list


@given(FACTS)
def test_a_job_is_the_same_in_every_form(facts: Facts) -> None:
    (text,) = parsed(as_text(facts))
    for new in (False, True):
        (rest,) = parsed(as_json(facts, new=new))
        assert outcome(rest) == outcome(text)
