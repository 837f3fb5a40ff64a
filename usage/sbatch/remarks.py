"""What is to be said about a script besides what it asks for."""

from enum import StrEnum
from typing import NamedTuple


class Remark(StrEnum):
    """What was assumed for want of knowledge, or what ``sbatch`` would find wrong."""

    NO_SHEBANG = "no_shebang"
    DOS_LINES = "dos_lines"
    INDENTED = "indented"
    AFTER_COMMAND = "after_command"
    UNKNOWN_OPTION = "unknown_option"
    AMBIGUOUS_OPTION = "ambiguous_option"
    STRAY_WORD = "stray_word"
    NO_VALUE = "no_value"
    UNREADABLE = "unreadable"
    REPLACED = "replaced"
    UNMATCHED_QUOTE = "unmatched_quote"
    NO_TIME = "no_time"
    NO_TIME_LIMIT = "no_time_limit"
    NO_MEMORY = "no_memory"
    ALL_MEMORY = "all_memory"
    MEMORY_TWICE = "memory_twice"
    ONE_CPU = "one_cpu"
    FEWEST_NODES = "fewest_nodes"
    FEWER_NODES = "fewer_nodes"
    FIRST_PARTITION = "first_partition"
    FIRST_CLUSTER = "first_cluster"
    EXCLUSIVE = "exclusive"
    PER_SOCKET = "per_socket"
    GRES_NOT_PRICED = "gres_not_priced"
    HET = "het"
    TASK_LIMIT = "task_limit"


class Found(NamedTuple):
    """A remark, the line of the script that it is about (0: the whole), and what stands there."""

    remark: Remark
    line: int = 0
    text: str = ""


class InvalidScript(ValueError):
    """A text that is no script, or too large to be one."""
