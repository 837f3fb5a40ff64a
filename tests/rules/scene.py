"""A small site with one of everything, on which each rule of the database is attacked."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import (
    Department,
    IdempotentRequest,
    Membership,
    Project,
    ProjectTier,
    Split,
    SplitShare,
    Tier,
    User,
)
from accounts.services import approve_reopening, close, request_reopening
from accounts.tokens import create_token
from core.actor import Actor
from core.intervals import Interval
from hpcbilling import workflows
from hpcbilling.closing.seal import seal_of
from insights.journal import export_journal
from insights.models import BooksCheck
from payments.models import InboundEvent, OfficialReceipt, Payment, Refund, Withholding
from payments.services import (
    Transfer,
    Withheld,
    approve_refund,
    keep_as_balance,
    record_transfer,
    record_withholding,
    request_bounce,
    request_refund,
    request_write_off,
    resolve_mismatch,
    start_checkout,
    take_back_withholding,
)
from payments.services.official_files import official_file
from pricing import content
from pricing.closing import true_up
from pricing.models import (
    AdjustmentKind,
    Charge,
    Counter,
    Equivalent,
    EquivalentPart,
    PriceList,
    PriceStudy,
    Rate,
    Sku,
    Slab,
    StatePolicy,
)
from pricing.services import Head, approve_price_list, draft_price_list, submit_price_list
from pricing.services.adjustments import (
    Wanted,
    approve_adjustment,
    draft_adjustment,
)
from pricing.services.items import charge_item
from pricing.services.outages import approve_outage, draft_outage, submit_outage
from pricing.study import Figures, Line
from receipts.models import (
    BillingProfile,
    Contact,
    DepartmentBilling,
    Mail,
    PurchaseOrder,
    Receipt,
    RemindersStopped,
    RunEntry,
    TaxProfile,
    TaxRate,
)
from receipts.services import create_receipt, draft_receipt, submit_receipt, void_receipt
from receipts.services.adjustments import submit_adjustment
from receipts.services.drafting import save_draft
from receipts.services.files import pdf_file
from receipts.services.runs import advance, start_run
from tests.factories import Row, exempt, import_rows
from tests.pricing.lists import flat, publish, slabs
from usage.models import (
    AccountMapping,
    Cluster,
    Exemption,
    ImportRun,
    Job,
    JobRevision,
    MissingJob,
    Pull,
    QuarantineDecision,
    QuarantinedRow,
    Reconciliation,
    Source,
    Window,
)
from usage.services import create_cluster

RECORDING = Path(__file__).parents[1] / "fixtures/slurm/22.05/sacct-X-D-epoch.psv"
START = datetime(2020, 1, 1, tzinfo=UTC)
FEE = Decimal(10)
"""What one person alone decided of what a draft carries."""
MONTH = Interval(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


def build() -> None:
    """Make people, projects, usage, prices, receipts in every status, and payments."""
    alice = User.objects.create_user("alice")
    actor = Actor.of(alice)
    create_token(user=alice, name="script", scopes=["usage:read"], days=1, actor=actor)
    IdempotentRequest.objects.create(user=alice, key="k", method="POST", path="/", status=201)
    projects = {code: _project(code, alice) for code in ("pi_suda", "pi_niran", "pi_wichai")}
    cluster = create_cluster(name="demo", time_zone="UTC", actor=actor)
    AccountMapping.objects.create(cluster=cluster, account="elsewhere", project=projects["pi_suda"])
    Source.objects.create(cluster=cluster, kind="sacct", place="login")
    Source.objects.create(cluster=cluster, position=2, kind="folder", place="demo")
    with RECORDING.open("rb") as stream:
        run = workflows.import_usage(
            cluster=cluster, stream=stream, origin="recording", actor=actor
        ).run
    import_rows(cluster, Row(9999, state="RUNNING"))
    _usage_leftovers(run)
    _windows(cluster, run)
    _exemption(cluster, alice)
    _price_lists(actor)
    _full_draft(cluster)
    _studies()
    _split(projects)
    _documents(projects, actor)
    _order(projects["pi_wichai"], alice)
    _counted(cluster, alice)
    _settlement(cluster, alice)
    _periods(alice)
    _billing(projects["pi_suda"])
    BooksCheck.objects.create(started_at=timezone.now(), breaks=0, results=[])
    export_journal(month=date(2020, 1, 1), layout="plain", actor=actor)


def _periods(alice: User) -> None:
    """Two long closed, of which the second was opened meanwhile, and is to be opened again."""
    first, second = date(2020, 1, 1), date(2020, 2, 1)
    one, other = Actor.of(alice), Actor.of(User.objects.get(username="second"))
    for month in (first, second):
        close(month=month, seal=seal_of, actor=one)
    wish = request_reopening(month=second, reason="a late bill", actor=one)
    approve_reopening(reopening_id=wish.pk, actor=other)
    close(month=second, seal=seal_of, actor=one)
    request_reopening(month=second, reason="another late bill", actor=one)
    _runs(first, second, one)


def _runs(first: date, second: date, actor: Actor) -> None:
    """Two runs: one without entries, one with a document and an entry that waits."""
    start_run(month=first, actor=actor)
    run = start_run(month=second, actor=actor)
    assert not advance(run_id=run.pk, actor=actor)
    project = Project.objects.get(code="pi_suda")
    one, _other = (
        RunEntry.objects.create(run=run, project=project, currency=currency)
        for currency in ("EUR", "USD")
    )
    span = Interval(START, START + timedelta(days=60))
    receipt = Receipt(
        project=project, period=second, currency="EUR", decimals=2, tax_rate=0, net_amount=0,
        tax_amount=0, total=0, window_start=span.start, window_end=span.end,
    )  # fmt: skip
    nobody = Actor.system("run")
    with transaction.atomic():
        save_draft(receipt, [], nobody)
    submit_receipt(receipt_id=receipt.pk, actor=nobody)
    RunEntry.objects.filter(pk=one.pk).update(state="drafted", receipt=receipt, total=0)


def _billing(payer: Project) -> None:
    """A project that another one pays for, with a tax of its own; it has no documents."""
    profile = TaxProfile.objects.create(code="vat", name="VAT", category="standard")
    TaxRate.objects.create(profile=profile, percent=7, starts_on=date(2020, 1, 1))
    project = Project.objects.create(code="paid-for", name="Paid for")
    BillingProfile.objects.create(
        project=project, grouping="payer", payer=payer, tax_profile=profile
    )
    Contact.objects.create(project=project, email="a@example.org")
    RemindersStopped.objects.create(project=project, reason="disputed")
    DepartmentBilling.objects.create(department=Department.objects.get(), project=payer)


def _price_lists(actor: Actor) -> None:
    """One in each status, written by one person; approved, where it is, by another one."""
    tier, rates = Tier.objects.get(code="gov"), {"cpu": Decimal(1)}
    for months in range(3):
        draft = draft_price_list(
            actor=actor,
            head=Head(
                tier=tier, effective_at=MONTH.end + timedelta(days=31 * months), currency="THB"
            ),
            content=content.flat(rates),
        )
        if months:
            submit_price_list(price_list_id=draft.pk, actor=actor)
    second = Actor.of(User.objects.create_user("second"))
    draft.refresh_from_db()
    approve_price_list(price_list_id=draft.pk, seen=draft.submitted_at, actor=second)


def _full_draft(cluster: Cluster) -> None:
    """Everything that a list can say, on the draft; and a counter that has counted nothing."""
    draft = PriceList.objects.get(status="draft")
    Sku.objects.create(code="poster", name="Poster", unit="piece")
    gpu = Rate.objects.create(
        price_list=draft, resource="gpu", model="graduated", cluster=cluster, partition="gpu"
    )
    Slab.objects.create(rate=gpu, position=1, up_to=100, unit_price=15)
    Slab.objects.create(rate=gpu, position=2, unit_price=12)
    Rate.objects.create(price_list=draft, resource="unit:che", unit_price=1)
    unit = Equivalent.objects.create(price_list=draft, code="che", name="Core-hour equivalents")
    EquivalentPart.objects.create(equivalent=unit, resource="cpu")
    EquivalentPart.objects.create(equivalent=unit, resource="mem", per=4)
    StatePolicy.objects.create(price_list=draft, state="NODE_FAIL", percent=0, reason="ours")
    Counter.objects.create(
        project=Project.objects.get(code="pi_suda"),
        rate=Rate.objects.filter(price_list__status="published").earliest("pk"),
        month=MONTH.start.date(),
        starts_at=MONTH.start,
        ends_at=MONTH.end,
    )


def _counted(cluster: Cluster, alice: User) -> None:
    """Two jobs of a project that pays by slabs, and at least something for each job; and one job
    that it pays for half; an item, and what its month lacks to its commitment."""
    counted, shared = (_project(code, alice) for code in ("counted", "shared"))
    ProjectTier.objects.filter(project=counted).update(tier=Tier.objects.get(code="private"))
    publish(
        slabs("cpu", ("10", "5"), (None, "3")),
        flat("mem", "0"),
        flat("sku:poster", "5"),
        tier="private",
        at=START,
        minimum_per_job=Decimal(100),
        commitment=Decimal(1000),
    )
    with transaction.atomic():
        split = Split.objects.create(project=shared, starts_at=START, reason="a grant")
        for project in (counted, shared):
            SplitShare.objects.create(split=split, project=project, percent=50)
    tres = "cpu=8,mem=1G,node=1"
    days = [datetime(2026, 10, day, 5, tzinfo=UTC) for day in (1, 2, 3)]
    import_rows(
        cluster,
        Row(20001, account="counted", end=days[0], tres=tres),
        Row(20002, account="counted", end=days[1], tres=tres),
        Row(20003, account="shared", end=days[2], tres=tres),
    )
    actor = Actor.of(alice)
    charge_item(
        project=counted, sku=Sku.objects.get(), quantity=Decimal(1), at=days[0],
        reason="for the fair", expected=Decimal(5), actor=actor,
    )  # fmt: skip
    true_up(project_id=counted.pk, month=date(2026, 10, 1), actor=actor)
    _by_hand(counted, cluster, actor)


def _by_hand(project: Project, cluster: Cluster, author: Actor) -> None:
    """Adjustments that are written, wait, and are approved; outages alike, the last with items."""
    second = Actor.of(User.objects.get(username="second"))
    kind = AdjustmentKind
    for amount, what in ((1, kind.CREDIT), (2, kind.CREDIT), (3, kind.CREDIT), (4, kind.FEE)):
        at = MONTH.start if what == kind.FEE else START
        wanted = Wanted(project, what, at, "a mistake", "ticket", Decimal(1000 * amount))
        made = draft_adjustment(wanted=wanted, actor=author)
        if amount > 1:
            submit_adjustment(adjustment_id=made.pk, actor=author)
        if amount > 2:
            approve_adjustment(adjustment_id=made.pk, actor=second)
    hour = datetime(2026, 10, 1, 4, 50, tzinfo=UTC)
    for percent in (10, 20, 30):
        row = draft_outage(
            cluster=cluster, starts_at=hour, ends_at=hour + timedelta(days=1),
            percent=Decimal(percent), text="Cooling failed", reason="ticket", actor=author,
        )  # fmt: skip
        if percent > 10:
            submit_outage(outage_id=row.pk, actor=author)
    approve_outage(outage_id=row.pk, lines_of=lambda _: {}, actor=second)


def _studies() -> None:
    """One that waits, and one that is done."""
    draft = PriceList.objects.get(status="draft")
    asked = {"price_list": draft, "since": START, "until": MONTH.start, "currency": "THB"}
    nothing = Line("", "", Decimal(0), Decimal(0))
    found = Figures("THB", START, MONTH.start, nothing, (), (), ()).as_json()
    PriceStudy.objects.create(**asked)
    PriceStudy.objects.create(
        **asked, status="done", figures=found, digest="0" * 64, finished_at=timezone.now()
    )


def _split(projects: dict[str, Project]) -> None:
    payers = ("pi_suda", "pi_niran")
    with transaction.atomic():
        split = Split.objects.create(
            project=projects["pi_wichai"], starts_at=MONTH.end, reason="two grants"
        )
        for code in payers:
            SplitShare.objects.create(split=split, project=projects[code], percent=50)


def _project(code: str, pi: User) -> Project:
    department, _ = Department.objects.get_or_create(code="sci", name="Science")
    project = Project.objects.create(code=code, name=code, department=department)
    Membership.objects.create(project=project, user=pi, role=Membership.Role.PI)
    tier = Tier.objects.get(code="mu")
    ProjectTier.objects.create(project=project, tier=tier, starts_at=START)
    return project


def _usage_leftovers(run: ImportRun) -> None:
    job = Job.objects.filter(charges=None).earliest("pk")
    JobRevision.objects.create(
        job=job, revision=1, values={}, run=run, line=job.line, raw_offset=0, raw_size=0
    )
    held = ImportRun.objects.create(
        cluster=run.cluster,
        evidence=run.evidence,
        origin="cut off",
        columns=["other"],
        time_zone="UTC",
        status="incomplete",
        rows_read=1,
        quarantined=1,
        finished_at=timezone.now(),
    )
    row = QuarantinedRow.objects.create(
        run=held, line=2, reason="nul", detail="a NUL byte", raw="x", digest="1" * 64
    )
    QuarantineDecision.objects.create(
        row=row,
        cluster=run.cluster,
        digest=row.digest,
        number=1,
        kind="dismissed",
        reason="a test job",
        author=User.objects.get(username="alice"),
    )
    ImportRun.objects.create(
        cluster=run.cluster,
        evidence=run.evidence,
        origin="cut off",
        columns=["other"],
        time_zone="UTC",
        retry_of=held,
    )
    Cluster.objects.create(name="second")


def _exemption(cluster: Cluster, author: User) -> None:
    Exemption.objects.create(
        cluster=cluster, partition="test", starts_at=START, reason="test nodes", author=author
    )
    exempt(cluster, author=author, partition="old", starts_at=START, ends_at=MONTH.start)


def _windows(cluster: Cluster, run: ImportRun) -> None:
    pull = Pull.objects.create(cluster=cluster, slot=date(2026, 11, 21))
    day = timedelta(days=1)
    asked: dict[str, Any] = {"asked_at": MONTH.end, "attempts": 1, "source": "sacct login"}
    found: tuple[dict[str, Any], ...] = (
        {"status": "read", "run": run, **asked},
        {"status": "empty", **asked},
        {"status": "waiting"},
    )
    Reconciliation.objects.create(
        cluster=cluster, start=MONTH.start, end=MONTH.end, until=MONTH.end, outcome="agreed"
    )
    for number, values in enumerate(found):
        start = MONTH.start + day * number
        Window.objects.create(cluster=cluster, pull=pull, start=start, end=start + day, **values)
    MissingJob.objects.create(
        job=Job.objects.earliest("pk"), window=Window.objects.get(status="empty")
    )


def _documents(projects: dict[str, Project], actor: Actor) -> None:
    void = create_receipt(project_id=projects["pi_suda"].pk, window=MONTH, actor=actor)
    void_receipt(receipt_id=void.pk, actor=actor, reason="wrong window")
    paid = create_receipt(project_id=projects["pi_suda"].pk, window=MONTH, actor=actor)
    today = timezone.localdate()
    settled = Transfer(reference="T-1", day=today, amount=paid.total, currency="THB")
    assert record_transfer(receipt_id=paid.pk, transfer=settled, actor=actor) == "applied"
    issued = create_receipt(project_id=projects["pi_niran"].pk, window=MONTH, actor=actor)
    for reference in ("T-2", "T-3"):
        wrong = Transfer(reference, today, issued.total + 1, "THB")
        assert record_transfer(receipt_id=issued.pk, transfer=wrong, actor=actor) == "mismatch"
    resolve_mismatch(event_id=_event("T-3"), actor=actor, resolution="sent back")
    start_checkout(receipt_id=issued.pk, provider_code="dummy", actor=actor)
    pdf_file(receipt=issued)
    for status, stamps in (
        ("queued", {"recipient": "a@example.org", "next_attempt_at": timezone.now()}),
        ("sent", {"recipient": "b@example.org", "sent_at": timezone.now()}),
    ):
        digest = {"queued": "0", "sent": "1"}[status] * 64
        values = {"recipient_sha256": digest, "language": "en", "status": status, **stamps}
        Mail.objects.create(receipt=issued, kind="issued", **values)
    charges = Charge.objects.filter(project=projects["pi_wichai"]).order_by("job_end")
    middle = charges[charges.count() // 2].job_end
    wanted = Wanted(projects["pi_wichai"], AdjustmentKind.FEE, MONTH.start, "a fee", "t", FEE)
    fee = draft_adjustment(wanted=wanted, actor=actor)
    submit_adjustment(adjustment_id=fee.pk, actor=actor)
    draft_receipt(
        project_id=projects["pi_wichai"].pk, window=Interval(MONTH.start, middle), actor=actor
    )


def _settlement(cluster: Cluster, alice: User) -> None:
    """One receipt of a project is paid, and too much of what came is to be given back; of another
    one a part is paid, tax was withheld and taken back, and the rest is to be given up."""
    project, actor = _project("payer", alice), Actor.of(alice)
    days = [datetime(2026, 11, day, 5, tzinfo=UTC) for day in (1, 2)]
    tres = "cpu=64,mem=1G,node=1"
    import_rows(
        cluster,
        *(Row(30000 + at.day, account="payer", end=at, seconds=36000, tres=tres) for at in days),
    )
    windows = [Interval(at - timedelta(hours=12), at + timedelta(hours=12)) for at in days]
    paid, receipt = (
        create_receipt(project_id=project.pk, window=window, actor=actor) for window in windows
    )
    today, one = timezone.localdate(), Decimal(1)
    whole = Transfer("T-6", today, paid.total, "THB")
    assert record_transfer(receipt_id=paid.pk, transfer=whole, actor=actor) == "applied"
    withheld = Withheld(one, Decimal(3), "WHT-1", today)
    transfer = Transfer("T-4", today, one, "THB")
    record_transfer(receipt_id=receipt.pk, transfer=transfer, withheld=withheld, actor=actor)
    row = Withholding.objects.get()
    take_back_withholding(withholding_id=row.pk, actor=actor, reason="another's certificate")
    official_file(official=OfficialReceipt.objects.earliest("pk"))
    again = Withheld(one, Decimal(3), "WHT-2", today)
    record_withholding(receipt_id=receipt.pk, withheld=again, actor=actor)
    too_much = Transfer("T-5", today, Decimal(5000), "THB")
    assert record_transfer(receipt_id=paid.pk, transfer=too_much, actor=actor) == "mismatch"
    kept = keep_as_balance(event_id=_event("T-5"), actor=actor)
    for amount in (100, 50):
        request_refund(payment_id=kept.pk, amount=Decimal(amount), reason="asked", actor=actor)
    second = Actor.of(User.objects.get(username="second"))
    approve_refund(refund_id=Refund.objects.earliest("pk").pk, actor=second)
    whole_payment = Payment.objects.get(external_id=f"manual_{paid.pk}_T-6")
    request_bounce(payment_id=whole_payment.pk, reason="no cover", actor=actor)
    request_write_off(receipt_id=receipt.pk, reason="lost", actor=actor)


def _order(project: Project, author: User) -> None:
    """One that doesn't cover what the project's draft asks for."""
    PurchaseOrder.objects.create(
        project=project, number="PO-1", ceiling=Decimal(100), currency="USD",
        starts_on=date(2026, 1, 1), expires_on=date(2029, 12, 31), created_by=author,
    )  # fmt: skip


def _event(reference: str) -> int:
    return InboundEvent.objects.get(external_event_id=reference).pk
