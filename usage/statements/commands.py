"""Asking ``sacct`` and ``sreport`` through an operator's connection: streamed, whole or not at all.

The commands are those of the operator's file; what is added are numbers and Slurm's own options.
"""

import tempfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from core.intervals import Interval
from usage.connections import SacctConnection
from usage.sources.base import MAX_ANSWER_BYTES, SourceFailed
from usage.sources.command import EPOCH
from usage.sources.processes import run
from usage.statements.rows import (
    REPORT_RESOURCES,
    SACCT_COLUMNS,
    ReportLine,
    StatedJob,
    StatementUnreadable,
    report_line,
    sacct_job,
)

ERROR_BYTES = 500
MAX_LINE_BYTES = 1 << 16


def stated_jobs(
    connection: SacctConnection, *, slurm_name: str, window: Interval
) -> Iterator[StatedJob]:
    """Yield what sacct says of each attempt that was held within a window, with times that Slurm
    cuts to it. Raises SourceFailed or StatementUnreadable, also after rows were given out."""
    since, until = _epoch(window)
    lines = _printed(
        connection,
        connection.command[-1],
        "--allusers",
        "--duplicates",
        "--allocations",
        "--truncate",
        "--parsable2",
        "--noheader",
        "--noconvert",
        f"--clusters={slurm_name}",
        f"--starttime=uts{since}",
        f"--endtime=uts{until}",
        f"--format={','.join(SACCT_COLUMNS)}",
    )
    for line in lines:
        job = sacct_job(line)
        if job is not None:
            yield job


def report_command(connection: SacctConnection) -> str | None:
    """Return the sreport that stands beside the connection's sacct, or None if its last word is
    some other program, such as a wrapper script."""
    path = PurePosixPath(connection.command[-1])
    return str(path.with_name("sreport")) if path.name == "sacct" else None


def report_lines(
    connection: SacctConnection, *, slurm_name: str, window: Interval
) -> Iterator[ReportLine]:
    """Yield what sreport says each user of an account used. Its window begins and ends on the hour:
    Slurm rolls usage up by the hour. Raises SourceFailed or StatementUnreadable."""
    program = report_command(connection)
    if program is None:
        raise SourceFailed("not_started", "There is no sreport beside this connection's command.")
    since, until = _epoch(window)
    lines = _printed(
        connection,
        program,
        "--parsable2",
        "--noheader",
        "-t",
        "Seconds",
        "-T",
        ",".join(REPORT_RESOURCES),
        "cluster",
        "AccountUtilizationByUser",
        f"clusters={slurm_name}",
        f"start=uts{since}",
        f"end=uts{until}",
    )
    for line in lines:
        found = report_line(line)
        if found is not None:
            yield found


def _epoch(window: Interval) -> tuple[int, int]:
    return int(window.start.timestamp()), int(window.end.timestamp())


def _printed(connection: SacctConnection, program: str, *arguments: str) -> Iterator[str]:
    """Yield the lines that a program printed, once it has ended well and in time.

    Behind a wrapper such as ssh, which may not pass variables on, they are part of the command.
    """
    variables = dict((*EPOCH.items(), *connection.environment))
    wrapper = list(connection.command[:-1])
    if wrapper:
        wrapper += ["env", *(f"{name}={value}" for name, value in variables.items())]
    with tempfile.TemporaryFile() as output:
        finished = run(
            [*wrapper, program, *arguments],
            take=lambda block: _write(output, block),
            environment=variables,
            seconds=connection.timeout_seconds,
        )
        told = finished.stderr[:ERROR_BYTES].decode("utf-8", "replace").strip()
        if finished.status:
            raise SourceFailed("exit_status", f"It ended with status {finished.status}: {told}")
        if told:
            raise SourceFailed("stderr", f"It ended well, but complained: {told}")
        output.seek(0)
        while line := output.readline(MAX_LINE_BYTES):
            if not line.endswith(b"\n"):
                raise StatementUnreadable("The output ends within a line, or a line never ends.")
            yield line.decode("utf-8", "replace").removesuffix("\n")


def _write(output: IO[bytes], block: bytes) -> None:
    output.write(block)
    if output.tell() > MAX_ANSWER_BYTES:
        raise SourceFailed("too_large", f"It printed more than {MAX_ANSWER_BYTES} bytes.")
