"""Making the demo: each step only if it is not done, so that a broken-off making goes on."""

from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit.models import AuditEvent
from audit.services import record
from core.errors import DomainError
from core.intervals import next_month
from hpcbilling.books.results import check_and_keep
from hpcbilling.demo import accounts, billing, closed, jobs, people
from hpcbilling.demo.decisions import Decisions
from hpcbilling.demo.money import Office
from insights.models import BooksCheck
from usage.models import Cluster

SEEDED = "demo.seeded"


class NotForThis(DomainError):
    """This site or database is none to put a demo into."""


def seed(*, say: Callable[[str], None] = lambda line: None, density: float = 1.0) -> bool:
    """Make the demo's data; returns whether there was anything to do.

    Raises NotForThis in production, or where others than the demo's people and clusters are.
    """
    if settings.PRODUCTION:
        raise NotForThis("production", "The demo's logins are public: not in production.")
    if AuditEvent.objects.filter(action=SEEDED).exists():
        return False
    _check_empty()
    clusters = accounts.create_clusters()
    made = jobs.Usage(clusters["demo"].created_at, density=density)
    say("Making people and projects")
    accounts.create_people()
    accounts.create_projects(tier_change=made.months[2])
    accounts.map_accounts(clusters["demo"])
    billing.set_up(made.months[0])
    accounts.publish_prices(made.months[1])
    accounts.propose_prices(next_month(timezone.localdate()))
    jobs.import_all(clusters, made, say)
    say("Making receipts and payments")
    Office(made.months).work()
    say("Closing the months before the last one")
    for month in made.months[:2]:
        closed.close(month)
    billing.map_revenue(made.months[2])
    say("Deciding what takes two people")
    Decisions(made.months).work()
    jobs.import_recounted(made)
    say("Checking the books")
    if BooksCheck.objects.count() == 0:
        check_and_keep(actor=accounts.DEMO)
    with transaction.atomic():
        record(SEEDED, actor=accounts.DEMO, data={"clusters": sorted(clusters)})
    return True


def _check_empty() -> None:
    ours = [person.username for person in people.PEOPLE]
    strangers = User.objects.exclude(username__in=ours).exists()
    if strangers or Cluster.objects.exclude(name__in=accounts.CLUSTERS).exists():
        raise NotForThis(
            "not_empty", "There are people or clusters that are not the demo's: nothing is done."
        )
