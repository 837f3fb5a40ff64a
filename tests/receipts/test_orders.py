"""Purchase orders: what they cover, when they warn, and that nobody is billed beyond them."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Project
from audit.models import AuditEvent
from core.errors import Conflict
from receipts.models import PurchaseOrder, Receipt
from receipts.orders import near_their_end, standing
from receipts.services import (
    create_receipt,
    draft_receipt,
    issue_receipt,
    submit_receipt,
    void_receipt,
)
from tests import console, racing, scenes
from tests.factories import (
    LONG_AGO,
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    publish_prices,
)

DAY = timedelta(days=1)


def billed() -> Project:
    """A project with one job in October, of 100 THB and 7 % tax."""
    project = make_project("genomics")
    publish_prices("mu", LONG_AGO, cpu="25", mem="0")
    import_rows(make_cluster(), Row(1))
    return project


genomics = scenes.standing(billed)


def order(project: Project, **values: Any) -> PurchaseOrder:
    """One of 1,000 THB that began a year ago and lasts for another."""
    today = timezone.localdate()
    author = values.pop("created_by", None) or make_user(f"author-{PurchaseOrder.objects.count()}")
    given = {
        "number": "PO-1", "ceiling": Decimal(1000), "currency": "THB",
        "starts_on": today - 365 * DAY, "expires_on": today + 365 * DAY, "created_by": author,
    } | values  # fmt: skip
    return PurchaseOrder.objects.create(project=project, **given)


def issue(project: Project) -> Receipt:
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


def refusal(project: Project) -> Conflict:
    with pytest.raises(Conflict) as caught:
        issue(project)
    assert not Receipt.objects.exclude(status="draft").exists()
    return caught.value


def test_a_project_without_orders_is_billed_as_before(genomics: Project) -> None:
    Project.objects.update(po_number="SS-26-0077")
    receipt = issue(genomics)
    assert receipt.purchase_order is None
    assert receipt.parties["buyer"]["po_number"] == "SS-26-0077"


def test_a_receipt_is_issued_under_the_order_in_force_and_says_so(genomics: Project) -> None:
    made = order(genomics)
    receipt = issue(genomics)
    assert receipt.purchase_order == made
    assert receipt.parties["buyer"]["po_number"] == "PO-1"
    assert console.last_event("receipt.issued")["purchase_order"] == "PO-1"
    assert standing(made, timezone.localdate()).billed == receipt.total > 0
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong")
    assert standing(made, timezone.localdate()).billed == 0


def test_the_ceiling_is_reached_exactly_and_never_passed(genomics: Project) -> None:
    total = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM).total
    made = order(genomics, ceiling=total - Decimal("0.01"))
    draft = Receipt.objects.get()
    with pytest.raises(Conflict, match=r"PO-1 has .* left, and this receipt comes to") as caught:
        issue_receipt(receipt_id=draft.pk, actor=SYSTEM)
    assert caught.value.code == "purchase_order_ceiling"
    assert AuditEvent.objects.filter(action="receipt.issued").count() == 0
    PurchaseOrder.objects.filter(pk=made.pk).update(ceiling=total)
    assert issue_receipt(receipt_id=draft.pk, actor=SYSTEM).purchase_order == made
    made.refresh_from_db()
    now = standing(made, timezone.localdate())
    assert (int(now.left), now.percent, now.is_over) == (0, 100, True)


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        (-30, -1, "purchase_order_expired"),
        (1, 30, "purchase_order"),
        (-30, 0, ""),
        (0, 0, ""),
    ],
)
def test_only_between_its_days(genomics: Project, first: int, last: int, code: str) -> None:
    today = timezone.localdate()
    order(genomics, starts_on=today + first * DAY, expires_on=today + last * DAY)
    if code:
        assert refusal(genomics).code == code
    else:
        assert issue(genomics).purchase_order is not None


def test_another_currency_covers_nothing(genomics: Project) -> None:
    order(genomics, currency="USD")
    assert refusal(genomics).code == "purchase_order_currency"


def test_a_receipt_over_nothing_needs_no_order(db: None) -> None:
    project = make_project("genomics")
    publish_prices("mu", LONG_AGO, cpu="0", mem="0")
    import_rows(make_cluster(), Row(1))
    today = timezone.localdate()
    order(project, starts_on=today - 9 * DAY, expires_on=today - DAY)
    assert issue(project).status == "paid"


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"purchase_order": None}, "issued under a purchase order"),
        ({"purchase_order": "other"}, "another project, currency or time"),
        ({"purchase_order": "own"}, "beyond the ceiling"),
    ],
)
def test_the_database_refuses_what_a_door_forgets(
    genomics: Project, values: dict[str, Any], rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = order(genomics, ceiling=Decimal(1))
    other = order(make_project("other"), number="PO-2")
    chosen = {"own": own, "other": other}.get(values["purchase_order"])
    monkeypatch.setattr("receipts.services.issuing.order_for", lambda receipt, day: chosen)
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        issue(genomics)


def test_of_an_order_only_the_ceiling_and_the_last_day_change(genomics: Project) -> None:
    made = order(genomics)
    PurchaseOrder.objects.update(ceiling=5, expires_on=made.expires_on + DAY)
    with pytest.raises(IntegrityError, match="only the ceiling"), transaction.atomic():
        PurchaseOrder.objects.update(number="PO-2")
    with pytest.raises(IntegrityError, match="purchase_order_no_overlap"), transaction.atomic():
        order(genomics, number="PO-2", starts_on=made.expires_on)


def test_a_warning_at_80_percent_or_30_days(genomics: Project) -> None:
    today = timezone.localdate()
    made = order(genomics)
    total = issue(genomics).total
    for ceiling, last, warns in (
        (total * 2, 31, False),
        (total * 2, 30, True),
        (total * 2, -1, True),
        (total / Decimal("0.8"), 31, True),
        (total / Decimal("0.79"), 31, False),
    ):
        values = {"ceiling": round(ceiling, 4), "expires_on": today + last * DAY}
        PurchaseOrder.objects.filter(pk=made.pk).update(**values)
        assert [each.order for each in near_their_end(today)] == [made] * warns
    PurchaseOrder.objects.update(expires_on=today)
    assert [each.days_left for each in near_their_end(today)] == [0]
    # The next one is there: nobody needs to be told any more.
    order(genomics, number="PO-2", starts_on=today + DAY, expires_on=today + 365 * DAY)
    assert near_their_end(today) == near_their_end(today + DAY) == []


def test_what_is_near_its_end_is_asked_once_for_all_orders(
    genomics: Project, django_assert_num_queries: Any
) -> None:
    today = timezone.localdate()
    order(genomics, expires_on=today + DAY)
    issue(genomics)
    order(make_project("climate"), expires_on=today + DAY)
    with django_assert_num_queries(1):
        assert len({each.billed for each in near_their_end(today)}) == 2


def test_two_receipts_at_once_do_not_both_fit(committed_db: None) -> None:
    project = billed()
    import_rows(make_cluster("beta"), Row(2, end=OCTOBER.end + timedelta(days=3)))
    november = type(OCTOBER)(OCTOBER.end, OCTOBER.end + 30 * DAY)
    drafts = [
        draft_receipt(project_id=project.pk, window=window, actor=SYSTEM)
        for window in (OCTOBER, november)
    ]
    order(project, ceiling=drafts[0].total)

    def act(receipt: Receipt) -> Any:
        return lambda: issue_receipt(receipt_id=receipt.pk, actor=SYSTEM)

    results = racing.race(*(act(receipt) for receipt in drafts))
    assert sorted(result == "purchase_order_ceiling" for result in results) == [False, True]


def test_the_clerk_enters_and_watches_orders(genomics: Project) -> None:
    clerk, today = console.visitor("finance"), timezone.localdate()
    form = {
        "project": genomics.pk, "number": "PO-7", "ceiling": "120", "currency": "THB",
        "starts_on": str(today - DAY), "expires_on": str(today + 100 * DAY),
    }  # fmt: skip
    assert clerk.post(console.url(PurchaseOrder, "add"), form).status_code == 302
    made = PurchaseOrder.objects.get()
    assert console.last_event("purchaseorder.created")["changes"]["number"] == [None, "PO-7"]
    assert "Purchase orders near their end" in clerk.get("/admin/").text
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    page = clerk.get(console.url(draft, "change", draft.pk)).text
    assert "PO-7 – 0 % of" in page
    issue_receipt(receipt_id=draft.pk, actor=SYSTEM)
    page = clerk.get(console.url(PurchaseOrder) + "?ending=1").text
    assert f"{standing(made, today).percent} % of" in page
    assert "Ends soon" in page
    clerk.post(
        console.url(made, "change", made.pk), {"ceiling": "500", "expires_on": form["expires_on"]}
    )
    made.refresh_from_db()
    assert made.ceiling == 500
    assert clerk.get(console.url(made, "delete", made.pk)).status_code == 403


def test_overlapping_days_are_explained_in_the_form(genomics: Project) -> None:
    made = order(genomics)
    form = {
        "project": genomics.pk, "number": "PO-8", "ceiling": "120", "currency": "THB",
        "starts_on": str(made.expires_on), "expires_on": str(date(2030, 1, 1)),
    }  # fmt: skip
    page = console.visitor("finance").post(console.url(PurchaseOrder, "add"), form)
    assert "another purchase order at that time" in page.text


@pytest.mark.parametrize("step", ["draft", "pending", "issued"])
def test_the_page_of_a_receipt_names_the_number_that_its_document_names(
    genomics: Project, step: str
) -> None:
    Project.objects.update(po_number="SS-26-0077")
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    if step == "pending":
        submit_receipt(receipt_id=draft.pk, actor=SYSTEM)
    if step == "issued":
        issue_receipt(receipt_id=draft.pk, actor=SYSTEM)
        Project.objects.update(po_number="SS-27-0001")
    page = console.visitor("finance").get(console.url(draft, "change", draft.pk))
    fields = page.context["adminform"].model_admin
    draft.refresh_from_db()
    assert fields.shown_order(draft) == "SS-26-0077"


def test_a_receipt_that_waits_for_approval_names_the_order_in_force(genomics: Project) -> None:
    order(genomics)
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    submit_receipt(receipt_id=draft.pk, actor=SYSTEM)
    page = console.visitor("finance").get(console.url(draft, "change", draft.pk))
    assert "PO-1 – " in page.text
