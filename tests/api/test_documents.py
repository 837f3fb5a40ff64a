"""Documents as files, by the API."""

import hashlib
from datetime import timedelta

from core.intervals import Interval
from receipts.models import Receipt
from receipts.services import draft_receipt
from tests.api.conftest import MIDDLE, Call, Site
from tests.factories import OCTOBER, SYSTEM
from tests.receipts.rendering.reading import attached, pages


def path(receipt: Receipt, query: str = "") -> str:
    return f"receipts/{receipt.public_id}/document{query}"


def test_each_form_is_given_to_who_may_see_the_receipt(site: Site, call: Call) -> None:
    whole = call("alice").get(path(site.receipt, "?language=en&copy=1"))
    assert (whole.status_code, whole["Content-Type"]) == (200, "application/pdf")
    assert "Copy" in pages(whole.content)[0]
    assert whole.content == call("finance").get(path(site.receipt, "?language=en&copy=1")).content
    data = call("auditor").get(path(site.receipt, "?form=json"))
    assert data["Content-Type"] == "application/json"
    assert hashlib.sha256(data.content).hexdigest() == site.receipt.sha256
    xml = call("alice").get(path(site.receipt, "?form=xml"))
    assert xml.content == attached(whole.content)["factur-x.xml"].content


def test_strangers_and_drafts_have_none(site: Site, call: Call) -> None:
    assert call("charlie").get(path(site.receipt)).status_code == 404
    assert call("bob").get(path(site.receipt)).status_code == 404
    rest = Interval(MIDDLE, OCTOBER.end + timedelta(days=1))
    draft = draft_receipt(project_id=site.genomics.pk, window=rest, actor=SYSTEM)
    refused = call("alice").get(path(draft))
    assert (refused.status_code, refused.json()["code"]) == (409, "not_issued")


def test_what_is_asked_wrongly_is_told(site: Site, call: Call) -> None:
    for query, field in (("?form=doc", "form"), ("?language=fr", "language"), ("?copy=x", "copy")):
        refused = call("alice").get(path(site.receipt, query))
        assert refused.status_code == 400
        assert list(refused.json()["errors"]) == [field]
    assert call("alice").get(path(site.receipt, "?lang=en")).status_code == 400
