"""From a script's options to what it asks for: CPUs, memory, GPUs, nodes, time and jobs.

Slurm decides some of it by the cluster's settings, which a script doesn't tell. What had to be
assumed is remarked on, so that whoever reads an estimate can check it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from usage.sbatch import values
from usage.sbatch.options import MAX_SHOWN, Option, read_options
from usage.sbatch.remarks import Found, Remark
from usage.sbatch.values import Unreadable

T = TypeVar("T")

# What later components of a heterogeneous job take over from the first one.
_INHERITED = ("account", "clusters", "partition", "qos", "time", "reservation")
_MEMORY = ("mem", "mem-per-cpu", "mem-per-gpu")


@dataclass(frozen=True, slots=True)
class Asked:
    """What one job (or component of one) asks for. Memory in KiB of the whole job, GPUs and
    licences as counts by name; ``minutes`` is None if no time, or no limit, is asked for."""

    minutes: int | None
    nodes: int
    tasks: int
    cpus: int
    mem_kib: int
    gpus: tuple[tuple[str, int], ...]
    licenses: tuple[tuple[str, int], ...]
    jobs: int
    account: str
    partition: str
    qos: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Script:
    """What a script asks for, one component if it is no heterogeneous job."""

    components: tuple[Asked, ...]
    remarks: tuple[Found, ...]


def read_script(text: str) -> Script:
    """Read a batch script, as ``sbatch`` does. Raises InvalidScript."""
    read = read_options(text)
    remarks = list(read.remarks)
    if len(read.components) > 1:
        remarks.append(Found(Remark.HET, 0, str(len(read.components))))
    found: list[Asked] = []
    inherited: dict[str, Option] = {}
    for options in read.components:
        chosen = _last_of_each(options, remarks)
        component = _Component({**inherited, **chosen}, remarks)
        found.append(component.asked())
        inherited |= {name: chosen[name] for name in _INHERITED if name in chosen}
    return Script(tuple(found), tuple(dict.fromkeys(remarks)))


def _last_of_each(options: tuple[Option, ...], remarks: list[Found]) -> dict[str, Option]:
    """Return the options by name. One that is given twice counts as the last time."""
    chosen: dict[str, Option] = {}
    for option in options:
        before = chosen.pop(option.name, None)
        if before is not None and before.value != option.value:
            shown = f"--{option.name}={before.value}"[:MAX_SHOWN]
            remarks.append(Found(Remark.REPLACED, before.line, shown))
        chosen[option.name] = option
    memory = [name for name in chosen if name in _MEMORY]
    remarks += [
        Found(Remark.MEMORY_TWICE, chosen.pop(name).line, f"--{name}") for name in memory[:-1]
    ]
    return chosen


class _Component:
    """Works out what the options of one component come to."""

    def __init__(self, options: dict[str, Option], remarks: list[Found]) -> None:
        self._options = options
        self._remarks = remarks

    def asked(self) -> Asked:
        nodes, tasks = self._nodes_and_tasks()
        gpus = self._gpus(nodes, tasks or 0)
        if tasks is None:
            per_gpu = self._read("ntasks-per-gpu", values.count)
            tasks = per_gpu * sum(gpus.values()) if per_gpu and gpus else nodes
        cpus = self._cpus(nodes, tasks, sum(gpus.values()))
        if "exclusive" in self._options:
            self._remark(Remark.EXCLUSIVE, "exclusive")
        return Asked(
            minutes=self._minutes(),
            nodes=nodes,
            tasks=tasks,
            cpus=cpus,
            mem_kib=self._memory(nodes, cpus, sum(gpus.values())),
            gpus=tuple(sorted(gpus.items())),
            licenses=tuple(self._read("licenses", values.licenses) or ()),
            jobs=self._jobs(),
            account=self._text("account"),
            partition=self._first("partition", Remark.FIRST_PARTITION),
            qos=self._text("qos"),
            cluster=self._first("clusters", Remark.FIRST_CLUSTER),
        )

    def _nodes_and_tasks(self) -> tuple[int, int | None]:
        """Return nodes, and tasks: None if it is the GPUs that say how many."""
        found = self._read("nodes", values.nodes)
        per_node = self._read("ntasks-per-node", values.count)
        tasks = self._read("ntasks", values.count)
        if found and found[1]:
            self._remark(Remark.FEWEST_NODES, "nodes")
        nodes = found[0] if found else 1
        if tasks is None:
            by_gpus = per_node is None and "ntasks-per-gpu" in self._options
            return nodes, None if by_gpus else nodes * (per_node or 1)
        if nodes > tasks:
            self._remark(Remark.FEWER_NODES, "nodes")
            nodes = tasks
        if found is None and per_node:
            nodes = -(-tasks // per_node)
        elif found is None and tasks > 1:
            self._remark(Remark.FEWEST_NODES, "ntasks")
        return nodes, tasks

    def _cpus(self, nodes: int, tasks: int, gpus: int) -> int:
        per_task = self._read("cpus-per-task", values.count)
        of_task = self._of_task("cpu")
        per_gpu = self._read("cpus-per-gpu", values.count)
        least = (self._read("mincpus", values.count) or 0) * nodes
        if per_task is None and of_task is not None:
            per_task = of_task
        if per_task is None and per_gpu and gpus:
            return max(per_gpu * gpus, tasks, least)
        if per_task is None and not least:
            self._remarks.append(Found(Remark.ONE_CPU))
        return max(tasks * (per_task or 1), least)

    def _memory(self, nodes: int, cpus: int, gpus: int) -> int:
        for name, times in zip(_MEMORY, (nodes, cpus, gpus), strict=True):
            kib = self._read(name, values.memory_kib)
            if kib == 0:
                self._remark(Remark.ALL_MEMORY, name)
                return 0
            if kib is not None:
                return kib * times
        self._remarks.append(Found(Remark.NO_MEMORY))
        return 0

    def _gpus(self, nodes: int, tasks: int) -> Counter[str]:
        """Return GPUs by type: of the job, of each node, of each task. Each type the largest that
        one option asks for, since they may all be about the same devices."""
        found: Counter[str] = Counter()
        times = {"gpus": 1, "gpus-per-node": nodes, "gpus-per-task": tasks}
        for name, many in times.items():
            kinds = self._read(name, values.gpus) or []
            found |= _times(kinds, many)
        gres = self._read("gres", values.gres)
        if gres is not None:
            found |= _times(gres[0], nodes)
            for other in gres[1]:
                self._remark(Remark.GRES_NOT_PRICED, "gres", other)
        found |= _times(self._gpus_of_task(), tasks)
        if "gpus-per-socket" in self._options:
            self._remark(Remark.PER_SOCKET, "gpus-per-socket")
        return +found

    def _of_task(self, name: str) -> int | None:
        """Return a count in ``--tres-per-task=cpu=4,gres/gpu=1``."""
        for item in self._text("tres-per-task").split(","):
            key, _sign, value = item.replace(":", "=", 1).partition("=")
            if key == name and value:
                try:
                    return values.count(value)
                except Unreadable:
                    self._remark(Remark.UNREADABLE, "tres-per-task", item)
        return None

    def _gpus_of_task(self) -> list[tuple[str, int]]:
        items = self._text("tres-per-task").split(",")
        wanted = ",".join(item for item in items if item.startswith("gres"))
        try:
            return values.gres(wanted)[0] if wanted else []
        except Unreadable as error:
            self._remark(Remark.UNREADABLE, "tres-per-task", str(error))
            return []

    def _minutes(self) -> int | None:
        found = self._read("time", values.minutes)
        if found is None:
            self._remarks.append(Found(Remark.NO_TIME))
        elif found == values.UNLIMITED:
            self._remark(Remark.NO_TIME_LIMIT, "time")
            return None
        return found

    def _jobs(self) -> int:
        found = self._read("array", values.array)
        if found is None:
            return 1
        if found[1]:
            self._remark(Remark.TASK_LIMIT, "array")
        return found[0]

    def _first(self, name: str, remark: Remark) -> str:
        first, comma, _rest = self._text(name).partition(",")
        if comma:
            self._remark(remark, name, first)
        return first

    def _text(self, name: str) -> str:
        option = self._options.get(name)
        return option.value if option else ""

    def _read(self, name: str, reading: Callable[[str], T]) -> T | None:
        option = self._options.get(name)
        if option is None:
            return None
        try:
            return reading(option.value)
        except Unreadable:
            self._remark(Remark.UNREADABLE, name, f"--{name}={option.value}")
            return None

    def _remark(self, remark: Remark, name: str, text: str = "") -> None:
        option = self._options[name]
        shown = text or f"--{name}{'=' if option.value else ''}{option.value}"
        self._remarks.append(Found(remark, option.line, shown[:MAX_SHOWN]))


def _times(kinds: list[tuple[str, int]], many: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for kind, number in kinds:
        found[kind] += number * many
    return found
