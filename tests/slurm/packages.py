"""The programs of a real Slurm: found on the machine, or installed from Debian when we are root."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = {
    "mariadbd": "mariadb-server",
    "mariadb": "mariadb-client",
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "slurmdbd": "slurmdbd",
    "slurmrestd": "slurmrestd",
    "sacct": "slurm-client",
    "zstd": "zstd",
}
# Without a program of their own: slurmdbd's storage and the tokens.
PLUGINS = {
    "accounting_storage_mysql.so": "slurm-wlm-mysql-plugin",
    "auth_jwt.so": "slurm-wlm-jwt-plugin",
}
PLUGIN_FOLDERS = ("/usr/lib/*/slurm-wlm", "/usr/lib64/slurm", "/usr/lib/slurm")
PATH = os.pathsep.join(("/usr/sbin", "/sbin", os.environ.get("PATH", os.defpath)))
POLICY = Path("/usr/sbin/policy-rc.d")
ACCOUNTS = ("slurm", "munge", "mysql")


class NoSlurmError(RuntimeError):
    """No Slurm can be started here; the message says what to do."""


def program(name: str) -> str:
    """Where a program is. Raises NoSlurmError."""
    found = shutil.which(name, path=PATH)
    if found is None:
        raise NoSlurmError(f"{name} is missing (Debian has it in {PROGRAMS.get(name, name)})")
    return found


def missing() -> list[str]:
    """Debian's names of what is not there yet."""
    absent = {package for name, package in PROGRAMS.items() if not shutil.which(name, path=PATH)}
    absent |= {package for name, package in PLUGINS.items() if not _plugin(name)}
    return sorted(absent)


def _plugin(name: str) -> bool:
    return any(
        any(Path("/").glob(f"{folder.removeprefix('/')}/{name}")) for folder in PLUGIN_FOLDERS
    )


def provide() -> None:
    """Install what is missing. Raises NoSlurmError where that can't be done."""
    if os.geteuid() != 0:
        raise NoSlurmError("slurmd starts jobs as other users: run `sudo make test-slurm`")
    if absent := missing():
        if shutil.which("apt-get") is None:
            raise NoSlurmError(f"these are missing, and there is no apt-get: {', '.join(absent)}")
        with _no_services():
            install(absent)
    for name in ACCOUNTS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise NoSlurmError(f"there is no user {name}, whom its package makes") from None


def install(names: list[str]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *names]):
        done = subprocess.run(
            ["apt-get", "-o", "DPkg::Lock::Timeout=300", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoSlurmError(f"apt-get {command[0]} failed:\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep the packages from starting the machine's own servers; a policy that is there stays."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
