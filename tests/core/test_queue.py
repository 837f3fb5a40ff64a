"""A queue that is down delays nobody: the message is given up at once, and the log says so."""

import time
from typing import Any

import pytest
from celery import Celery
from django.conf import settings
from django.db import transaction

from core import queue


def test_a_queue_that_is_down_costs_a_person_no_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    down = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    down.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    monkeypatch.setattr(queue, "current_app", down)
    start = time.monotonic()
    queue._send("hpcbilling.rate_pending", ())
    assert time.monotonic() - start < 2
    assert "hpcbilling.rate_pending was not queued, the schedule will do it" in caplog.text


@pytest.mark.django_db
def test_nothing_is_sent_before_the_commit_or_after_a_rollback(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(queue, "_send", lambda task, args: sent.append(task))
    with transaction.atomic():
        queue.after_commit("lost")
        transaction.set_rollback(True)
    assert sent == []
    with django_capture_on_commit_callbacks(execute=True):
        queue.after_commit("kept")
        assert sent == []
    assert sent == ["kept"]
