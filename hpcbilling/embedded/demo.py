"""`make demo`: the whole product on this machine, until Ctrl-C.

Services → migrations → demo data → web server, worker and beat. Their logs are in
`.services/logs/`; the terminal shows the address and the demo logins. Data stays in `.services/`.

The demo's people and jobs come from `manage.py seed_demo`, which does nothing the second time and
prints the logins each time.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from hpcbilling.embedded import services
from hpcbilling.embedded.binaries import ServerNotFoundError
from hpcbilling.embedded.process import Server, ServerFailedError
from hpcbilling.embedded.services import PROJECT
from hpcbilling.environment import DEVELOPMENT, services_directory

PYTHON = sys.executable
SELLER = {
    "SITE_NAME": "HPC Billing",
    "SITE_ADDRESS": "Computing Centre, Example University, 999 Science Road, Bangkok 10400",
    "SITE_TAX_ID": "0994000160011",
    "SITE_BRANCH": "00000",
    "SITE_CONTACT": "billing@demo.example, 02 555 0100",
    "SITE_BANK_DETAILS": "Example Bank, HPC account 123-4-56789-0",
    "SITE_PROMPTPAY_ID": "0994000160011",
    "DOCUMENT_AT_PAYMENT": "receipt_tax_invoice",
}
"""Who the demo's documents are from: nobody that there is."""


def commands() -> dict[str, list[str]]:
    """The three programs of the product, as a production site runs them too."""
    celery = [PYTHON, "-m", "celery", "-A", "hpcbilling"]
    return {
        "web": [
            *(PYTHON, "-m", "gunicorn", "hpcbilling.wsgi"),
            *("--config", "python:hpcbilling.gunicorn_conf"),
        ],
        "worker": [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO"],
        "beat": [*celery, "beat", "--pidfile=", "--loglevel", "INFO"],
    }


def main() -> int:
    port = int(os.environ.get("PORT") or "8000")
    try:
        with services.stopped_by_signals():
            _demonstrate(port)
    except KeyboardInterrupt:
        _say("\nStopped. The data stays; `make demo-reset` deletes it.")
        return 0
    except (ServerNotFoundError, ServerFailedError) as error:
        _say(str(error))
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def _demonstrate(port: int) -> None:
    if _listens(port):
        raise ServerFailedError(
            f"Port {port} is taken, perhaps by another demo. Choose one: `make demo PORT=8001`."
        )
    state = services_directory(PROJECT)
    metrics = state / "metrics"
    also = {
        "ENVIRONMENT": os.environ.get("ENVIRONMENT", DEVELOPMENT),
        "PORT": str(port),
        "DEMO": "true",
        **{name: os.environ.get(name, value) for name, value in SELLER.items()},
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        # One file for each e-mail; the path keeps its first slash by being given two.
        "EMAIL_URL": os.environ.get("EMAIL_URL") or f"filemail:///{state / 'mail'}",
    }
    if connections := os.environ.get("SLURM_CONNECTIONS"):
        also["SLURM_CONNECTIONS"] = str(Path(connections).resolve())
    _say("Starting PostgreSQL and Redis…")
    with ExitStack() as stack:
        found = stack.enter_context(services.kept(also=also))
        variables = {**os.environ, **also, **found}
        for old in metrics.glob("*.db"):
            old.unlink()
        _say("Preparing the database…")
        _manage(["migrate", "--verbosity", "0"], variables)
        logins = _seed(variables)
        logs = state / "logs"
        logs.mkdir(exist_ok=True)
        running = []
        for name, command in commands().items():
            program = _start(name, command, logs / f"{name}.log", variables)
            stack.callback(program.stop)
            running.append(program)
        running[0].wait_until(lambda: _ready(port))
        _say(f"\n{logins}\n\nE-mails are kept in {state / 'mail'}/, none leaves this machine.")
        _say(f"Ready: http://localhost:{port}/   (Ctrl-C stops everything)\n")
        _watch(running)


def _seed(variables: Mapping[str, str]) -> str:
    """Make the demo's data at the first run; returns the logins to show."""
    if not any(PROJECT.glob("*/management/commands/seed_demo.py")):
        return "No demo data is here yet."
    _say("Preparing the demo's people and jobs…")
    return _manage(["seed_demo"], variables, show=False).strip()


def _manage(arguments: list[str], variables: Mapping[str, str], *, show: bool = True) -> str:
    done = subprocess.run(
        [PYTHON, "manage.py", *arguments],
        env={**variables, "LOG_LEVEL": "WARNING"},
        cwd=PROJECT,
        check=True,
        stdout=None if show else subprocess.PIPE,
        text=True,
    )
    return done.stdout or ""


def _start(name: str, command: list[str], log: Path, variables: Mapping[str, str]) -> Server:
    log.unlink(missing_ok=True)
    return Server.start(
        name,
        command,
        log=log,
        account=None,
        stop_signal=signal.SIGTERM,
        variables=variables,
        cwd=PROJECT,
    )


def _watch(running: list[Server]) -> None:
    """Return never; raise when one of the programs ends by itself."""
    while True:
        for program in running:
            if program.process.poll() is not None:
                raise ServerFailedError(f"{program.name} ended:\n{program.log_tail()}")
        time.sleep(0.5)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command line speaks to a person


if __name__ == "__main__":
    sys.exit(main())
