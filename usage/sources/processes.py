"""Running a command whose output is streamed, within a time, and ending all of it otherwise."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from usage.sources.base import SourceFailed, WindowTooLarge

MAX_STDERR_BYTES = 8192
_BLOCK = 1 << 16
_TICK_SECONDS = 0.2
_GRACE_SECONDS = 2.0
# Our own environment holds secrets that no child needs. What ssh and sacct may need of it:
_PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "KRB5CCNAME", "LD_LIBRARY_PATH",
    "SLURM_CONF",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its status (negative: the signal) and the beginning of its stderr."""

    status: int
    stderr: bytes


def run(
    arguments: Sequence[str],
    *,
    take: Callable[[bytes], None],
    environment: Mapping[str, str],
    seconds: float,
) -> Finished:
    """Run a command, giving its output to ``take`` block by block, and return how it ended.

    Its whole process group is ended if it takes longer (WindowTooLarge) or ``take`` raises. Raises
    SourceFailed (code ``not_started``) if there is no such command.
    """
    until = time.monotonic() + seconds
    process = _start(arguments, environment)
    try:
        with selectors.DefaultSelector() as selector:
            errors = _watch(process, selector, take, until, seconds)
        return Finished(process.wait(max(until - time.monotonic(), 0.01)), errors)
    except subprocess.TimeoutExpired:
        raise _late(seconds) from None
    finally:
        _end(process)


def _start(arguments: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        return subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=passed_on | {"LC_ALL": "C.UTF-8"} | dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise SourceFailed(
            "not_started", f"{arguments[0]} can't be started: {error.strerror}."
        ) from None


def _watch(
    process: "subprocess.Popen[bytes]",
    selector: selectors.BaseSelector,
    take: Callable[[bytes], None],
    until: float,
    seconds: float,
) -> bytes:
    """Pass the output on until it ends; returns what the command complained about."""
    out, err = _pipe(process.stdout), _pipe(process.stderr)
    for pipe in (out, err):
        os.set_blocking(pipe.fileno(), False)
        selector.register(pipe, selectors.EVENT_READ)
    errors = b""
    while out in _open(selector):
        _refuse_late(until, seconds)
        for key, _events in selector.select(_TICK_SECONDS):
            block = os.read(key.fd, _BLOCK)
            if not block:
                selector.unregister(key.fileobj)
            elif key.fileobj is out:
                take(block)
            else:
                errors = (errors + block)[:MAX_STDERR_BYTES]
    # A process left behind, such as a shared ssh connection, may keep stderr open for ever.
    while err in _open(selector):
        _refuse_late(until, seconds)
        ended = _exited(process)
        if not selector.select(_TICK_SECONDS):
            if ended:
                break
            continue
        block = os.read(err.fileno(), _BLOCK)
        if not block:
            selector.unregister(err)
        errors = (errors + block)[:MAX_STDERR_BYTES]
    return errors


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("the command was started without this pipe")
    return pipe


def _open(selector: selectors.BaseSelector) -> set[object]:
    return {key.fileobj for key in selector.get_map().values()}


def _refuse_late(until: float, seconds: float) -> None:
    if time.monotonic() > until:
        raise _late(seconds)


def _late(seconds: float) -> WindowTooLarge:
    return WindowTooLarge("timeout", f"It had not ended after {seconds:g} seconds.")


def _exited(process: "subprocess.Popen[bytes]") -> bool:
    """Whether the command has ended. It keeps its number, so that its group can be ended too."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return process.returncode is not None or os.waitid(os.P_PID, process.pid, options) is not None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the command and all that it started, unless it has ended well, and close the pipes."""
    if process.returncode is None:
        _signal_group(process, signal.SIGTERM)
        until = time.monotonic() + _GRACE_SECONDS
        while not _exited(process) and time.monotonic() < until:
            time.sleep(_TICK_SECONDS / 4)
        _signal_group(process, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
