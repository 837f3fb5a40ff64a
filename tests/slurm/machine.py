"""What a stack is made of on this machine: accounts, ports, and clusters of nodes."""

import contextlib
import pwd
import socket
from dataclasses import dataclass

from hpcbilling.embedded.account import Account
from tests.slurm.configuration import Node


class CommandFailedError(RuntimeError):
    """A Slurm command ended with an error; the message has what it printed."""


@dataclass
class Cluster:
    """One slurmctld and its nodes."""

    name: str
    port: int
    nodes: tuple[Node, ...]
    first_job: int


def free_ports(count: int) -> list[int]:
    """As many different loopback ports that nothing listens on at this moment."""
    with contextlib.ExitStack() as probes:
        found = []
        for _ in range(count):
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found.append(int(probe.getsockname()[1]))
        return found


def account(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def listens(address: tuple[str, int] | str) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def clusters_and_qos(main: str, other: str) -> str:
    """What sacctmgr is told first."""
    return f"""\
add cluster {main},{other}
add qos scavenge set Priority=0 UsageFactor=0.25
add qos premium set Priority=1000 UsageFactor=2.0 Preempt=scavenge
"""


def associations(operator: str) -> str:
    """The tree of accounts, and who may use which; "news" may use both. slurmdbd takes a good third
    of a second for each line, so what is alike shares one."""
    return f"""\
add account science Description=Science Organization=science
add account genomics,climate parent=science Description=Group Organization=science
add user games,news account=genomics DefaultAccount=genomics qos=normal,premium,scavenge
add user news,backup,list account=climate qos=normal,premium,scavenge
add user {operator} account=root DefaultAccount=root AdminLevel=Operator
"""
