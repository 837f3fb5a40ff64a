"""A job's charges computed anew from what its rows say, by the lists that are stored."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

from accounts.models import ProjectTier, SplitShare, User
from accounts.selectors import TierBook
from core.bulk import any_of
from core.money import total
from pricing import engine
from pricing.engine import Measured, Tariff, Usage
from pricing.models import Charge, ChargeKind, JobRating, PriceList, RatingStatus
from pricing.replay.found import Replayed
from pricing.resources import resource_of
from pricing.tariffs import Layers, Listed, TariffBook, read_lists
from usage.models import Job

K = ChargeKind
WHOLE = Decimal(100)
Key = tuple[int, int | None, int]
"""Charges that were made together: project, share and generation."""


class Books:
    """The stored lists, tiers and splits that jobs were charged by, each read once."""

    def __init__(self, project_ids: Iterable[int]) -> None:
        published = PriceList.objects.filter(status=PriceList.Status.PUBLISHED)
        pairs = read_lists(published)
        self.lists: dict[int, tuple[PriceList, Listed]] = {row.pk: (row, one) for row, one in pairs}
        self.rates = {rate.rate_id: rate for _row, one in pairs for rate in one.rates}
        self._book = TariffBook()
        self._tiers = TierBook(project_ids)
        owners = {row.user_id for row, _one in pairs if row.user_id is not None}
        users = User.objects.filter(pk__in=owners)
        self._users = {user.get_username(): user.pk for user in users}
        self._shares: dict[int, tuple[list[Decimal], int]] = {}

    def shares(self, share_id: int | None) -> tuple[Sequence[Decimal], int]:
        """Return the percentages of the split that a share is part of, and its place."""
        if share_id is None:
            return (WHOLE,), 0
        if share_id not in self._shares:
            split = SplitShare.objects.filter(pk=share_id).values("split")
            rows = list(SplitShare.objects.filter(split__in=split).order_by("pk"))
            place = next((n for n, row in enumerate(rows) if row.pk == share_id), 0)
            self._shares[share_id] = [row.percent for row in rows], place
        return self._shares[share_id]

    def tariff(self, charge: Charge, job: Job, usage: Usage) -> Tariff | None:
        """Return what priced a charge's part of a job: the list that it has stored, among those
        that count beside it. None if that is no published list, or was not in effect."""
        key = charge.price_list_id
        if charge.rate_id is not None:
            rate = self.rates.get(charge.rate_id)
            key = rate.price_list_id if rate else None
        if key is None or key not in self.lists:
            return None
        row, listed = self.lists[key]
        if not _in_effect(listed, charge):
            return None
        layers = self._with(row, listed, self._layers(charge, job))
        try:
            return self._book.tariff(layers, usage.cluster_id, usage.partition, usage.qos)
        except engine.InvalidRate:
            return None

    def _layers(self, charge: Charge, job: Job) -> Layers:
        tier: ProjectTier | None = self._tiers.at(charge.project_id, charge.job_end)
        return self._book.layers(
            charge.job_end,
            tier_id=tier.tier_id if tier else None,
            project_id=charge.project_id,
            user_id=self._users.get(job.user_name),
        )

    @staticmethod
    def _with(row: PriceList, listed: Listed, layers: Layers) -> Layers:
        if listed.price_list_id in {one.price_list_id for one in layers.found}:
            return layers
        if row.tier_id is not None:
            return layers._replace(tier=listed)
        if row.project_id is not None:
            return layers._replace(project=listed)
        return layers._replace(user=listed)


def _in_effect(listed: Listed, charge: Charge) -> bool:
    ended = listed.ends_at is not None and listed.ends_at <= charge.job_end
    return listed.effective_at <= charge.job_end and not ended


def charges_of(job_ids: Sequence[int]) -> dict[int, list[Charge]]:
    """Return all charges of some jobs, in the order in which they were made."""
    found: dict[int, list[Charge]] = defaultdict(list)
    for charge in Charge.objects.filter(any_of("job_id", job_ids)).order_by("pk"):
        if charge.job_id is not None:
            found[charge.job_id].append(charge)
    return found


class JobReplay:
    """Computes the charges of jobs anew, and tells what differs."""

    def __init__(self, books: Books, found: Replayed) -> None:
        self._books = books
        self._found = found

    def replay(
        self, job: Job, usages: Sequence[Usage], charges: Sequence[Charge], rating: JobRating | None
    ) -> None:
        """Compare a job's charges with what its rows come to: what it says now first, then what it
        said before. A charge that was taken back may be of any of them."""
        found = self._found
        found.about = str(job)
        found.jobs += 1
        by_key: dict[int, Charge] = {charge.pk: charge for charge in charges}
        taken_back = {row.reverses_id for row in charges if row.reverses_id is not None}
        together: dict[Key, list[Charge]] = defaultdict(list)
        for charge in charges:
            found.charges += 1
            if charge.reverses_id is not None:
                self._reversal(charge, by_key.get(charge.reverses_id))
                continue
            together[charge.project_id, charge.share_id, charge.generation].append(charge)
            if charge.kind == K.USAGE:
                now = charge.pk not in taken_back
                self._usage(charge, job, usages[:1] if now else usages)
        for rows in together.values():
            self._minimum(rows)
        live = [row for row in charges if row.pk not in taken_back and row.reverses_id is None]
        if rating is not None and not rating.due and rating.job_revision == job.revision:
            self._complete(job, usages[0], live, rating)

    def _usage(self, charge: Charge, job: Job, usages: Sequence[Usage]) -> None:
        found = self._found
        percents, place = self._books.shares(charge.share_id)
        measured: Measured | None = None
        for usage in usages:
            this = self._measured(charge, job, usage)
            if this is None:
                continue
            this = this._replace(quantity=engine.shares(this.quantity, percents)[place])
            measured = measured or this
            if this.quantity == charge.quantity:
                measured = this
                break
        if measured is None:
            found.compare("charge", f"{charge.resource} {charge.amount}", None, charge.pk)
            return
        rate = measured.rate
        pairs = (
            ("quantity", charge.quantity, measured.quantity),
            ("rate", charge.rate_id, rate.rate_id),
            ("basis", charge.basis, measured.basis),
            ("unit_size", charge.unit_size, resource_of(charge.resource).unit_size),
            ("unit_price", charge.unit_price, rate.unit_price),
            ("currency", charge.currency, rate.currency),
        )
        for name, stored, computed in pairs:
            found.compare(name, stored, computed, charge.pk)
        if rate.is_linear:
            amount = engine.linear_amount(rate, measured.quantity)
            found.compare("amount", charge.amount, amount, charge.pk)

    def _measured(self, charge: Charge, job: Job, usage: Usage) -> Measured | None:
        tariff = self._books.tariff(charge, job, usage)
        if tariff is None:
            return None
        try:
            items = engine.measure(usage, tariff)
        except engine.Unpriceable:
            return None
        return next((item for item in items if item.resource == charge.resource), None)

    def _reversal(self, charge: Charge, of: Charge | None) -> None:
        if of is None:
            self._found.compare("reverses", charge.reverses_id, None, charge.pk)
            return
        for name in ("project_id", "share_id", "resource", "rate_id", "currency", "job_end"):
            self._found.compare(name, getattr(charge, name), getattr(of, name), charge.pk)
        self._found.compare("quantity", charge.quantity, -of.quantity, charge.pk)
        self._found.compare("amount", charge.amount, -of.amount, charge.pk)

    def _minimum(self, rows: Sequence[Charge]) -> None:
        """Compare what the minimum of a job added to the charges that were made with it."""
        for charge in rows:
            if charge.kind != K.MINIMUM or charge.price_list_id is None:
                continue
            percents, place = self._books.shares(charge.share_id)
            stored = self._books.lists.get(charge.price_list_id)
            least = stored[0].minimum_per_job if stored else Decimal(0)
            paid = total(row.amount for row in rows if row.kind == K.USAGE)
            missing = engine.job_minimum(paid, minimum=least, percent=percents[place])
            self._found.compare("amount", charge.amount, missing, charge.pk)

    def _complete(self, job: Job, usage: Usage, live: Sequence[Charge], rating: JobRating) -> None:
        """Tell the charges that should be there and are not, and those that should not."""
        if rating.status != RatingStatus.RATED:
            for charge in live:
                self._found.compare("charge", f"{charge.resource} {charge.amount}", None, charge.pk)
            return
        if not live:
            self._found.compare("charges", "none", "rated")
        parts: dict[tuple[int, int | None], list[Charge]] = defaultdict(list)
        for charge in live:
            if charge.kind == K.USAGE:
                parts[charge.project_id, charge.share_id].append(charge)
        for (_project_id, share_id), rows in parts.items():
            self._part(job, usage, rows, share_id)

    def _part(self, job: Job, usage: Usage, rows: Sequence[Charge], share_id: int | None) -> None:
        tariff = self._books.tariff(rows[0], job, usage)
        if tariff is None:
            return  # told with the charge
        percents, place = self._books.shares(share_id)
        try:
            items = engine.measure(usage, tariff)
        except engine.Unpriceable:
            return
        there = {row.resource for row in rows}
        for item in items:
            part = engine.shares(item.quantity, percents)[place]
            if part and item.resource not in there:
                self._found.compare("charge", None, f"{item.resource} {part}")
