"""Status changes: one table per model and a compare-and-set UPDATE."""

from collections.abc import Mapping
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
    if after not in table.get(before, frozenset()):
        raise ValueError(f"{queryset.model.__name__} has no step from {before} to {after}")
    changed = queryset.filter(pk=pk, status=before).update(status=after, **stamps)
    if changed != 1:
        raise Conflict(
            "stale_status",
            _("This was changed by someone else in the meantime. Reload the page and look again."),
        )
