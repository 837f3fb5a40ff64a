"""The dead man's alarm: nights that did not happen are told, by ways that don't share their faults.

Pages and metrics ask the database; the mail has a beat entry of its own; and a monitor elsewhere
misses the heartbeat when this whole machine is silent.
"""

import logging
from datetime import datetime, timedelta

import requests
from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from core.site import site_zone
from usage.coverage import GRACE, Lateness, lateness
from usage.models import Cluster

log = logging.getLogger(__name__)

TOLD_FOR = timedelta(days=7)
HEARTBEAT_SECONDS = 10


def standing(now: datetime | None = None) -> list[Lateness]:
    """Return how the nightly pull of each cluster stands that is pulled and was due once."""
    moment = now or timezone.now()
    clusters = Cluster.objects.filter(is_enabled=True).order_by("name")
    found = (lateness(cluster, moment) for cluster in clusters)
    return [each for each in found if each is not None]


def late(now: datetime | None = None, *, grace: timedelta = GRACE) -> list[Lateness]:
    """Return the clusters whose last night did not happen, or did not end well, in time."""
    moment = now or timezone.now()
    return [each for each in standing(moment) if each.is_late(moment, grace)]


def tell_operator() -> int:
    """Mail the operator about clusters that are late, once for each night; returns how many.

    A mail that could not be sent is tried again at the next call.
    """
    found = [each for each in late() if _first_time(each)]
    if not found:
        return 0
    for each in found:
        log.error("pull_late", extra={"cluster": each.cluster.name, "due_at": each.due_at})
    if not settings.OPERATOR_EMAIL:
        return len(found)
    try:
        _message(found).send()
    except OSError:
        cache.delete_many([_key(each) for each in found])
        raise
    return len(found)


def _key(each: Lateness) -> str:
    return f"late-pull-{each.cluster.pk}-{each.slot}"


def _first_time(each: Lateness) -> bool:
    return bool(cache.add(_key(each), True, timeout=TOLD_FOR.total_seconds()))


def _message(found: list[Lateness]) -> EmailMessage:
    names = ", ".join(each.cluster.name for each in found)
    lines = [
        _("The nightly pull of these clusters did not end well, or did not happen at all:"),
        "",
        *(f"- {each.cluster.name}: {_told(each)}" for each in found),
        "",
        _("No job is lost: what was not read shows as a gap, and is read at the next pull."),
        _("Look at the pulls in the console, and whether worker and beat are running:"),
        f"{settings.SITE_BASE_URL}/admin/usage/pull/",
    ]
    return EmailMessage(
        subject=f"[{settings.SITE_NAME}] " + _("No usage from %(names)s") % {"names": names},
        body="\n".join(str(line) for line in lines),
        to=settings.OPERATOR_EMAIL,
    )


def _told(each: Lateness) -> str:
    due = _shown(each.due_at)
    if each.done_at is None:
        return _("due %(due)s; no pull ever ended well") % {"due": due}
    done = _shown(each.done_at)
    return _("due %(due)s; the last one that ended well was %(done)s") % {"due": due, "done": done}


def _shown(moment: datetime) -> str:
    return date_format(moment.astimezone(site_zone()), "DATETIME_FORMAT")


def send_heartbeat() -> None:
    """Call the operator's dead man's switch, if there is one and every cluster's night is done.

    A monitor that is out of reach stops nothing here: it will miss the call and say so.
    """
    if not settings.HEARTBEAT_URL or late(grace=timedelta()):
        return
    try:
        requests.get(settings.HEARTBEAT_URL, timeout=HEARTBEAT_SECONDS).raise_for_status()
    except requests.RequestException as error:
        log.warning("the heartbeat did not reach its monitor: %s", type(error).__name__)
