"""What the programs of the stack are told: their configuration files, as texts."""

from dataclasses import dataclass
from pathlib import Path

GPUS = 4
DATABASE = "accounting"
DATABASE_PASSWORD = "loopback-only"


@dataclass(frozen=True)
class Node:
    """A node of a cluster: made up but for the slurmd that stands for it."""

    name: str
    port: int
    gpu: str
    threads: int = 1
    cpus: int = 32
    memory: int = 128_000

    @property
    def line(self) -> str:
        cores = self.cpus // self.threads
        return (
            f"NodeName={self.name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={self.port}"
            f" CPUs={self.cpus} Sockets=1 CoresPerSocket={cores} ThreadsPerCore={self.threads}"
            f" RealMemory={self.memory} Gres=gpu:{self.gpu}:{GPUS} State=UNKNOWN"
        )

    def gres(self, devices: Path) -> str:
        return f"NodeName={self.name} Name=gpu Type={self.gpu} File={devices}/gpu[0-{GPUS - 1}]\n"


@dataclass(frozen=True)
class Layout:
    """Where things are: one directory, reachable by the servers' users, and loopback ports."""

    directory: Path
    host: str
    mariadb_port: int
    slurmdbd_port: int
    slurmrestd_port: int

    @property
    def munge_socket(self) -> Path:
        return self.directory / "munge" / "s"

    @property
    def mariadb_socket(self) -> Path:
        return self.directory / "mysql" / "s"

    @property
    def rest_socket(self) -> Path:
        return self.directory / "rest" / "s"

    @property
    def jwt_key(self) -> Path:
        return self.directory / "jwt.key"

    def slurm_conf(self, cluster: str) -> Path:
        return self.directory / cluster / "slurm.conf"


def mariadb(layout: Layout) -> str:
    """Durability is not wanted: the data live as long as the tests."""
    home = layout.mariadb_socket.parent
    return f"""\
[mysqld]
datadir={home}/data
socket={layout.mariadb_socket}
pid-file={home}/pid
port={layout.mariadb_port}
bind-address=127.0.0.1
tmpdir={home}
skip-name-resolve
character-set-server=utf8mb4
innodb_buffer_pool_size=512M
innodb_log_file_size=128M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
max_allowed_packet=64M
"""


def slurmdbd(layout: Layout) -> str:
    return f"""\
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={layout.jwt_key}
DbdHost={layout.host}
DbdAddr=127.0.0.1
DbdPort={layout.slurmdbd_port}
SlurmUser=slurm
PidFile={layout.directory}/run/slurmdbd.pid
DebugLevel=info
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={layout.mariadb_port}
StorageUser=slurm
StoragePass={DATABASE_PASSWORD}
StorageLoc={DATABASE}
CommunicationParameters=NoInAddrAny
"""


def slurm(layout: Layout, cluster: str, port: int, nodes: tuple[Node, ...], first_job: int) -> str:
    """slurm.conf of one cluster. Without AccountingStoragePass clients look for munge in /run."""
    home = layout.directory / cluster
    partitions = [("batch", nodes, "Default=YES DefMemPerCPU=1000 ")]
    partitions += [
        (kind, tuple(node for node in nodes if node.gpu == kind), "DefMemPerCPU=2000 ")
        for kind in sorted({node.gpu for node in nodes})
    ]
    lines = "\n".join(node.line for node in nodes)
    weights = "TRESBillingWeights=CPU=1.0,Mem=0.25G,GRES/gpu=8"
    lines += "".join(
        f"\nPartitionName={name} Nodes={','.join(node.name for node in members)}"
        f" {extra}MaxTime=2-0 State=UP OverSubscribe=NO {weights}"
        for name, members, extra in partitions
    )
    return f"""\
ClusterName={cluster}
SlurmctldHost={layout.host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket},cred_expire=3
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={layout.jwt_key}
CredType=cred/munge
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/%n
SlurmctldPidFile={layout.directory}/run/{cluster}.pid
SlurmdPidFile={layout.directory}/run/{cluster}.%n.pid
SlurmctldLogFile={layout.directory}/logs/{cluster}.slurmctld.log
SlurmdLogFile={layout.directory}/logs/{cluster}.%n.log
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=60
KillWait=1
MinJobAge=300
InactiveLimit=0
Waittime=0
FirstJobId={first_job}
MaxArraySize=1001
MaxJobCount=5000
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,sched_min_interval=0,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/qos
PreemptMode=REQUEUE
PriorityType=priority/multifactor
PriorityWeightQOS=10000
JobRequeue=1
PrologFlags=Alloc
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={layout.slurmdbd_port}
AccountingStoragePass={layout.munge_socket}
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu,gres/gpu:a100,gres/gpu:h100
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
GresTypes=gpu
SlurmdParameters=config_overrides
{lines}
"""


def gres(nodes: tuple[Node, ...], devices: Path) -> str:
    """Slurm wants a file for each GPU, and looks no further."""
    return "".join(node.gres(devices) for node in nodes)


def cgroup(version: tuple[int, ...], scratch: Path) -> str:
    """No control groups: nothing of the machine is touched. 22.05 has no word for that yet."""
    if version >= (23, 2):
        return "CgroupPlugin=disabled\n"
    return f"CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nCgroupMountpoint={scratch}\n"
