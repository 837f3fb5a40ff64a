"""`python -m hpcbilling.embedded [--keep] [COMMAND…]`: run a command with services around it.

Without COMMAND the addresses are printed and the services run until Ctrl-C. `--keep` uses the
project's kept services instead of throw-away ones.
"""

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence

from hpcbilling.embedded import services
from hpcbilling.embedded.binaries import ServerNotFoundError
from hpcbilling.embedded.process import ServerFailedError
from hpcbilling.environment import DEVELOPMENT


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hpcbilling.embedded", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="the project's own, kept services")
    parser.add_argument("--reset", action="store_true", help="delete the kept data and leave")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    try:
        if options.reset:
            services.forget()
            return 0
        chosen = services.kept() if options.keep else services.throw_away()
        with services.stopped_by_signals(), chosen as found:
            return _run(options.command, found)
    except (ServerNotFoundError, ServerFailedError, RuntimeError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line speaks to a person
        return 1
    except KeyboardInterrupt:
        return 130


def _run(command: Sequence[str], found: dict[str, str]) -> int:
    """Run `command` to its end, or without one wait for Ctrl-C."""
    variables = {"ENVIRONMENT": os.environ.get("ENVIRONMENT", DEVELOPMENT), **found}
    if not command:
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        return 0
    process = subprocess.Popen(list(command), env={**os.environ, **variables})
    try:
        return process.wait()
    except BaseException:
        # Ctrl-C reached the command too; after a SIGTERM to us alone it has to be told.
        process.terminate()
        process.wait()
        raise


if __name__ == "__main__":
    sys.exit(main())
