"""Who may ask for an estimate, by whose prices: the same for the API, the page and the command."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, Tier, User
from accounts.selectors import Viewer, projects_of
from core.errors import Invalid
from pricing.models import PriceList
from pricing.quotes import Payer, Wanted
from usage.models import Cluster
from usage.sbatch import Found, InvalidScript, read_script

KIB_PER_GB = 2**20
MOST_HOURS = Decimal(10 * 366 * 24)
MOST_GB = Decimal(2**25)
SECONDS = Decimal(3600)
MINUTE = 60


def may_estimate(viewer: Viewer) -> bool:
    """Whether a person may ask at all: everybody who is logged in, and all the world where the site
    allows it (``ESTIMATE_PUBLIC``)."""
    return viewer.is_authenticated or bool(settings.ESTIMATE_PUBLIC)


def tiers_with_prices() -> QuerySet[Tier]:
    """Return the tiers that have a published list: those that can be asked about."""
    published = PriceList.objects.filter(status=PriceList.Status.PUBLISHED, tier__isnull=False)
    return Tier.objects.filter(pk__in=published.values("tier")).order_by("code")


def projects_to_ask_about(viewer: Viewer) -> QuerySet[Project]:
    """Return the projects whose prices a person may ask for: own ones; for staff who see prices and
    charges, all."""
    if viewer.has_perm("pricing.view_pricelist") and viewer.has_perm("pricing.view_charge"):
        return Project.objects.order_by("code")
    return projects_of(viewer).distinct().order_by("code")


def payer_of(viewer: Viewer, *, tier: Tier | None, project: Project | None) -> Payer:
    """Return by whose prices is asked. Without either it is the person's only project, or the only
    tier that has prices. Raises Invalid (``payer``)."""
    if project is not None:
        member = isinstance(viewer, User) and projects_of(viewer).filter(pk=project.pk).exists()
        return Payer(project=project, user=viewer if member else None)  # type: ignore[arg-type]
    if tier is None:
        found = list(tiers_with_prices()[:2])
        if len(found) != 1:
            raise Invalid("payer", _("Choose a tier or a project."))
        tier = found[0]
    return Payer(tier=tier)


def cluster_called(name: str) -> Cluster | None:
    """Return the cluster of a name; none for no name. Raises Invalid (``cluster``)."""
    if not name:
        return None
    found = Cluster.objects.filter(name=name).first()
    if found is None:
        raise Invalid("cluster", _("There is no such cluster."))
    return found


def moment_of(moment: datetime | None) -> datetime:
    """Return the moment at which the jobs are taken to end: now, if nobody says."""
    return moment or timezone.now()


def kib_of(gigabytes: Decimal) -> int:
    """Return memory in KiB; a GB is 1024 MiB. What is left of a KiB counts as one."""
    return int((gigabytes * KIB_PER_GB).to_integral_value(ROUND_CEILING))


def seconds_of(hours: Decimal) -> int:
    """Return hours in whole seconds; what is left of a second counts as one."""
    return int((hours * SECONDS).to_integral_value(ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class FromScript:
    """What a script asks for. ``cluster`` is the name that it gives, if any."""

    jobs: tuple[Wanted, ...]
    cluster: str
    remarks: tuple[Found, ...]


def from_script(text: str, *, hours: Decimal | None, memory_gb: Decimal | None) -> FromScript:
    """Read what a script asks for; ``hours`` and ``memory_gb`` (of the whole job) stand in for what
    it does not say. Raises Invalid: ``script``, or ``no_time`` if nobody says how long it runs.
    """
    try:
        script = read_script(text)
    except InvalidScript as error:
        raise Invalid(
            "script", _("This is no batch script, or it is too long (64 KB at most).")
        ) from error
    if hours is None and any(one.minutes is None for one in script.components):
        raise Invalid("no_time", _("The script sets no time limit. Say how many hours it runs."))
    jobs = tuple(
        Wanted(
            seconds=seconds_of(hours or Decimal(0))
            if one.minutes is None
            else one.minutes * MINUTE,
            cpus=one.cpus,
            mem_kib=one.mem_kib or kib_of(memory_gb or Decimal(0)),
            gpus=one.gpus,
            nodes=one.nodes,
            licenses=one.licenses,
            jobs=one.jobs,
            partition=one.partition,
            qos=one.qos,
        )
        for one in script.components
    )
    clusters: Sequence[str] = [one.cluster for one in script.components if one.cluster]
    return FromScript(jobs, clusters[0] if clusters else "", script.remarks)
