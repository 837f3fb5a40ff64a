"""Handing work to Celery after the transaction that made it necessary."""

import logging
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

RATE_TASK = "hpcbilling.rate_pending"
"""Rates what is due. Every app may give it something to do, and none of them may import it."""


def after_commit(task: str, *args: Any) -> None:
    """Send a task by name once the current transaction has committed.

    Arguments are ids only. If the queue can't be reached the work is left to the schedule, which
    finds everything that is due by looking at the data: nothing depends on this message.
    """
    transaction.on_commit(lambda: _send(task, args))


def _send(task: str, args: tuple[Any, ...]) -> None:
    try:
        current_app.send_task(task, args=args, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("task %s was not queued, the schedule will do it: %s", task, error)
