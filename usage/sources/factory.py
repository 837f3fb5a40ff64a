"""The sources of a cluster, made from what its settings name.

The database holds only the kind and a name. Addresses, commands and secrets are the operator's:
they stand in the file that ``SLURM_CONNECTIONS`` names, and can't be set from the console.
"""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings

from usage.connections import (
    Connection,
    ConnectionsInvalid,
    SacctConnection,
    SlurmrestdConnection,
    configured,
)
from usage.sources.base import Source, SourceFailed
from usage.sources.command import SacctCommand
from usage.sources.folder import Folder
from usage.sources.slurmrestd import Slurmrestd
from usage.sources.versions import Versions

_VERSIONS = Versions()
_SLURM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)


def make_source(
    kind: str,
    place: str,
    *,
    slurm_name: str,
    time_zone: str = "UTC",
    reads_steps: bool = False,
    is_trial: bool = False,
) -> Source:
    """Return a source, without having talked to it.

    ``place`` is the name of a connection, or for a folder its path below the site's drop folder.
    ``slurm_name`` is what Slurm calls the cluster; ``time_zone`` is the cluster's, in which the
    days in file names and the times in its files are meant. ``reads_steps`` asks for the steps of
    jobs too, which tell what they used; a folder has what was put there. A trial takes nothing for
    known that was found a little while ago. Raises SourceFailed (code ``connection``) if there is
    no such connection, or it is of another kind.
    """
    if _SLURM_NAME.fullmatch(slurm_name) is None:
        raise SourceFailed("connection", f"{slurm_name[:64]!r} can't be a cluster's name in Slurm.")
    if kind == "folder":
        return Folder(Path(settings.DROP_FOLDER_ROOT), place, zone=ZoneInfo(time_zone))
    connection = _connection(place)
    if kind == "slurmrestd" and isinstance(connection, SlurmrestdConnection):
        versions = None if is_trial else _VERSIONS
        return Slurmrestd(
            connection, cluster=slurm_name, reads_steps=reads_steps, versions=versions
        )
    if kind == "sacct" and isinstance(connection, SacctConnection):
        return SacctCommand(connection, cluster=slurm_name, reads_steps=reads_steps)
    raise SourceFailed(
        "connection",
        f"The connection {place!r} is of kind {connection.kind!r}, but the cluster's source says"
        f" {kind!r}.",
    )


def _connection(name: str) -> Connection:
    try:
        found = configured().get(name)
    except ConnectionsInvalid as error:
        raise SourceFailed("connection", str(error)) from error
    if found is None:
        named = str(settings.SLURM_CONNECTIONS or "")
        advice = f"Add it to {named}." if named else "SLURM_CONNECTIONS names no file here."
        raise SourceFailed("connection", f"There is no connection {name!r}. {advice}")
    return found
