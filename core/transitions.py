"""Status changes: one table per model and a compare-and-set UPDATE."""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from core.errors import Conflict

Table = Mapping[str, AbstractSet[str]]


def transition(
    queryset: QuerySet[Any], *, table: Table, pk: Any, before: str, after: str, **stamps: Any
) -> None:
    """Move one row from ``before`` to ``after`` and stamp it, or raise Conflict.

    The UPDATE names the expected status, so of two callers exactly one succeeds. Raises ValueError
    for a step that the table does not have: that is a defect, not a conflict.
    """
    transition_all(queryset, table=table, pks=[pk], before=before, after=after, **stamps)


def transition_all(
    queryset: QuerySet[Any],
    *,
    table: Table,
    pks: Collection[Any],
    before: str,
    after: str,
    **stamps: Any,
) -> None:
    """Do the same with several rows in one statement; in the caller's transaction, which is undone
    by the Conflict if one of them was not there."""
    if after not in table.get(before, frozenset()):
        raise ValueError(f"{queryset.model.__name__} has no step from {before} to {after}")
    changed = queryset.filter(pk__in=pks, status=before).update(status=after, **stamps)
    if changed != len(pks):
        raise Conflict(
            "stale_status",
            _("This was changed by someone else in the meantime. Reload the page and look again."),
        )
