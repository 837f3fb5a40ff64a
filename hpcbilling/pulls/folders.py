"""The files in a cluster's drop folders, whatever they are called.

Whoever puts a file there writes it under a name that ends in ``.part`` and renames it when it is
whole. Files are read in the order of their names and are never moved or deleted: what was read
before is known by its digest and costs no more than reading the file. How a folder is opened, and
what in it is left, is the same as for windows: ``usage.sources.drop_folder``.
"""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils import translation

from core.actor import Actor
from core.errors import DomainError
from hpcbilling.workflows import finish_import, import_usage
from usage.models import Cluster, ImportRun, Source
from usage.remarks import Remark
from usage.selectors import run_of_digest, runs_waiting
from usage.sources.base import SourceFailed
from usage.sources.drop_folder import DropFolder
from usage.sources.formats import sha256_of_stream


@dataclass(frozen=True, slots=True)
class Visit:
    """How many files lay in the folders, and what is odd about them."""

    files: int
    remarks: tuple[Remark, ...]


def read_folders(cluster: Cluster, actor: Actor) -> Visit:
    """Import every file that was not read before, and rate what it brought."""
    places = cluster.sources.filter(kind=Source.Kind.FOLDER, is_enabled=True)
    count, remarks = 0, list[Remark]()
    for place in places.values_list("place", flat=True):
        try:
            folder = DropFolder(Path(settings.DROP_FOLDER_ROOT), place)
            names = folder.names()
        except SourceFailed as refusal:
            remarks.append({"code": "folder", "place": place, "error": refusal.message})
            continue
        count += len(names)
        remarks += filter(None, (_read(cluster, folder, name, actor) for name in names))
    return Visit(count, tuple(remarks))


def _read(cluster: Cluster, folder: DropFolder, name: str, actor: Actor) -> Remark | None:
    """Import one file unless it was read before; returns what is odd about it, if anything."""
    try:
        run = _run_of(cluster, folder, name, actor)
    except SourceFailed as refusal:
        return {"code": "text", "error": refusal.message}
    except DomainError as error:
        with translation.override("en"):
            said = str(error)
        return {"code": "file_refused", "name": name, "refusal": error.code, "error": said}
    except OSError as error:
        return {"code": "file", "name": name, "error": error.strerror or str(error)}
    return _remark_on(run, name)


def _remark_on(run: ImportRun, name: str) -> Remark | None:
    if run.error:
        refusal = {"refusal": run.error_code, "error": run.error}
        return {"code": "file_refused", "name": name, **refusal}
    if runs_waiting().filter(pk=run.pk).exists():
        return {"code": "file_held", "name": name}
    if run.jobs_older:
        return {"code": "file_older", "name": name, "jobs": run.jobs_older}
    return None


def _run_of(cluster: Cluster, folder: DropFolder, name: str, actor: Actor) -> ImportRun:
    """Return the file's import, made now unless there is one. An upload of the same content that
    waits for somebody's word is left to them: this file needs nobody's."""
    with folder.open(name) as stream:
        known = run_of_digest(cluster, sha256_of_stream(stream))
    if known is not None and known.finished_at is not None:
        return known
    if known is not None and known.status == ImportRun.Status.RUNNING:
        return finish_import(run_id=known.pk, actor=actor).run
    with folder.open(name) as stream:
        return import_usage(cluster=cluster, stream=stream, origin=name, actor=actor).run
