"""Whether an input is a cluster's own: rows of other clusters, and times in another zone.

A job's identity is its cluster, id and submit time. Rows of another cluster, or local times read in
another zone, would be new jobs and be billed a second time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict
from core.locks import lock_rows
from usage.models import Cluster, ImportRun
from usage.reasons import FileRefused, Reason
from usage.sources.sacct import Parsed

HELD_ROWS = 2000
"""So many rows are looked at before any is imported; beyond, the input is read a second time."""
_SHOWN_NAMES = 10


class NotOurs(FileRefused):
    """An input none of whose rows can be imported for this cluster as it is set up.

    ``names``: the clusters that it names instead; empty if it is about the time zone.
    """

    def __init__(self, code: str, message: str, names: Sequence[str] = ()) -> None:
        super().__init__(code, message)
        self.names = tuple(names)


def own_rows(
    cluster: Cluster, rows: Iterable[Parsed], reopen: Callable[[], Iterable[Parsed]] | None = None
) -> Iterator[Parsed]:
    """Return all of the rows again, unless none of them is the cluster's: then NotOurs is raised
    before any is given out.

    ``reopen`` reads the same input from its beginning, to look further than memory may; without it,
    only the first ``HELD_ROWS`` are looked at.
    """
    iterator, held, names = iter(rows), list[Parsed](), set[str]()
    for row in iterator:
        held.append(row)
        if _is_ours(row, names):
            return chain(held, iterator)
        if len(held) >= HELD_ROWS:
            if reopen is None or not names or any(_is_ours(row, names) for row in reopen()):
                return chain(held, iterator)
            held.clear()
            break
    if names:
        raise _other_cluster(cluster, sorted(names))
    return iter(held)


def _is_ours(row: Parsed, names: set[str]) -> bool:
    """Whether the row shows that the input is ours; notes another cluster's name."""
    if row.reason == Reason.TIME_ZONE:
        raise NotOurs(
            "time_zone",
            f"{row.detail}, and the file is not read in the cluster's own zone. Make it with epoch"
            " times (SLURM_TIME_FORMAT=%s), or in the cluster's zone.",
        )
    if row.reason == Reason.OTHER_CLUSTER and len(names) < _SHOWN_NAMES:
        names.add(row.detail)
    return row.kind in {"job", "same"}


def _other_cluster(cluster: Cluster, names: Sequence[str]) -> NotOurs:
    return NotOurs(
        "other_cluster",
        f"All of it ran on {', '.join(names)}; Slurm knows this one as {cluster.known_to_slurm_as}."
        " Choose the right cluster, or enter its name in Slurm in the cluster's settings.",
        names,
    )


def settlement(cluster: Cluster, time_zone: str, misfit: NotOurs) -> dict[str, str]:
    """Return the cluster's settings with which the input would be its own, or raise the refusal.

    The first input of a cluster may say what Slurm calls it and which zone its times are in: while
    no job came from the cluster, nobody has said what Slurm calls it, and the input names one
    cluster that is not another one here.
    """
    if cluster.pk and cluster.jobs.exists():
        raise misfit
    if misfit.code == "time_zone":
        return {"time_zone": time_zone}
    if len(misfit.names) != 1 or cluster.slurm_name:
        raise misfit
    (name,) = misfit.names
    if other := _known(name):
        raise NotOurs(
            "other_cluster",
            f"All of it ran on {name}, which is {other} here. Choose that cluster. If"
            f" {cluster.name} is another Slurm of the same name, enter {name} as its name in Slurm,"
            f" in its settings or by import_usage --slurm-name {name}.",
            misfit.names,
        )
    return {"slurm_name": name}


def call_in_slurm(cluster: Cluster, name: str, *, actor: Actor) -> None:
    """Say what Slurm calls a cluster of which there is no job yet. Raises Conflict otherwise, and
    ValidationError for a name that can be none."""
    if cluster.known_to_slurm_as == name:
        return
    with transaction.atomic():
        (locked,) = lock_rows(Cluster.objects.all(), cluster.pk)
        if locked.jobs.exists():
            known = locked.known_to_slurm_as
            raise Conflict("slurm_name", _("Slurm knows this cluster as “%s”.") % known)
        changes = {"slurm_name": name}
        apply(cluster, changes)
        cluster.full_clean()
        _change(locked, changes, actor=actor)


def settle(run: ImportRun, misfit: NotOurs, *, actor: Actor) -> None:
    """Give the cluster of a run the settings that its first input asks for, or raise the refusal.
    See ``settlement``."""
    with transaction.atomic():
        (cluster,) = lock_rows(Cluster.objects.all(), run.cluster_id)
        changes = settlement(cluster, run.time_zone, misfit)
        _change(cluster, changes, actor=actor, **{"import": run.pk})
    apply(run.cluster, changes)


def _change(cluster: Cluster, changes: dict[str, str], *, actor: Actor, **why: object) -> None:
    """Write settings of a locked cluster, and tell the log."""
    told = {name: [getattr(cluster, name), new] for name, new in changes.items()}
    Cluster.objects.filter(pk=cluster.pk).update(**changes)
    record("cluster.changed", actor=actor, target=cluster, data={"changes": told, **why})


def apply(cluster: Cluster, changes: dict[str, str]) -> None:
    """Give a cluster in memory the settings that ``settlement`` found."""
    for name, value in changes.items():
        setattr(cluster, name, value)


def _known(name: str) -> str:
    """The name here of a cluster that Slurm knows by this name, if there is one."""
    others = Cluster.objects.only("name", "slurm_name")
    found = (other.name for other in others if other.known_to_slurm_as.lower() == name.lower())
    return next(found, "")
