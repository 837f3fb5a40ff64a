"""What the commands of operators share: exit codes, who acts, and how results are told."""

from typing import Any, Protocol

from django.core.management.base import CommandError

from accounts.models import User
from core.actor import Actor
from pricing.batches import Outcome
from usage.models import Cluster, ImportRun
from usage.previews import Preview
from usage.services import summary

FAILED, USAGE, HELD = 1, 2, 3
"""Exit codes: refused or failed; used wrongly; imported but held back. 0 is complete success."""


class Counts(Protocol):
    """How rows were used, as an import run and a preview both have it."""

    jobs_new: int
    jobs_changed: int
    jobs_unchanged: int
    jobs_older: int
    steps: int
    quarantined: int


def actor_named(name: str | None, permission: str) -> Actor:
    """Return the person with a user name, who must have the permission; without a name the shell.

    Raises CommandError (2).
    """
    if not name:
        return Actor.system("command")
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active user “{name}”.", returncode=USAGE)
    if not user.has_perm(permission):
        raise CommandError(f"“{name}” has no right to do this ({permission}).", returncode=USAGE)
    return Actor.of(user)


def cluster_named(name: str) -> Cluster:
    """Return the cluster with a name. Raises CommandError (2), which tells the names there are."""
    found = Cluster.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(Cluster.objects.values_list("name", flat=True)) or "none yet"
        raise CommandError(f"There is no cluster “{name}” (known: {known}).", returncode=USAGE)
    return found


def rows_line(counts: Counts) -> str:
    """Return one line that adds up: rows = jobs + steps + quarantined."""
    jobs = counts.jobs_new + counts.jobs_changed + counts.jobs_unchanged
    rows = jobs + counts.steps + counts.quarantined
    return (
        f"{rows:,} rows = {jobs:,} jobs ({counts.jobs_new:,} new, {counts.jobs_changed:,} changed,"
        f" {counts.jobs_unchanged:,} unchanged) + {counts.steps:,} steps"
        f" + {counts.quarantined:,} quarantined"
    )


def older_line(run: ImportRun) -> str:
    """Return what to know about an input that is older than what is known."""
    one = run.jobs_older == 1
    jobs, stay = ("job says", "stays as it is") if one else ("jobs say", "stay as they are")
    as_of = f"{run.as_of:%Y-%m-%d %H:%M:%S}" if run.as_of else "?"
    return (
        f"{run.jobs_older:,} {jobs} something else than a later input told, and {stay}:"
        f" this one is as of {as_of} UTC. If it was made later, give it again with --as-of."
    )


def rating_line(outcome: Outcome) -> str:
    """Return one line about what rating did."""
    parts = [f"{outcome.rated:,} jobs rated"]
    amounts = [f"{amount:,.2f} {currency}" for currency, amount in sorted(outcome.amounts.items())]
    if outcome.charges:
        parts.append(f"{outcome.charges:,} charges over {' and '.join(amounts)}")
    if outcome.exempt:
        parts.append(f"{outcome.exempt:,} exempt")
    if outcome.unpriced:
        parts.append(f"{outcome.unpriced:,} unpriced")
    if outcome.waiting:
        parts.append(
            f"{outcome.waiting:,} changed after they were billed and wait for a correction"
        )
    return "; ".join(parts)


def rating_summary(outcome: Outcome) -> dict[str, Any]:
    """Return what rating did for programs; amounts are exact decimal texts by currency."""
    return {
        "rated": outcome.rated,
        "exempt": outcome.exempt,
        "unpriced": outcome.unpriced,
        "waiting": outcome.waiting,
        "charges": outcome.charges,
        "amounts": {currency: str(amount) for currency, amount in outcome.amounts.items()},
    }


def import_summary(run: ImportRun, outcome: Outcome, *, repeated: bool) -> dict[str, Any]:
    """Return an import's result for programs."""
    return {
        "run": run.pk,
        "cluster": run.cluster.name,
        "origin": run.origin,
        "sha256": run.evidence.sha256,
        "status": str(run.status),
        "repeated": repeated,
        **summary(run),
        "rating": rating_summary(outcome),
    }


def preview_summary(found: Preview) -> dict[str, Any]:
    """Return what an import would do, for programs."""
    return {
        "status": "dry_run",
        **found.tally.as_counts(),
        "truncated": found.truncated,
        "error": found.error,
        "bad": [[row.line, row.reason, row.detail] for row in found.bad],
    }
