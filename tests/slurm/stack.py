"""A whole Slurm accounting installation, as plain processes on loopback.

MariaDB, munged, one slurmdbd, two clusters behind it (a slurmctld and slurmds each), and slurmrestd
twice: by TCP with tokens, and by a unix socket for root. All files are in one directory of its
own, all ports are free ones, so several stacks can run at once. Only processes that were started
here are ended, by their own handle.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

from hpcbilling.embedded.account import Account
from hpcbilling.embedded.process import Server, run_as
from tests.slurm import configuration, machine, packages
from tests.slurm.configuration import DATABASE, DATABASE_PASSWORD, Layout, Node

Answer = TypeVar("Answer")

MAIN = "alpha"
OTHER = "beta"
WAIT_SECONDS = 60.0
FIRST_JOB = 101
# Every Debian has these; Slurm starts jobs only as users that the machine knows.
USERS = {"games": "genomics", "news": "genomics", "backup": "climate", "list": "climate"}
OPERATOR = "proxy"
REST_ACCOUNT = "daemon"  # slurmrestd refuses root and SlurmUser


class Stack:
    """The installation. Use it as a context manager; `start` takes about ten seconds."""

    def __init__(self) -> None:
        packages.provide()
        self.directory = Path(tempfile.mkdtemp(prefix="slurm-", dir="/var/tmp"))
        self.directory.chmod(0o755)
        mariadb, slurmdbd, rest, main, other, *nodes = machine.free_ports(10)
        self.layout = Layout(
            self.directory, socket.gethostname().partition(".")[0], mariadb, slurmdbd, rest
        )
        self.clusters = {
            MAIN: machine.Cluster(
                MAIN,
                main,
                (
                    Node("a1", nodes[0], "a100"),
                    Node("a2", nodes[1], "a100"),
                    Node("a3", nodes[2], "h100", threads=2),
                    Node("a4", nodes[3], "h100", threads=2),
                ),
                FIRST_JOB,
            ),
            OTHER: machine.Cluster(OTHER, other, (Node("b1", nodes[4], "a100"),), FIRST_JOB),
        }
        self.servers: dict[str, Server] = {}
        version = subprocess.check_output([packages.program("slurmd"), "-V"], text=True)
        self.version = tuple(int(part) for part in re.findall(r"\d+", version))

    # -- Its life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        self._make_files()
        self.start_mariadb()
        self._make_database()
        self.start_munged()
        self.start_slurmdbd()
        self._make_associations()
        for name in self.clusters:
            self.start_slurmctld(name)
        for name in self.clusters:
            self.start_slurmds(name)
        self.start_slurmrestd()
        self.start_slurmrestd_socket()
        for cluster in self.clusters.values():
            self.wait_for_nodes(cluster.name)

    def close(self) -> None:
        """End what was started here, jobs included, and drop its files."""
        for name in self.clusters:
            controller = self.servers.get(f"slurmctld.{name}")
            if controller and controller.process.poll() is None:
                with contextlib.suppress(machine.CommandFailedError, subprocess.TimeoutExpired):
                    self.run("scancel", "--full", *(f"--user={u}" for u in USERS), cluster=name)
        for name in [n for n in reversed(self.servers) if n != "mariadb"]:
            self.servers[name].process.send_signal(self.servers[name].stop_signal)
        for name in reversed(self.servers):
            self.servers[name].stop()
        self._end_steps()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self, name: str) -> None:
        """kill -9, by its handle."""
        self.servers[name].process.kill()
        self.servers[name].process.wait()

    def forget(self, cluster: str) -> None:
        """Drop all that a slurmctld, which must not run, would remember: it starts from nothing."""
        state = self.directory / cluster / "state"
        shutil.rmtree(state)
        self._folder(state, machine.account("slurm"))

    def _end_steps(self) -> None:
        """slurmstepd lives in a session of its own and outlives its slurmd; end those of ours."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                program = (entry / "exe").readlink().name
                variables = (entry / "environ").read_bytes()
                if "slurmstepd" in program and bytes(self.directory) in variables:
                    os.kill(int(entry.name), signal.SIGKILL)

    # -- Files ------------------------------------------------------------------------------------

    def _make_files(self) -> None:
        layout, slurm = self.layout, machine.account("slurm")
        for name, owner in {
            "mysql": machine.account("mysql"),
            "munge": machine.account("munge"),
            "rest": machine.account(REST_ACCOUNT),
            "run": slurm,
            "logs": slurm,
        }.items():
            self._folder(self.directory / name, owner)
        self._write("munge/key", secrets.token_bytes(1024), machine.account("munge"), 0o400)
        self._write("jwt.key", secrets.token_bytes(32), slurm, 0o600)
        for number in range(configuration.GPUS):
            self._write(f"gpu{number}", "", None, 0o644)
        self._write("mysql/my.cnf", configuration.mariadb(layout), None, 0o644)
        self._write("slurmdbd.conf", configuration.slurmdbd(layout), slurm, 0o600)
        for cluster in self.clusters.values():
            home = self.directory / cluster.name
            self._folder(home, slurm)
            self._folder(home / "state", slurm)
            for name, text in {
                "slurm.conf": configuration.slurm(
                    layout, cluster.name, cluster.port, cluster.nodes, cluster.first_job
                ),
                "gres.conf": configuration.gres(cluster.nodes, self.directory),
                "cgroup.conf": configuration.cgroup(self.version, self.directory / "cgroup"),
            }.items():
                self._write(f"{cluster.name}/{name}", text, None, 0o644)
            # slurmdbd looks for its own file beside the slurm.conf that it is given.
            (home / "slurmdbd.conf").symlink_to(self.directory / "slurmdbd.conf")

    def _folder(self, path: Path, owner: Account) -> None:
        path.mkdir(mode=0o755)
        owner.owns(path)

    def _write(self, name: str, content: str | bytes, owner: Account | None, mode: int) -> None:
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        if owner:
            owner.owns(path)

    # -- Servers ----------------------------------------------------------------------------------

    def _serve(
        self, name: str, command: Sequence[str | Path], owner: Account | None, **variables: str
    ) -> Server:
        server = Server.start(
            name,
            [packages.program(str(command[0])), *command[1:]],
            log=self.directory / "logs" / f"{name}.out",
            account=owner,
            stop_signal=signal.SIGTERM,
            variables=self.environment() | variables,
            cwd=self.directory,
        )
        self.servers[name] = server
        return server

    def start_mariadb(self) -> None:
        home, owner = self.directory / "mysql", machine.account("mysql")
        if not (home / "data").exists():
            run_as(
                [
                    packages.program("mariadb-install-db"),
                    "--no-defaults",
                    f"--datadir={home}/data",
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                ],
                owner,
                home,
            )
        server = self._serve("mariadb", ["mariadbd", f"--defaults-file={home}/my.cnf"], owner)
        server.wait_until(lambda: self._answers(self.sql, "SELECT 1", database=""))

    def start_munged(self) -> None:
        home = self.directory / "munge"
        self.layout.munge_socket.unlink(missing_ok=True)
        server = self._serve(
            "munged",
            [
                "munged",
                "--foreground",
                f"--socket={self.layout.munge_socket}",
                f"--key-file={home}/key",
                f"--log-file={home}/log",
                f"--pid-file={home}/pid",
                f"--seed-file={home}/seed",
            ],
            machine.account("munge"),
        )
        server.wait_until(self.layout.munge_socket.exists)

    def start_slurmdbd(self) -> None:
        server = self._serve("slurmdbd", ["slurmdbd", "-D"], machine.account("slurm"))
        server.wait_until(lambda: self._answers(self.run, "sacctmgr", "-n", "show", "cluster"))

    def start_slurmctld(self, name: str) -> None:
        conf = str(self.layout.slurm_conf(name))
        server = self._serve(
            f"slurmctld.{name}", ["slurmctld", "-D"], machine.account("slurm"), SLURM_CONF=conf
        )
        server.wait_until(lambda: self._answers(self.run, "scontrol", "ping", cluster=name))

    def start_slurmds(self, name: str) -> None:
        conf = str(self.layout.slurm_conf(name))
        for node in self.clusters[name].nodes:
            self._serve(
                f"slurmd.{node.name}", ["slurmd", "-D", "-N", node.name], None, SLURM_CONF=conf
            )

    def start_slurmrestd(self) -> None:
        """By TCP, with tokens."""
        port = self.layout.slurmrestd_port
        self._serve(
            "slurmrestd",
            ["slurmrestd", "-a", "rest_auth/jwt", f"127.0.0.1:{port}"],
            machine.account(REST_ACCOUNT),
            SLURM_JWT="daemon",
        ).wait_until(lambda: machine.listens(("127.0.0.1", port)))

    def start_slurmrestd_socket(self) -> None:
        """A second one: with tokens, rest_auth/local is refused by slurmdbd."""
        path = self.layout.rest_socket
        self._serve(
            "slurmrestd.unix",
            ["slurmrestd", "-a", "rest_auth/local", f"unix:{path}"],
            machine.account(REST_ACCOUNT),
        ).wait_until(lambda: machine.listens(str(path)))

    @staticmethod
    def _answers(ask: Callable[..., object], *words: str, **options: str) -> bool:
        try:
            ask(*words, **options)
        except (machine.CommandFailedError, subprocess.TimeoutExpired):
            return False
        return True

    def _make_database(self) -> None:
        self.sql(
            f"CREATE DATABASE {DATABASE};"
            f"CREATE USER slurm@'127.0.0.1' IDENTIFIED BY '{DATABASE_PASSWORD}';"
            f"GRANT ALL ON {DATABASE}.* TO slurm@'127.0.0.1'",
            database="",
        )

    def _make_associations(self) -> None:
        """In two sittings: sacctmgr looks at the list of QOS only once in each."""
        for commands in (machine.clusters_and_qos(MAIN, OTHER), machine.associations(OPERATOR)):
            self.run("sacctmgr", "-i", "-Q", typed=commands)

    def wait_for_nodes(self, name: str) -> None:
        count = len(self.clusters[name].nodes)
        self.wait_until(
            lambda: self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N", cluster=name).split(),
            lambda idle: len(set(idle)) == count,
        )

    @staticmethod
    def wait_until(
        ask: Callable[[], Answer],
        enough: Callable[[Answer], bool],
        *,
        seconds: float = WAIT_SECONDS,
    ) -> Answer:
        """Ask until the answer is enough. Raises TimeoutError with the last answer."""
        give_up = time.monotonic() + seconds
        while not enough(answer := ask()):
            if time.monotonic() > give_up:
                raise TimeoutError(f"still {answer!r} after {seconds:g} s")
            time.sleep(0.1)
        return answer

    # -- Talking to it ----------------------------------------------------------------------------

    def environment(self, cluster: str = MAIN) -> dict[str, str]:
        """What a Slurm command of this stack needs in its environment."""
        return {
            "PATH": packages.PATH,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "SLURM_CONF": str(self.layout.slurm_conf(cluster)),
        }

    def run(
        self,
        *command: str,
        cluster: str = MAIN,
        user: str = "",
        typed: str | None = None,
        timeout: float = 60,
    ) -> str:
        """What a command printed. Raises CommandFailedError unless it ended with 0."""
        owner = machine.account(user) if user else None
        done = subprocess.run(
            [packages.program(command[0]), *command[1:]],
            env=self.environment(cluster),
            cwd="/",
            input=typed,
            stdin=subprocess.DEVNULL if typed is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            timeout=timeout,
            user=owner.uid if owner else None,
            group=owner.gid if owner else None,
            extra_groups=[] if owner else None,
        )
        if done.returncode:
            raise machine.CommandFailedError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def sql(self, statements: str, *, database: str = DATABASE) -> list[list[str]]:
        """Rows of MariaDB, as texts."""
        printed = self.run(
            "mariadb",
            "--no-defaults",
            "--default-character-set=utf8mb4",
            f"--socket={self.layout.mariadb_socket}",
            "--user=root",
            "--batch",
            "--skip-column-names",
            *([database] if database else []),
            typed=statements,
            timeout=600,
        )
        return [line.split("\t") for line in printed.splitlines()]

    def token(self, user: str = OPERATOR, seconds: int = 3600) -> str:
        """A JWT of slurmctld for a user."""
        printed = self.run("scontrol", "token", f"username={user}", f"lifespan={seconds}")
        return printed.strip().removeprefix("SLURM_JWT=")

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.layout.slurmrestd_port}"

    @property
    def rest_socket_url(self) -> str:
        return f"unix:{self.layout.rest_socket}"

    def logs(self, name: str) -> str:
        return (self.directory / "logs" / name).read_text(errors="replace")

    def facts(self) -> str:
        """Where it is, for a person or another program."""
        return json.dumps(
            {
                "SLURM_CONF": str(self.layout.slurm_conf(MAIN)),
                "rest": self.rest_url,
                "rest_socket": str(self.layout.rest_socket),
                "clusters": list(self.clusters),
                "operator": OPERATOR,
            },
            indent=2,
        )


@contextlib.contextmanager
def running() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack
