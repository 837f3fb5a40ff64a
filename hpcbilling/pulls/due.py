"""What is due by each cluster's own clock, and what broke off.

Called every few minutes by beat. Two beats, or a beat that was down for days, make no difference: a
night is one row in the database.
"""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from core.actor import Actor
from usage.coverage import zone_of
from usage.models import Cluster, Pull, Window
from usage.pulls import plan_nightly, plan_rescan, send_readers
from usage.windows import due_at, last_slot

SUNDAY = 6
MAX_ATTEMPTS = 4
RETRY_AFTER = timedelta(minutes=20)
RETRIED_FOR = timedelta(days=1)


def clusters_pulled() -> list[Cluster]:
    """Return the clusters that nightly pulls visit."""
    pulled = Cluster.objects.filter(is_enabled=True, sources__is_enabled=True)
    return list(pulled.distinct().order_by("pk"))


def slot_of(cluster: Cluster, now: datetime) -> date:
    """Return the day whose pull is the latest that was due, on the cluster's own calendar."""
    return last_slot(now, cluster.pull_at, zone_of(cluster))


def last_sunday(day: date) -> date:
    """Return the Sunday on or before a day: whose look back is made late if it was missed."""
    return day - timedelta(days=(day.weekday() - SUNDAY) % 7)


def start_due(*, actor: Actor) -> list[Pull]:
    """Plan the pulls that are due and let workers read them; returns those that were not over.

    A cluster that was added after tonight's hour is first visited tomorrow, or by hand.
    """
    now = timezone.now()
    started = []
    for cluster in clusters_pulled():
        night = slot_of(cluster, now)
        for plan, slot in ((plan_nightly, night), (plan_rescan, last_sunday(night))):
            if due_at(slot, cluster.pull_at, zone_of(cluster)) > cluster.created_at:
                pull = plan(cluster=cluster, slot=slot, actor=actor)
                started += [pull] if pull.finished_at is None else []
    for pull in started:
        send_readers(pull)
    return started


def resume_pulls() -> list[Pull]:
    """Let workers go on with pulls that are not over, and ask again for windows that failed a while
    ago: a Slurm that was down for an hour costs no night. Returns the pulls gone on with."""
    _ask_again(timezone.now())
    unfinished = list(Pull.objects.filter(finished_at=None, cluster__is_enabled=True))
    for pull in unfinished:
        send_readers(pull)
    return unfinished


def _ask_again(now: datetime) -> None:
    """Open windows anew that failed, each time after a longer pause, up to a few times."""
    failed = Window.objects.filter(
        status=Window.Status.FAILED,
        attempts__lt=MAX_ATTEMPTS,
        pull__started_at__gt=now - RETRIED_FOR,
    ).exclude(pull__kind=Pull.Kind.MANUAL)
    ripe = [
        window.pk
        for window in failed
        if window.asked_at and window.asked_at < now - RETRY_AFTER * window.attempts
    ]
    with transaction.atomic():
        pulls = set(failed.filter(pk__in=ripe).values_list("pull_id", flat=True))
        failed.filter(pk__in=ripe).update(status=Window.Status.WAITING)
        Pull.objects.filter(pk__in=pulls).update(finished_at=None)
