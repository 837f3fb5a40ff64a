"""What a file of prices would change of the exemptions, and the making of new ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction

from accounts.models import User
from core.actor import Actor
from pricing.price_file import BadFile, Fault
from pricing.price_file.exemptions import CRITERIA, ExemptionEntry
from usage.exemptions import make_exemption
from usage.models import Cluster, Exemption

S = Exemption.Status


class Kind(StrEnum):
    """How an exemption of the file and those of the site differ."""

    NEW = "new"
    WAITING = "waiting"
    OTHER_END = "other_end"
    NOT_IN_FILE = "not_in_file"


@dataclass(frozen=True, slots=True)
class ExemptionStep:
    """One difference: what the file says, or what the site has and the file does not."""

    kind: Kind
    entry: ExemptionEntry


def entry_of(row: Exemption) -> ExemptionEntry:
    """Return an exemption of the site as a file says it."""
    criteria = tuple(getattr(row, column) for column in CRITERIA.values())
    return ExemptionEntry(row.cluster.name, criteria, row.starts_at, row.ends_at, row.reason)


def current_exemptions() -> list[ExemptionEntry]:
    """Return the exemptions that count, or wait for a second person, in the order of files."""
    return sorted(
        (entry_of(row) for row in _rows()), key=lambda one: (one.cluster, one.starts_at, str(one))
    )


def exemption_steps(entries: Iterable[ExemptionEntry] | None) -> list[ExemptionStep]:
    """Compare a file's exemptions with those of the clusters that it names.

    Reasons do not count: they have no effect. Raises BadFile for an unknown cluster. Nothing is
    compared with a file that says nothing of exemptions (None).
    """
    asked = {entry.key: entry for entry in entries or ()}
    known = set(Cluster.objects.values_list("name", flat=True))
    unknown = [
        Fault(entry.line, f"there is no cluster {entry.cluster!r}")
        for entry in asked.values()
        if entry.cluster not in known
    ]
    if unknown:
        raise BadFile(unknown)
    clusters = {entry.cluster for entry in asked.values()}
    site = {entry_of(row).key: row for row in _rows() if row.cluster.name in clusters}
    steps = []
    for key, entry in asked.items():
        row = site.get(key)
        if row is None:
            steps.append(ExemptionStep(Kind.NEW, entry))
        elif row.ends_at != entry.ends_at:
            steps.append(ExemptionStep(Kind.OTHER_END, entry))
        elif row.status == S.WAITING:
            steps.append(ExemptionStep(Kind.WAITING, entry))
    gone = (entry_of(row) for key, row in site.items() if key not in asked)
    return steps + [ExemptionStep(Kind.NOT_IN_FILE, entry) for entry in gone]


def make_new(steps: Iterable[ExemptionStep], *, actor: Actor) -> list[Exemption]:
    """Make the exemptions that the site has not; one that begins in the past waits for a second
    person. Ends are changed in the console alone."""
    clusters = {cluster.name: cluster for cluster in Cluster.objects.all()}
    author = User.objects.get(username=actor.name)
    with transaction.atomic():
        return [
            make_exemption(
                Exemption(
                    cluster=clusters[step.entry.cluster],
                    **dict(zip(CRITERIA.values(), step.entry.criteria, strict=True)),
                    starts_at=step.entry.starts_at,
                    ends_at=step.entry.ends_at,
                    reason=step.entry.reason,
                    author=author,
                ),
                actor=actor,
            )
            for step in steps
            if step.kind is Kind.NEW
        ]


def _rows() -> list[Exemption]:
    """Return the exemptions that count or wait: neither refused nor withdrawn."""
    rows = Exemption.objects.select_related("cluster").order_by("pk")
    return [row for row in rows if row.status != S.REFUSED and row.ends_at != row.starts_at]
