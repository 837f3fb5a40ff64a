"""Studies that are kept: asked for by a person, computed by a worker, seen by the approver."""

import logging
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from django.core.cache import cache
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.intervals import Interval
from core.locks import Space, session_lock
from core.queue import after_commit
from pricing.models import PriceList, PriceStudy
from pricing.study.run import study

log = logging.getLogger(__name__)

STUDY_TASK = "pricing.run_study"
LONGEST = timedelta(days=5 * 366)
SHOWN_FOR = 3600
S = PriceStudy.Status


class Progress(NamedTuple):
    """How many of how many jobs were looked at; the total is 0 before that is known."""

    done: int
    total: int

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


def ask_for_study(
    *, price_list_id: int, window: Interval, actor: Actor, cost: Decimal | None = None
) -> PriceStudy:
    """Have a list studied by a worker, as it is when that begins.

    Raises Conflict if the list is gone, Invalid for a cost that is not positive or a window that
    is longer than five years.
    """
    if cost is not None and not (cost.is_finite() and 0 < cost < Decimal("1e15")):
        raise Invalid("cost", _("The cost must be more than zero."))
    if window.end - window.start > LONGEST:
        raise Invalid("until", _("Choose a window of five years at most."))
    with transaction.atomic():
        price_list = PriceList.objects.filter(pk=price_list_id).first()
        if price_list is None:
            raise Conflict("gone", _("This draft was deleted by someone else."))
        made = PriceStudy.objects.create(
            price_list=price_list,
            since=window.start,
            until=window.end,
            cost=cost,
            currency=price_list.currency,
            created_by_id=actor.user_id,
        )
        data = {"since": window.start, "until": window.end, "cost": cost}
        record("price_list.studied", actor=actor, target=price_list, data=data)
        after_commit(STUDY_TASK, made.pk)
    return made


def run_study(*, study_id: int) -> None:
    """Compute a study that waits, or whose worker died; another one is left alone.

    It charges nothing. What goes wrong is told on the study.
    """
    with session_lock(Space.STUDY, study_id) as held:
        found = unfinished().filter(pk=study_id)
        if not held or not found.update(status=S.RUNNING, started_at=timezone.now()):
            return
        asked = PriceStudy.objects.select_related("price_list").get(pk=study_id)
        try:
            figures = study(
                price_list=asked.price_list,
                window=asked.window,
                cost=asked.cost,
                advance=lambda done, total: _tell(study_id, Progress(done, total)),
            )
        except (LookupError, ValueError, DatabaseError) as error:
            log.exception("study %s failed", study_id)
            _end(study_id, status=S.FAILED, error=f"{type(error).__name__}: {error}"[:500])
            return
        _end(study_id, status=S.DONE, figures=figures.as_json(), digest=figures.digest)


def unfinished() -> QuerySet[PriceStudy]:
    """Return the studies that wait, or whose worker may have died."""
    return PriceStudy.objects.filter(Q(status=S.WAITING) | Q(status=S.RUNNING))


def progress_of(study_id: int) -> Progress:
    """Return how far a study is, as its worker told last."""
    return Progress(*cache.get(_key(study_id), (0, 0)))


def _tell(study_id: int, progress: Progress) -> None:
    cache.set(_key(study_id), tuple(progress), timeout=SHOWN_FOR)


def _key(study_id: int) -> str:
    return f"price-study-{study_id}"


def _end(study_id: int, **values: object) -> None:
    PriceStudy.objects.filter(pk=study_id, status=S.RUNNING).update(
        finished_at=timezone.now(), **values
    )
