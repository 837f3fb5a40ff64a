"""What must hold whatever a crowd did, counted anew here and not by the product's own checks."""

from collections import defaultdict
from decimal import Decimal

from django.db.models import Count, Q, Sum

from accounts.models import Project
from hpcbilling.books import check_books
from payments.models import Allocation, OfficialReceipt, Payment, Refund, Withholding
from payments.selectors import balance_of
from pricing.models import Charge
from receipts.models import Line, LineCharge, Receipt, RunEntry, WriteOff
from receipts.selectors import uncredited_reversals

R = Receipt.objects
ZERO = Decimal(0)


def hold() -> None:
    """Assert it all."""
    breaks = [(result.check.name, list(result.first)) for result in check_books() if result.breaks]
    assert not breaks, breaks
    numbers_are_gapless()
    notes_are_within_their_receipts()
    each_charge_is_on_one_line_at_most()
    each_baht_is_in_one_place()
    assert not RunEntry.objects.filter(problem__code="defect").exists()


def numbers_are_gapless() -> None:
    series: dict[object, list[int]] = defaultdict(list)
    for key, sequence in R.exclude(number=None).values_list("series", "sequence"):
        series[key].append(sequence or 0)
    for key, sequence in OfficialReceipt.objects.values_list("series", "sequence"):
        series["official", key].append(sequence)
    for numbers in series.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def notes_are_within_their_receipts() -> None:
    for receipt in R.filter(kind="receipt").exclude(number=None):
        credited = _sum(receipt.credit_notes, "total")
        assert -receipt.total <= credited <= 0
        if receipt.status == "void":
            assert credited == -receipt.total
    for line in Line.objects.filter(receipt__kind="receipt").annotate(
        noted=Sum("credited_by__charged")
    ):
        assert abs(line.noted or 0) <= abs(line.charged)
        assert (line.noted or 0) * line.charged <= 0


def each_charge_is_on_one_line_at_most() -> None:
    links = LineCharge.objects.values("charge").annotate(n=Count("pk"))
    assert not links.filter(n__gt=1).exists()
    live = Charge.objects.filter(reverses=None, reversal=None, job__isnull=False)
    twice = live.values("job", "resource", "project").annotate(n=Count("pk")).filter(n__gt=1)
    assert not twice.exists()
    in_preparation = LineCharge.objects.filter(line__receipt__status__in=Receipt.BEFORE_ISSUE)
    assert not in_preparation.filter(charge__reversal__isnull=False).exists()
    for line in Line.objects.annotate(behind=Sum("charge_links__charge__amount")):
        assert line.charged == line.behind
    waiting = uncredited_reversals().values_list(
        "reverses__document_line__line__receipt__status", flat=True
    )
    assert "void" not in set(waiting), "what is void is credited in whole"


def each_baht_is_in_one_place() -> None:
    """What arrived settles a receipt, went back, or is balance; what is settled, statuses say."""
    came = _sum(Payment.objects.filter(status="succeeded"))
    back = _sum(Refund.objects.filter(~Q(status="rejected")))
    left = sum((balance_of(each, "THB") for each in Project.objects.all()), ZERO)
    assert came == _sum(Allocation.objects) + back + left
    for receipt in R.filter(kind="receipt").exclude(number=None):
        payable = receipt.total + _sum(receipt.credit_notes, "total")
        settled = _sum(Allocation.objects.filter(receipt=receipt))
        settled += _sum(Withholding.objects.filter(receipt=receipt))
        given_up = _sum(WriteOff.objects.filter(receipt=receipt, status="approved"))
        rest = payable - settled - given_up
        assert rest >= 0
        fits = {
            "issued": settled == 0 and rest > 0,
            "part_paid": settled > 0 and rest > 0,
            "paid": rest == 0 and given_up == 0,
            "void": payable == settled == 0,
            "written_off": rest == 0 and given_up > 0,
        }
        assert fits[receipt.status], (receipt.number, receipt.status, payable, settled, given_up)


def _sum(rows: object, what: str = "amount") -> Decimal:
    return rows.aggregate(sum=Sum(what))["sum"] or ZERO  # type: ignore[attr-defined] # any of our querysets
