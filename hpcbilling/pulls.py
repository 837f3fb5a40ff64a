"""The nightly visit to a cluster's drop folder.

Whoever puts a file there writes it under a name that ends in ``.part`` and renames it when it is
whole. Files are read in the order of their names and are never moved or deleted: what was read
before is known by its digest and costs no more than reading the file.
"""

from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.actor import Actor
from core.errors import DomainError
from core.locks import Space, session_lock
from hpcbilling.workflows import finish_import, import_usage
from usage.evidence import sha256_of_stream
from usage.models import Cluster, ImportRun, Pull, Source
from usage.selectors import run_of_digest, runs_waiting

UNFINISHED = (".part", ".tmp")


def pull_cluster(*, cluster_id: int, actor: Actor, again: bool = False) -> Pull | None:
    """Import what lies in a cluster's drop folder, once per night however often it is called.

    One caller at a time has the cluster; a night whose worker died before it finished is taken up
    again. ``again`` repeats a night that is done. Returns None if there is nothing to do: the
    night is done, or being done by someone else, or the cluster is not enabled.
    """
    with session_lock(Space.PULL, cluster_id) as held:
        cluster = Cluster.objects.get(pk=cluster_id)
        if not (held and cluster.is_enabled):
            return None
        return _pull(cluster, actor=actor, again=again)


def _pull(cluster: Cluster, *, actor: Actor, again: bool) -> Pull | None:
    pull, _created = Pull.objects.get_or_create(
        cluster=cluster, slot=timezone.localdate(), kind=Pull.Kind.NIGHTLY
    )
    if pull.finished_at is not None:
        if not again:
            return None
        Pull.objects.filter(pk=pull.pk).update(finished_at=None)
    files = dropped_files(cluster)
    problems = [_read(cluster, path, actor) for path in files]
    with transaction.atomic():
        Pull.objects.filter(pk=pull.pk, finished_at=None).update(
            finished_at=timezone.now(),
            files=len(files),
            error="\n".join(problem for problem in problems if problem),
        )
    pull.refresh_from_db()
    return pull


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
    with path.open("rb") as stream:
        known = run_of_digest(cluster, sha256_of_stream(stream))
    if known is not None and known.finished_at is not None:
        return known
    if known is not None:
        return finish_import(run_id=known.pk, actor=actor).run
    with path.open("rb") as stream:
        return import_usage(cluster=cluster, stream=stream, origin=path.name, actor=actor).run


def resume_pulls(*, actor: Actor) -> int:
    """Go on with tonight's pulls whose worker died. Returns how many were brought to their end."""
    broken_off = Pull.objects.filter(slot=timezone.localdate(), finished_at=None)
    clusters = list(broken_off.values_list("cluster_id", flat=True))
    return sum(pull_cluster(cluster_id=pk, actor=actor) is not None for pk in clusters)


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
