"""`make demo` from nothing to a page that answers, and down again."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpcbilling.embedded.process import free_port
from hpcbilling.environment import running_services

PROJECT = Path(__file__).resolve().parents[2]
UNSET = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "ENVIRONMENT"}


def fingerprint(directory: Path) -> str:
    return hashlib.sha256(str(directory).encode()).hexdigest()[:16]


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A demo of its own, beside one that may be running in the project."""
    tmp_path.chmod(0o755)
    monkeypatch.setenv("DEMO_DIRECTORY", str(tmp_path / "demo"))
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    return kept | {"PORT": str(free_port())}


@pytest.fixture
def demo(variables: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "hpcbilling.embedded.demo"],
            env=variables,
            cwd=PROJECT,
            stdout=said,
            stderr=said,
        )
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(60)


def wait_for(demo: subprocess.Popen[bytes], said: Path, text: str) -> str:
    give_up = time.monotonic() + 600  # from nothing, on a machine that others use, too
    while text not in said.read_text(encoding="utf-8"):
        assert demo.poll() is None, said.read_text(encoding="utf-8")
        assert time.monotonic() < give_up, said.read_text(encoding="utf-8")
        time.sleep(0.2)
    return said.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_demo_starts_answers_and_stops_cleanly(
    demo: subprocess.Popen[bytes], variables: dict[str, str], tmp_path: Path
) -> None:
    address = f"http://localhost:{variables['PORT']}/"
    said = wait_for(demo, tmp_path / "said", "Ready:")
    assert address in said
    with urllib.request.urlopen(f"{address}admin/login/") as page:
        assert page.status == 200

    again = subprocess.run(
        [sys.executable, "-m", "hpcbilling.embedded.demo"],
        env=variables,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert f"Port {variables['PORT']} is taken" in again.stdout

    shown = subprocess.run(
        [sys.executable, "manage.py", "showmigrations", "--plan"],
        env=variables,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"^\[X\]", shown)
    assert "[ ]" not in shown

    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0
    assert "Stopped." in (tmp_path / "said").read_text(encoding="utf-8")
    assert running_services(PROJECT) == {}
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address)

    reset = [sys.executable, "-m", "hpcbilling.embedded", "--reset"]
    subprocess.run(reset, env=variables, cwd=PROJECT, check=True)
    assert not (tmp_path / "demo").exists()
    assert not list(Path("/var/tmp").glob(f"hpcbilling-{fingerprint(tmp_path / 'demo')}*"))
