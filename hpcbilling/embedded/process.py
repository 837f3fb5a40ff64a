"""Starting and stopping one server."""

import ctypes
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hpcbilling.embedded.account import Account

START_SECONDS = 90
STOP_SECONDS = 20.0
LOG_TAIL_BYTES = 2000
PR_SET_PDEATHSIG = 1


class ServerFailedError(RuntimeError):
    """A server ended or did not answer; the message has the end of its log."""


def free_port() -> int:
    """A loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent(stop_signal: int) -> None:  # pragma: no cover - in the child, before exec
    """On Linux the kernel ends the server when the launcher is killed with -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop_signal)


def server_environment() -> dict[str, str]:
    """What a server sees of our environment: nothing that libpq or a locale would take up."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def run_as(command: Sequence[str | Path], account: Account | None, cwd: Path) -> None:
    """Run `command` to its end as `account`; a failure shows what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=server_environment(),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode:
        raise ServerFailedError(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}")


@dataclass
class Server:
    """A running server, in a session of its own so that the terminal's Ctrl-C reaches only us."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: int

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        account: Account | None,
        stop_signal: int,
        variables: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> "Server":
        """Start `command`; what it prints goes to `log`, after what is there already."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # No other thread runs yet.
                preexec_fn=partial(_die_with_parent, stop_signal),  # noqa: PLW1509
                env=dict(variables) if variables else server_environment(),
                cwd=cwd or log.parent,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        return cls(name, process, log, stop_signal)

    def wait_until(self, answers: Callable[[], bool]) -> None:
        """Return when the server answers; raise when it ends first or takes too long."""
        give_up = time.monotonic() + START_SECONDS
        while not answers():
            if self.process.poll() is not None:
                raise ServerFailedError(f"{self.name} ended at its start:\n{self.log_tail()}")
            if time.monotonic() > give_up:
                self.stop()
                raise ServerFailedError(f"{self.name} did not answer:\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self) -> str:
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def stop(self) -> None:
        """Ask it to stop, insist after a while; calling it again does nothing."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
