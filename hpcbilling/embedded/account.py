"""Which operating-system user the servers run as. PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An unprivileged user to drop to, as `subprocess.Popen` takes it."""

    uid: int
    gid: int

    def owns(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)


def drop_to() -> Account | None:
    """The user that servers run as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return Account(65534, 65534)


def can_reach(path: Path, account: Account | None) -> bool:
    """Whether `account` may pass through every directory above `path` (a home may be 0700)."""
    if account is None:
        return True
    for parent in path.resolve().parents:
        found = parent.stat()
        if found.st_uid == account.uid:
            allowed = found.st_mode & stat.S_IXUSR
        elif found.st_gid == account.gid:
            allowed = found.st_mode & stat.S_IXGRP
        else:
            allowed = found.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def within_reach(program: Path, package: Path, scratch: Path, account: Account | None) -> Path:
    """`program`, or the same in a copy of `package` under `scratch` that `account` can reach.

    Wheels find their libraries relative to themselves, so the package is copied whole, with the
    `NAME.libs` beside it.
    """
    if can_reach(program, account):
        return program
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, scratch / folder.name, symlinks=True, dirs_exist_ok=True)
    return scratch / package.name / program.relative_to(package)
