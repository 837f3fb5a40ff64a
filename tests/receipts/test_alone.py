"""What one person alone may give or charge by hand adds up, document by document."""

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django import Settings

from accounts.models import Project, User
from accounts.services import close
from core.actor import Actor
from core.errors import Conflict
from hpcbilling.closing.seal import seal_of
from pricing.models import Adjustment, AdjustmentKind
from pricing.replacing import reverse_and_replace
from pricing.services.adjustments import (
    Wanted,
    approve_adjustment,
    draft_adjustment,
    take_back_adjustment,
)
from receipts.alone import alone_before, alone_on
from receipts.differences import receipts_waiting
from receipts.models import BillingProfile, CorrectionProblem, Receipt
from receipts.selectors import charges_in_force, lines_over, unbilled_charges
from receipts.services import (
    Part,
    approve_credit,
    ask_credit,
    create_receipt,
    discard_draft,
    draft_receipt,
    issue_receipt,
    issuing,
    part_credits,
    runs,
    void_receipt,
    write_draft,
)
from receipts.services.adjustments import submit_adjustment
from receipts.services.corrections import settle_corrections
from tests import console
from tests.databases import Database
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.racing import race

D = Decimal
K = AdjustmentKind
OCTOBER_FIRST = date(2026, 10, 1)
DAY = datetime(2026, 10, 15, tzinfo=UTC)


@pytest.fixture
def genomics(db: None, settings: Settings) -> Project:
    settings.ADJUSTMENT_LIMIT = {"THB": D(100)}
    return make_project("genomics")


@pytest.fixture
def clerk(db: None) -> Actor:
    return Actor.of(make_user("clerk"))


@pytest.fixture
def second(db: None) -> Actor:
    return Actor.of(make_user("second"))


def draft(
    project: Project, actor: Actor, amount: int, kind: K = K.CREDIT, currency: str = "THB"
) -> Adjustment:
    wanted = Wanted(project, kind, DAY, "a mistake", "ticket", D(amount), currency=currency)
    return draft_adjustment(wanted=wanted, actor=actor)


def submit(
    project: Project, actor: Actor, amount: int, kind: K = K.CREDIT, currency: str = "THB"
) -> str:
    made = draft(project, actor, amount, kind, currency)
    return str(submit_adjustment(adjustment_id=made.pk, actor=actor).status)


def test_many_small_ones_are_a_large_one(genomics: Project, clerk: Actor) -> None:
    assert submit(genomics, clerk, 60) == "approved"
    assert submit(genomics, clerk, 40) == "approved", "up to the limit"
    assert submit(genomics, clerk, 1) == "submitted"
    other = make_project("climate")
    assert submit(other, clerk, 100) == "approved", "of another addressee"


def test_a_fee_and_a_credit_do_not_offset_each_other(genomics: Project, clerk: Actor) -> None:
    assert submit(genomics, clerk, 60) == "approved"
    assert submit(genomics, clerk, 50, K.FEE) == "submitted"
    assert submit(genomics, clerk, 40, K.FEE) == "approved"


def test_another_clerk_alone_is_one_person_too(
    genomics: Project, clerk: Actor, second: Actor
) -> None:
    assert submit(genomics, clerk, 60) == "approved"
    assert submit(genomics, second, 60) == "submitted"


def test_what_a_second_person_approved_and_what_was_taken_back_do_not_count(
    genomics: Project, clerk: Actor, second: Actor
) -> None:
    large = draft(genomics, clerk, 5000)
    submit_adjustment(adjustment_id=large.pk, actor=clerk)
    approve_adjustment(adjustment_id=large.pk, actor=second)
    assert submit(genomics, clerk, 100) == "approved"
    gone = Adjustment.objects.get(amount=-100)
    assert submit(genomics, clerk, 1) == "submitted"
    take_back_adjustment(adjustment_id=gone.pk, reason="wrong project", actor=clerk)
    assert submit(genomics, clerk, 100) == "approved"


