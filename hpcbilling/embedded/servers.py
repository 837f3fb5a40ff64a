"""PostgreSQL and Redis as this project starts them."""

import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from hpcbilling.embedded import binaries
from hpcbilling.embedded.account import Account, within_reach
from hpcbilling.embedded.process import Server, free_port, run_as

SUPERUSER = "postgres"
OWNER = "hpcbilling_owner"
APPLICATION = "hpcbilling_app"
DATABASE = "hpcbilling"


@dataclass(frozen=True)
class Place:
    """Where servers keep their files, and as whom they run."""

    directory: Path
    account: Account | None
    throw_away: bool

    def make(self, name: str) -> Path:
        """A private directory of the servers' user."""
        path = self.directory / name
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            self.account.owns(path)
        return path

    def write(self, path: Path, text: str) -> Path:
        """A file that only the servers' user (and root) can read."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        if self.account:
            self.account.owns(path)
        return path

    def password(self, name: str) -> str:
        """The generated password `name`, made at first use and kept in a 0600 file."""
        path = self.make("passwords") / name
        if not path.exists():
            self.write(path, secrets.token_urlsafe(24))
        return path.read_text(encoding="utf-8")

    def reachable(self, program: Path, package_depth: int) -> Path:
        """`program`, copied out of a virtual environment that the servers' user can't reach."""
        package = program.parents[package_depth]
        return within_reach(program, package, self.directory, self.account)


def _package_depth(program: Path) -> int:
    """How many directories above `program` its package's root is (wheels only matter)."""
    parts = program.parts
    if "site-packages" not in parts:
        return 0
    return len(parts) - parts.index("site-packages") - 3


def _reach(place: Place, program: Path) -> Path:
    return place.reachable(program, _package_depth(program))


def _postgres_options(*, throw_away: bool) -> dict[str, str]:
    options = {
        "listen_addresses": "127.0.0.1",
        # TCP only: socket paths have a length limit that deep project directories exceed.
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "128MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    if throw_away:
        options |= {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "wal_init_zero": "off",
            "wal_buffers": "16MB",  # as larger servers have it by default
            "max_wal_size": "2GB",
        }
    return options


def start_postgres(place: Place) -> tuple[Server, int]:
    """Start PostgreSQL on a free port, making its data directory at first use."""
    data = place.directory / "postgres"
    version_file = data / "PG_VERSION"
    wanted = int(version_file.read_text(encoding="utf-8")) if version_file.exists() else None
    bin_dir = _reach(place, binaries.find_postgres(wanted) / "postgres").parent
    password = place.password(SUPERUSER)
    if wanted is None:
        place.make("postgres")
        run_as(
            [
                bin_dir / "initdb",
                f"--pgdata={data}",
                f"--username={SUPERUSER}",
                f"--pwfile={place.directory / 'passwords' / SUPERUSER}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
            place.account,
            data,
        )
    port = free_port()
    options = _postgres_options(throw_away=place.throw_away) | {"port": str(port)}
    server = Server.start(
        "PostgreSQL",
        [bin_dir / "postgres", "-D", data, *(f"--{k}={v}" for k, v in options.items())],
        log=place.make("logs") / "postgres.log",
        account=place.account,
        # Fast shutdown keeps data whole; data that is thrown away may as well be dropped at once.
        stop_signal=signal.SIGQUIT if place.throw_away else signal.SIGINT,
    )
    server.wait_until(lambda: _postgres_answers(_superuser_dsn(port, password)))
    return server, port


def _superuser_dsn(port: int, password: str) -> str:
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=port, user=SUPERUSER, password=password, dbname="postgres"
    )


def _postgres_answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def create_roles(place: Place, port: int) -> None:
    """The two roles and the database, made where missing.

    The owner owns the tables and may make databases (tests clone theirs); the application owns
    nothing, so it can't disable a trigger or drop a constraint.
    """
    with psycopg.connect(
        _superuser_dsn(port, place.password(SUPERUSER)), autocommit=True
    ) as connection:
        for role, rights in ((OWNER, "CREATEDB"), (APPLICATION, "NOCREATEDB")):
            exists = connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", [role]
            ).fetchone()
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEROLE {} PASSWORD {}").format(
                    sql.SQL("ALTER" if exists else "CREATE"),
                    sql.Identifier(role),
                    sql.SQL(rights),
                    sql.Literal(place.password(role)),
                )
            )
        if place.throw_away:
            # Tests drop databases as the owner, who must then be able to end the application's
            # connections. The other way round nothing is granted.
            connection.execute(
                sql.SQL("GRANT {} TO {}").format(sql.Identifier(APPLICATION), sql.Identifier(OWNER))
            )
        if not connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
        ).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )


def database_urls(place: Place, port: int) -> dict[str, str]:
    """`DATABASE_URL` and `DATABASE_OWNER_URL` of a started PostgreSQL."""
    return {
        name: f"postgres://{role}:{place.password(role)}@127.0.0.1:{port}/{DATABASE}"
        for name, role in (("DATABASE_URL", APPLICATION), ("DATABASE_OWNER_URL", OWNER))
    }


def start_redis(place: Place) -> tuple[Server, str]:
    """Start Redis or Valkey on a free port and return its URL.

    Nothing is written to disk: the cache and the queue may be lost at any time by design.
    """
    program = _reach(place, binaries.find_redis())
    password = place.password("redis")
    port = free_port()
    directory = place.make("redis")
    # A file, so that the password is not among the arguments that everyone can list.
    config = place.write(
        directory / "redis.conf",
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'save ""\nappendonly no\ndir {directory}\ndatabases 64\n',
    )
    server = Server.start(
        "Redis",
        [program, config],
        log=place.make("logs") / "redis.log",
        account=place.account,
        stop_signal=signal.SIGTERM,
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    server.wait_until(lambda: _redis_answers(url))
    return server, url


def _redis_answers(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=5).ping())
    except redis.RedisError:
        return False


def answers(database_url: str, redis_url: str) -> bool:
    """Whether both servers can be reached at these addresses."""
    return _postgres_answers(database_url) and _redis_answers(redis_url)
