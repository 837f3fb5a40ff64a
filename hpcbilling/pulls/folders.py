"""The files in a cluster's drop folders.

Whoever puts a file there writes it under a name that ends in ``.part`` and renames it when it is
whole. Files are read in the order of their names and are never moved or deleted: what was read
before is known by its digest and costs no more than reading the file.
"""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from core.actor import Actor
from core.errors import DomainError
from hpcbilling.workflows import finish_import, import_usage
from usage.evidence import sha256_of_stream
from usage.models import Cluster, ImportRun, Source
from usage.selectors import run_of_digest, runs_waiting

UNFINISHED = (".part", ".tmp")


@dataclass(frozen=True, slots=True)
class Visit:
    """How many files lay in the folders, and what is wrong with them, a line each."""

    files: int
    problems: tuple[str, ...]


def read_folders(cluster: Cluster, actor: Actor) -> Visit:
    """Import every file that was not read before, and rate what it brought."""
    files = dropped_files(cluster)
    problems = (_read(cluster, path, actor) for path in files)
    return Visit(len(files), tuple(problem for problem in problems if problem))


def _read(cluster: Cluster, path: Path, actor: Actor) -> str:
    """Import one file unless it was read before; returns what is wrong with it, if anything."""
    try:
        run = _run_of(cluster, path, actor)
    except DomainError as error:
        return f"{path.name}: {error}"
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    if run.error:
        return f"{path.name}: {run.error}"
    if runs_waiting().filter(pk=run.pk).exists():
        return f"{path.name}: {_('incomplete; its jobs wait for a release')}"
    return ""


def _run_of(cluster: Cluster, path: Path, actor: Actor) -> ImportRun:
    """Return the file's import, made now unless there is one. An upload of the same content that
    waits for somebody's word is left to them: this file needs nobody's."""
    with path.open("rb") as stream:
        known = run_of_digest(cluster, sha256_of_stream(stream))
    if known is not None and known.finished_at is not None:
        return known
    if known is not None and known.status == ImportRun.Status.RUNNING:
        return finish_import(run_id=known.pk, actor=actor).run
    with path.open("rb") as stream:
        return import_usage(cluster=cluster, stream=stream, origin=path.name, actor=actor).run


def dropped_files(cluster: Cluster) -> list[Path]:
    """Return the files in a cluster's drop folders by name; hidden and unfinished ones are left.

    A link is left too: whoever may write into the folder must not make us read other files.
    """
    folders = cluster.sources.filter(kind=Source.Kind.FOLDER, is_enabled=True)
    return [path for place in folders.values_list("place", flat=True) for path in _files(place)]


def _files(place: str) -> list[Path]:
    folder = Path(settings.DROP_FOLDER_ROOT) / place
    return (
        sorted(path for path in folder.iterdir() if _is_finished(path)) if folder.is_dir() else []
    )


def _is_finished(path: Path) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and not path.name.startswith(".")
        and path.suffix not in UNFINISHED
    )