def test_limits_are_by_currency_and_where_there_is_none_two_decide(
    genomics: Project, clerk: Actor, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": D(100), "JPY": D(3000)}
    assert submit(genomics, clerk, 100) == "approved"
    assert submit(genomics, clerk, 3000, currency="JPY") == "approved"
    assert submit(genomics, clerk, 1, currency="JPY") == "submitted"
    assert submit(genomics, clerk, 1, currency="USD") == "submitted"


def test_projects_of_one_payer_share_its_document(genomics: Project, clerk: Actor) -> None:
    payer, climate = make_project("payer"), make_project("climate")
    for project in (genomics, climate):
        BillingProfile.objects.create(project=project, grouping="payer", payer=payer)
    assert submit(genomics, clerk, 60) == "approved"
    assert submit(climate, clerk, 60) == "submitted"
    assert submit(payer, clerk, 60) == "submitted"
    assert alone_before(draft(climate, clerk, 1)) == 60


def test_a_draft_keeps_what_was_decided_and_its_issue_ends_it(
    genomics: Project, clerk: Actor
) -> None:
    import_rows(make_cluster(), Row(1, seconds=360_000))
    assert submit(genomics, clerk, 60) == "approved"
    reserved = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert submit(genomics, clerk, 50) == "submitted"
    discard_draft(receipt_id=reserved.pk, actor=SYSTEM)
    again = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    issue_receipt(receipt_id=again.pk, actor=SYSTEM)
    assert submit(genomics, clerk, 100) == "approved", "on the next document"


def test_parts_given_back_of_a_receipt_count_with_what_stands_on_it(
    genomics: Project, clerk: Actor
) -> None:
    import_rows(make_cluster(), Row(1, seconds=3_600_000))
    assert submit(genomics, clerk, 60) == "approved"
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert alone_on(receipt) == 60
    line = receipt.lines.get(resource="cpu")

    def give(amount: int) -> Receipt | None:
        parts = [Part(line.pk, D(amount))]
        return ask_credit(receipt_id=receipt.pk, parts=parts, reason="goodwill", actor=clerk)

    assert give(30) is not None
    assert alone_on(receipt) == 90
    assert give(11) is None, "it waits"
    assert submit(genomics, clerk, 100) == "approved", "the next document is another one"


def one_document(genomics: Project, clerk: Actor) -> Receipt:
    """Two small credits to two projects, which one payer pays for by then; drafted by a clerk."""
    payer, climate = make_project("payer"), make_project("climate")
    import_rows(make_cluster(), Row(1, seconds=3_600_000))
    for project in (genomics, climate):
        assert submit(project, clerk, 60) == "approved"
        BillingProfile.objects.create(project=project, grouping="payer", payer=payer)
    drafter = Actor.of(make_user("drafter"))
    lines = lines_over(unbilled_charges([genomics.pk, climate.pk]))
    with transaction.atomic():
        return write_draft(project=payer, lines=lines, window=OCTOBER, actor=drafter)


def test_what_comes_together_on_one_document_is_issued_by_a_second_person(
    genomics: Project, clerk: Actor, second: Actor
) -> None:
    made = one_document(genomics, clerk)
    drafter = Actor.of(User.objects.get(username="drafter"))
    for one in (clerk, drafter, SYSTEM):
        with pytest.raises(Conflict, match="Somebody else has to issue it") as refused:
            issue_receipt(receipt_id=made.pk, actor=one)
        assert refused.value.code == "alone"
        assert "120.00" in str(refused.value)
    issued = issue_receipt(receipt_id=made.pk, actor=second)
    assert issued.status == "issued"
    assert issued.alone_limit == D(100)


def test_up_to_the_limit_anybody_issues_it(
    genomics: Project, clerk: Actor, settings: Settings
) -> None:
    made = one_document(genomics, clerk)
    settings.ADJUSTMENT_LIMIT = {"THB": D(120)}
    assert issue_receipt(receipt_id=made.pk, actor=clerk).alone_limit == D(120)


def test_the_database_holds_a_document_to_its_limit(
    genomics: Project, clerk: Actor, second: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever issues it, and where a part is given back of it later without asking anybody."""
    made = one_document(genomics, clerk)
    monkeypatch.setattr(issuing, "_check_alone", lambda *_: None)
    for one in (clerk, Actor.of(User.objects.get(username="drafter")), SYSTEM):
        with pytest.raises(IntegrityError, match="one person alone"), transaction.atomic():
            issue_receipt(receipt_id=made.pk, actor=one)
    receipt = issue_receipt(receipt_id=made.pk, actor=second)
    assert alone_on(receipt) == 120
    monkeypatch.setattr(part_credits, "alone_on", lambda _: D(0))
    parts = [Part(receipt.lines.get(resource="cpu").pk, D(1))]
    with pytest.raises(IntegrityError, match="one person alone"), transaction.atomic():
        ask_credit(receipt_id=receipt.pk, parts=parts, reason="goodwill", actor=second)
    monkeypatch.undo()
    assert ask_credit(receipt_id=receipt.pk, parts=parts, reason="goodwill", actor=second) is None
    assert approve_credit(receipt_id=receipt.pk, actor=clerk).total < 0


def test_what_a_void_receipt_carried_counts_on_the_next_one(
    genomics: Project, clerk: Actor, second: Actor
) -> None:
    import_rows(make_cluster(), Row(1, seconds=3_600_000))
    assert submit(genomics, clerk, 60) == "approved"
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert submit(genomics, clerk, 60) == "approved", "of the next document"
    void_receipt(receipt_id=receipt.pk, reason="wrong name", actor=clerk)
    with pytest.raises(Conflict, match="Somebody else has to issue it"):
        create_receipt(project_id=genomics.pk, window=OCTOBER, actor=second)
    drafted = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=clerk)
    assert issue_receipt(receipt_id=drafted.pk, actor=second).alone_limit == 100


def test_the_console_says_who_issues_it(genomics: Project) -> None:
    finance, author = console.visitor("finance"), make_user("author", groups=("finance",))
    made = one_document(genomics, Actor.of(author))
    address = console.url(Receipt, "issue", made.pk)
    page = finance.get(address).content.decode()
    assert "By issuing it you approve that" in page
    assert "120.00" in page
    client = Client()
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    assert "Somebody else has to issue it" in client.get(address).content.decode()
    assert "Somebody else has to issue it" in console.confirm(client, address).content.decode()
    assert "is issued" in console.messages_of(console.confirm(finance, address))[0]


def test_the_page_says_beforehand_whether_somebody_else_has_to_look(genomics: Project) -> None:
    finance = console.visitor("finance")
    author = Actor.of(make_user("author"))
    submit(genomics, author, 60)
    small, large = draft(genomics, author, 40), draft(genomics, author, 41)
    page = finance.get(console.url(Adjustment, "submit", small.pk)).content.decode()
    assert "It is charged at once." in page
    page = finance.get(console.url(Adjustment, "submit", large.pk)).content.decode()
    assert "Somebody else has to approve it." in page
    assert "60.00" in page
    done = finance.post(console.url(Adjustment, "submit", large.pk), follow=True)
    assert console.messages_of(done) == ["It waits for the approval of somebody else."]


def test_two_at_once_count_each_other(committed_db: Database, settings: Settings) -> None:
    """Of two projects of one payer, so that only the addressee's lock orders them."""
    settings.ADJUSTMENT_LIMIT = {"THB": D(100)}
    payer, clerk, other = make_project("payer"), make_user("clerk"), make_user("other")
    acts = []
    for code, user in (("genomics", clerk), ("climate", other), ("physics", clerk)):
        project = make_project(code)
        BillingProfile.objects.create(project=project, grouping="payer", payer=payer)
        actor = Actor.of(user)
        made = draft(project, actor, 60)
        acts.append(partial(submitted, made.pk, actor))
    assert sorted(race(*acts)) == ["approved", "submitted", "submitted"]


def submitted(key: int, actor: Actor) -> str:
    return str(submit_adjustment(adjustment_id=key, actor=actor).status)


def test_two_parts_at_once_count_each_other(committed_db: Database, settings: Settings) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": D(100)}
    project, clerk = make_project("genomics"), Actor.of(make_user("clerk"))
    import_rows(make_cluster(), Row(1, seconds=3_600_000))
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    part = Part(receipt.lines.get(resource="cpu").pk, D(60))

    def give() -> str:
        note = ask_credit(receipt_id=receipt.pk, parts=[part], reason="goodwill", actor=clerk)
        return "waits" if note is None else "given"

    assert sorted(race(give, give)) == ["given", "waits"]


def corrected(receipt: Receipt) -> str:
    """What keeps a receipt from being corrected, of which a job was charged anew."""
    newest = Receipt.objects.latest("pk").pk
    usage = charges_in_force(receipt).filter(job__job_id=1)
    reverse_and_replace(charges=list(usage), actor=SYSTEM)
    assert settle_corrections(actor=SYSTEM).failed == 1
    assert not Receipt.objects.filter(pk__gt=newest).exists(), "no document was made"
    return CorrectionProblem.objects.get(receipt=receipt).problem_text


def test_a_correction_that_takes_a_second_person_says_how_it_goes_on(
    genomics: Project, clerk: Actor, second: Actor, settings: Settings
) -> None:
    """Nothing is there to be issued: the run drafts it, and a second person approves it there."""
    settings.CORRECTION_THRESHOLD = {"THB": D(0)}
    import_rows(make_cluster(), Row(1, seconds=3_600_000))
    settings.ADJUSTMENT_LIMIT = {"THB": D(2000)}
    assert submit(genomics, clerk, 2000) == "approved"
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    settings.ADJUSTMENT_LIMIT = {"THB": D(100)}
    said = corrected(receipt)
    assert "has to issue it" not in said
    assert "2,000.00" in said
    assert "The next monthly run corrects it" in said
    close(month=OCTOBER_FIRST, seal=seal_of, actor=SYSTEM)
    run = runs.start_run(month=OCTOBER_FIRST, actor=clerk)
    assert not runs.advance(run_id=run.pk, actor=SYSTEM)
    assert not CorrectionProblem.objects.exists()
    drafted = Receipt.objects.get(status="pending")
    assert issue_receipt(receipt_id=drafted.pk, actor=second).status == "issued"


def test_a_correction_that_would_give_back_beyond_a_lower_limit_says_how_it_goes_on(
    genomics: Project, clerk: Actor, settings: Settings
) -> None:
    """A part that is given back anew on the note was within the limit when it was given."""
    settings.CORRECTION_THRESHOLD = {"THB": D(0)}
    import_rows(make_cluster(), Row(1, seconds=3_600_000), Row(2, seconds=3_600_000))
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    line = receipt.lines.get(resource="cpu")
    settings.ADJUSTMENT_LIMIT = {"THB": D(5000)}
    part = Part(line.pk, line.amount * 2 / 3)
    given = ask_credit(receipt_id=receipt.pk, parts=[part], reason="goodwill", actor=clerk)
    assert given is not None
    settings.ADJUSTMENT_LIMIT = {"THB": D(10)}
    said = corrected(receipt)
    assert said.startswith("Its credit note would go on giving back")
    assert "Void the receipt" in said
    assert void_receipt(receipt_id=receipt.pk, reason="a lower limit", actor=clerk).status == "void"
    assert not receipts_waiting().exists()
