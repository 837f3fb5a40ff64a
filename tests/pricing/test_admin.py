"""Price lists, charges and the queue of unpriced jobs in the console."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import ProjectTier, Tier
from core.actor import Actor
from pricing.content import flat
from pricing.models import Charge, JobRating, PriceList, Rate
from pricing.services import Head, draft_price_list, submit_price_list
from tests import console
from tests.factories import (
    LONG_AGO,
    SYSTEM,
    Row,
    approve,
    import_rows,
    make_cluster,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db
NEXT_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


@pytest.fixture
def draft() -> PriceList:
    return draft_price_list(
        actor=SYSTEM,
        head=Head(tier=Tier.objects.get(code="mu"), effective_at=NEXT_YEAR, currency="THB"),
        content=flat({"cpu": Decimal("1.5")}),
    )


def second_clerk() -> Client:
    client = Client()
    client.force_login(
        make_user("second", groups=("finance",)), "django.contrib.auth.backends.ModelBackend"
    )
    return client


def published(draft: PriceList) -> PriceList:
    author = Actor.of(make_user("author"))
    return approve(submit_price_list(price_list_id=draft.pk, actor=author))


def filled(**changes: str) -> dict[str, str]:
    """What the page sends; ``price_cpu`` and so on are the unit prices of rows of rates."""
    given = {"price_cpu": "0.9", "price_gpu": "", "price_mem": "0.06"} | changes
    prices = {k.removeprefix("price_"): v for k, v in given.items() if k.startswith("price_")}
    rows = [{"resource": code, "unit_price": price} for code, price in prices.items()]
    values = {
        "tier": str(Tier.objects.get(code="mu").pk), "effective_at_0": "2027-01-01",
        "effective_at_1": "00:00:00", "currency": "thb", "note": "next year",
        **rows_of("rates", rows), **rows_of("equivalents", []), **rows_of("states", []),
    }  # fmt: skip
    return values | {k: v for k, v in changes.items() if not k.startswith("price_")}


def rows_of(kind: str, rows: list[dict[str, str]]) -> dict[str, str]:
    """What the page sends of some rows."""
    fields = {
        f"{kind}-{number}-{name}": value
        for number, row in enumerate(rows)
        for name, value in row.items()
    }
    return {f"{kind}-TOTAL_FORMS": str(len(rows)), f"{kind}-INITIAL_FORMS": "0", **fields}


def shown_rows(client: Client, price_list: PriceList, kind: str = "rates") -> list[dict[str, Any]]:
    """The values of the rows on the page of a draft, besides their keys."""
    page = client.get(console.url(price_list, "change", price_list.pk))
    formsets = {each.formset.prefix: each.formset for each in page.context["inline_admin_formsets"]}
    return [
        {
            name: form[name].value()
            for name in form.fields
            if form[name].value() and name not in {"price_list", "id"}
        }
        for form in formsets[kind].forms
    ]


def rates_of(price_list: PriceList) -> dict[str, Decimal]:
    return {rate.resource: rate.unit_price for rate in price_list.rates.all()}


def test_a_list_is_drafted_edited_and_published_on_one_page(clerk: Client) -> None:
    clerk.post(console.url(PriceList, "add"), filled())
    made = PriceList.objects.get(status="draft")
    assert (made.currency, made.revision, made.note) == ("THB", 1, "next year")
    assert rates_of(made) == {"cpu": Decimal("0.9"), "mem": Decimal("0.06")}
    assert shown_rows(clerk, made) == [
        {"resource": "cpu", "unit_price": "0.9", "model": "flat", "basis": "allocated"},
        {"resource": "mem", "unit_price": "0.06", "model": "flat", "basis": "allocated"},
    ]
    clerk.post(console.url(made, "change", made.pk), filled(price_gpu="20", price_mem=""))
    assert [row["resource"] for row in shown_rows(clerk, made)] == ["cpu", "gpu"]
    made.refresh_from_db()
    assert rates_of(made) == {"cpu": Decimal("0.9"), "gpu": Decimal(20)}
    event = console.last_event("price_list.changed")
    assert event["before"]["rates"] == {"cpu": "0.900000", "mem": "0.060000"}
    assert event["after"]["rates"] == {"cpu": "0.9", "gpu": "20"} or event["after"]["rates"] == {
        "cpu": "0.900000", "gpu": "20.000000",
    }  # fmt: skip
    page = clerk.post(console.url(made, "submit", made.pk), follow=True)
    assert "waits for the approval" in console.messages_of(page)[-1]
    approver = second_clerk()
    page = approver.get(console.url(made, "approve", made.pk))
    sent = {"seen": page.context["form"]["seen"].value()}
    page = approver.post(console.url(made, "approve", made.pk), sent, follow=True)
    assert "is published" in console.messages_of(page)[-1]
    made.refresh_from_db()
    assert made.status == "published"
    assert made.approved_by is not None
    drafted = ["drafted", "changed", "submitted", "published"]
    assert console.actions()[-4:] == [f"price_list.{step}" for step in drafted]


def steps_of(client: Client, price_list: PriceList) -> set[str]:
    """The buttons that someone sees on the page of a list."""
    page = client.get(console.url(price_list, "change", price_list.pk))
    paths = (item["path"] for item in page.context["actions_detail"] or ())
    return {path.rstrip("/").rpartition("/")[2] for path in paths}


def test_each_sees_the_steps_that_are_theirs(clerk: Client) -> None:
    clerk.post(console.url(PriceList, "add"), filled())
    made = PriceList.objects.get(status="draft")
    approver, auditor = second_clerk(), console.visitor("auditor")
    assert steps_of(clerk, made) == {"submit", "copy", "study"}
    clerk.post(console.url(made, "submit", made.pk))
    assert steps_of(clerk, made) == {"withdraw", "copy", "study"}
    assert steps_of(approver, made) == {"approve", "reject", "withdraw", "copy", "study"}
    assert steps_of(auditor, made) == set()
    for step in ("submit", "approve", "reject", "withdraw"):
        assert auditor.post(console.url(made, step, made.pk)).status_code == 403
    page = clerk.get(console.url(made, "approve", made.pk))
    sent = {"seen": page.context["form"]["seen"].value()}
    page = clerk.post(console.url(made, "approve", made.pk), sent, follow=True)
    assert "Someone else has to approve" in console.messages_of(page)[-1]


def test_the_approver_sees_each_price_before_and_after(clerk: Client) -> None:
    make_project("genomics")
    now = datetime.now(UTC).replace(microsecond=0)
    import_rows(make_cluster(), Row(1, end=now - timedelta(days=2)))
    clerk.post(console.url(PriceList, "add"), filled(price_mem=""))
    made = PriceList.objects.get(status="draft")
    clerk.post(console.url(made, "submit", made.pk))
    page = second_clerk().get(console.url(made, "approve", made.pk))
    shown = {line.label: line for line in page.context["differences"]}
    assert (shown["cpu"].old_price, shown["cpu"].new_price) == (Decimal("0.75"), Decimal("0.9"))
    assert shown["cpu"].percent == Decimal("20.0")
    assert (shown["gpu"].new, shown["mem"].new) == (None, None)
    effect = page.context["effects"]["THB"]
    assert (effect.old, effect.new) == (Decimal("3.4"), Decimal("3.6"))
    assert effect.unpriced == ("mem",)
    text = page.content.decode()
    for told in ("+20\N{NO-BREAK SPACE}%", "no price any more", "finance-person", "next year"):
        assert told in text, told


def test_the_author_reads_why_a_list_was_sent_back(clerk: Client) -> None:
    clerk.post(console.url(PriceList, "add"), filled())
    made = PriceList.objects.get(status="draft")
    clerk.post(console.url(made, "submit", made.pk))
    approver = second_clerk()
    page = approver.get(console.url(made, "reject", made.pk))
    sent = {"seen": page.context["form"]["seen"].value()}
    assert (
        "reason" in approver.post(console.url(made, "reject", made.pk), sent).context["form"].errors
    )
    approver.post(console.url(made, "reject", made.pk), sent | {"reason": "GPU is missing"})
    assert "GPU is missing" in clerk.get(console.url(made, "change", made.pk)).content.decode()


def test_the_queue_and_its_badge_tell_of_waiting_lists(clerk: Client) -> None:
    def waiting() -> tuple[int, list[str]]:
        page = clerk.get(reverse("admin:index"))
        (card,) = (card for card in page.context["cards"] if card.name == "Price lists to approve")
        groups = page.context["sidebar_navigation"]
        return card.count, [i["badge"] for g in groups for i in g["items"] if i.get("badge")]

    assert waiting() == (0, [])
    clerk.post(console.url(PriceList, "add"), filled())
    made = PriceList.objects.get(status="draft")
    clerk.post(console.url(made, "submit", made.pk))
    assert waiting() == (1, ["1"])


def test_a_list_is_named_by_the_local_day_from_which_it_holds() -> None:
    september = datetime(2026, 8, 31, 17, tzinfo=UTC)  # midnight in Bangkok
    price_list = draft_price_list(
        actor=SYSTEM,
        head=Head(tier=Tier.objects.get(code="mu"), effective_at=september, currency="THB"),
        content=flat({"cpu": Decimal(1)}),
    )
    assert str(price_list) == "mu 2026-09-01 r1"


def test_a_published_list_is_only_seen(clerk: Client, draft: PriceList) -> None:
    published(draft)
    page = clerk.get(console.url(draft, "change", draft.pk)).content.decode()
    assert "rates-0-unit_price" not in page
    assert "CPU: 1.50 THB / CPU-core-hour" in page
    assert clerk.post(console.url(draft, "change", draft.pk), filled()).status_code == 403
    assert clerk.post(console.url(draft, "delete", draft.pk), {"post": "yes"}).status_code == 403
    again = clerk.post(console.url(draft, "submit", draft.pk), follow=True)
    assert console.messages_of(again)
    assert rates_of(draft) == {"cpu": Decimal("1.5")}


def test_a_list_published_while_it_was_edited_stays_as_it_was(
    clerk: Client, draft: PriceList, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(draft)
    monkeypatch.setattr("pricing.admin.lists._is_draft", lambda obj: True)
    page = clerk.post(console.url(draft, "change", draft.pk), filled(), follow=True)
    assert "can't be changed" in console.messages_of(page)[-1]
    assert rates_of(draft) == {"cpu": Decimal("1.5")}


@pytest.mark.parametrize(
    ("field", "value"),
    [("price_cpu", "-1"), ("price_cpu", "0.1234567"), ("price_cpu", "NaN"), ("currency", "baht"),
     ("currency", "฿฿฿"), ("effective_at_0", "soon")],
)  # fmt: skip
def test_bad_values_are_refused_in_the_form(clerk: Client, field: str, value: str) -> None:
    page = clerk.post(console.url(PriceList, "add"), filled(**{field: value}))
    form = page.context["adminform"].form
    if field.startswith("price_"):
        form = page.context["inline_admin_formsets"][0].formset.forms[0]
        field = "unit_price"
    assert field.removesuffix("_0") in form.errors
    assert not PriceList.objects.filter(status="draft").exists()


def test_an_empty_list_is_not_submitted(clerk: Client) -> None:
    clerk.post(console.url(PriceList, "add"), filled(price_cpu="", price_mem=""))
    made = PriceList.objects.get(status="draft")
    page = clerk.post(console.url(made, "submit", made.pk))
    assert "at least one rate" in str(page.context["form"].errors)


def test_a_copy_is_a_new_draft_and_a_draft_is_discarded(clerk: Client) -> None:
    old = PriceList.objects.get(tier__code="mu")
    page = clerk.post(console.url(old, "copy", old.pk), follow=True)
    copied = PriceList.objects.get(status="draft")
    assert page.redirect_chain[-1][0] == console.url(copied, "change", copied.pk)
    assert (copied.effective_at, copied.revision) == (old.effective_at, old.revision + 1)
    assert rates_of(copied) == rates_of(old)
    clerk.post(console.url(copied, "delete", copied.pk), {"post": "yes"})
    assert not PriceList.objects.filter(status="draft").exists()
    assert console.actions()[-1] == "price_list.discarded"


def test_a_new_list_starts_next_month_in_the_sites_currency(clerk: Client) -> None:
    form = clerk.get(console.url(PriceList, "add")).context["adminform"].form
    assert form.initial["currency"] == "THB"
    assert form.initial["effective_at"] > datetime.now(UTC)


def test_lists_are_imported_as_drafts_after_a_look(clerk: Client) -> None:
    table = (
        "tier,effective_from,currency,note,cpu,gpu,mem\n"
        "mu,2027-01-01,,cheaper,0.5,,0.01\ngov,2027-01-01 08:00,THB,,1,20,\n"
    )
    address = console.url(PriceList, "import")
    file = SimpleUploadedFile("prices.csv", table.encode())
    seen = clerk.post(address, {"import_file": file, "format": "0"})
    assert not PriceList.objects.filter(status="draft").exists(), "a dry run wrote"
    assert seen.context["result"].totals["new"] == 2
    clerk.post(console.url(PriceList, "process_import"), seen.context["confirm_form"].initial)
    made = PriceList.objects.filter(status="draft").order_by("tier__code")
    assert [(row.holder, row.currency, row.note) for row in made] == [
        ("gov", "THB", ""), ("mu", "THB", "cheaper"),
    ]  # fmt: skip
    assert rates_of(made[1]) == {"cpu": Decimal("0.5"), "mem": Decimal("0.01")}
    assert console.actions()[-2:] == ["price_list.drafted"] * 2


@pytest.mark.parametrize(
    "row",
    ["nope,2027-01-01,THB,,1,1,1", "mu,tomorrow,THB,,1,1,1", "mu,2027-01-01,THB,,cheap,1,1",
     "mu,2027-01-01,THB,,-1,1,1", "mu,2027-01-01,BAHT,,1,1,1"],
)  # fmt: skip
def test_a_bad_row_spoils_the_whole_import(clerk: Client, row: str) -> None:
    table = f"tier,effective_from,currency,note,cpu,gpu,mem\nmu,2027-01-01,THB,,1,1,1\n{row}\n"
    file = SimpleUploadedFile("prices.csv", table.encode())
    seen = clerk.post(console.url(PriceList, "import"), {"import_file": file, "format": "0"})
    result = seen.context["result"]
    assert result.has_errors() or result.has_validation_errors()
    assert "confirm_form" not in seen.context
    assert not PriceList.objects.filter(status="draft").exists()


def test_the_export_has_a_row_for_each_list(clerk: Client) -> None:
    text = console.streamed(clerk.get(console.url(PriceList, "export_csv") + "?tier__id__exact=1"))
    assert len(text.splitlines()) == 2
    assert "0.75,12,0.05" in text


def test_unpriced_jobs_wait_with_their_reason_and_are_rated_again(clerk: Client) -> None:
    project = make_project("genomics", tier="")
    import_rows(make_cluster(), Row(1), Row(2, account="unheard-of"))
    page = clerk.get(console.url(JobRating) + "?reason__exact=no_tier")
    (rating,) = page.context["cl"].queryset
    assert "The project had no tier when the job ended" in page.content.decode()
    ProjectTier.objects.create(
        project=project, tier=Tier.objects.get(code="mu"), starts_at=LONG_AGO
    )
    chosen = {"action": "rate_again", "_selected_action": rating.pk}
    page = clerk.post(console.url(JobRating), chosen, follow=True)
    assert console.messages_of(page) == ["1 rated, 0 exempt, 0 still without a price."]
    assert set(Charge.objects.values_list("job_id", flat=True)) == {rating.pk}
    left = clerk.get(console.url(JobRating)).context["cl"].queryset
    assert [row.reason for row in left] == ["no_project"]
    page = clerk.post(
        console.url(JobRating), chosen | {"_selected_action": left[0].pk}, follow=True
    )
    assert console.messages_of(page) == ["0 rated, 0 exempt, 1 still without a price."]


def test_very_many_jobs_are_rated_in_the_background(
    clerk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_rows(make_cluster(), Row(1), Row(2))
    queued: list[str] = []
    monkeypatch.setattr("hpcbilling.admin.after_commit", queued.append)
    monkeypatch.setattr("hpcbilling.admin.BATCH_JOBS", 1)
    chosen = list(JobRating.objects.values_list("pk", flat=True))
    page = clerk.post(
        console.url(JobRating), {"action": "rate_again", "_selected_action": chosen}, follow=True
    )
    assert "in the background" in console.messages_of(page)[-1]
    assert queued == ["hpcbilling.rate_pending"]


def test_rating_everything_is_left_to_the_worker(
    clerk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[str] = []
    monkeypatch.setattr("hpcbilling.admin.after_commit", queued.append)
    page = clerk.post(console.url(JobRating, "rate_all"), follow=True)
    assert "Look again in a moment" in console.messages_of(page)[-1]
    assert queued == ["hpcbilling.rate_pending"]


@pytest.mark.parametrize(("billed", "count"), [("no", 2), ("yes", 0), ("off", 0), ("", 2)])
def test_charges_are_found_by_where_they_stand(clerk: Client, billed: str, count: int) -> None:
    make_project("genomics")
    import_rows(make_cluster(), Row(1))
    query = f"?billed={billed}" if billed else ""
    assert clerk.get(console.url(Charge) + query).context["cl"].result_count == count


def test_rates_of_drafts_have_no_page_of_their_own() -> None:
    assert Rate not in console.registered()
