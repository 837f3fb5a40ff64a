"""Pages of paying, the providers' webhook, and the simulated provider's own page."""

import json
import time
import uuid
from decimal import Decimal
from typing import Any

import requests
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.actor import Actor
from core.errors import DomainError
from payments.downloads import pdf_response
from payments.providers.base import BadSignature
from payments.providers.dummy import DummyProvider, read_checkout, signed_headers
from payments.providers.registry import UnknownProvider, provider
from payments.selectors import official_receipts_visible_to, payments_visible_to, state_of
from payments.services import receive_webhook, start_checkout
from receipts.selectors import receipts_visible_to

MAX_WEBHOOK_BYTES = 1 << 20
WAITS = (2, 2, 3, 5, 8, 13, 21, 34, 55)
"""Seconds after which the thanks page asks again; then it stops, and says so."""


@login_required
@require_POST
def start(request: HttpRequest, receipt_id: uuid.UUID) -> HttpResponse:
    """Send the payer to the provider's page."""
    receipt = get_object_or_404(receipts_visible_to(request.user), public_id=receipt_id)
    try:
        payment = start_checkout(
            receipt_id=receipt.pk,
            provider_code=request.POST.get("provider", ""),
            actor=Actor.of(request.user),
        )
    except UnknownProvider as error:
        raise Http404 from error
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("receipts:detail", receipt.public_id)
    return HttpResponseRedirect(_within_site(payment.checkout_url))


def _within_site(url: str) -> str:
    """Return an address of this site as a path, so that a visitor stays on the host name in use.

    The policy lets forms lead to the page's own origin only, and http://127.0.0.1 is another one
    than http://localhost.
    """
    return url.removeprefix(settings.SITE_BASE_URL)


@login_required
@require_safe
def thanks(request: HttpRequest, payment_id: uuid.UUID) -> HttpResponse:
    """Tell the payer how the payment stands; it is settled by the provider's message alone."""
    payment = get_object_or_404(payments_visible_to(request.user), public_id=payment_id)
    state = state_of(payment)
    tries = request.GET.get("tries", "")
    asked = min(int(tries), len(WAITS)) if tries.isascii() and tries.isdecimal() else 0
    context = {
        "payment": payment,
        "state": state,
        "wait": WAITS[asked] if state == "pending" and asked < len(WAITS) else None,
        "again": f"?tries={asked + 1}",
    }
    return render(request, "payments/thanks.html", context)


@login_required
@require_safe
def official(request: HttpRequest, key: int) -> HttpResponse:
    """An official receipt as a file, for whoever may see its receipt."""
    found = get_object_or_404(official_receipts_visible_to(request.user), pk=key)
    return pdf_response(request, found)


@csrf_exempt  # the provider has no session; its signature is checked instead
@require_POST
def webhook(request: HttpRequest, provider_code: str) -> HttpResponse:
    """Receive a provider's message. 200 says that it is kept, and need not be sent again."""
    if int(request.headers.get("Content-Length") or 0) > MAX_WEBHOOK_BYTES:
        return JsonResponse({"error": "too large"}, status=413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        outcome = receive_webhook(provider_code=provider_code, headers=headers, body=request.body)
    except UnknownProvider as error:
        raise Http404 from error
    except BadSignature:
        return JsonResponse({"error": "bad signature"}, status=400)
    return JsonResponse({"outcome": outcome})


@require_http_methods(["GET", "HEAD", "POST"])
def simulate(request: HttpRequest) -> HttpResponse:
    """The test provider's page: pay, decline, or pay a wrong amount, as a payer might.

    Like a real provider's page it asks for no login here; what is paid stands in the signed
    address. The answer travels as a signed message over HTTP to this site's webhook.
    """
    try:
        provider(DummyProvider.code)
        checkout = read_checkout(request.GET.get("checkout", ""))
    except (UnknownProvider, BadSignature) as error:
        raise Http404 from error
    if request.method != "POST":
        return render(request, "payments/simulate.html", _shown(checkout))
    body = _message(checkout, request.POST.get("outcome", ""))
    if not _deliver(body):
        messages.error(request, _("The message did not arrive. Try again."))
        return render(request, "payments/simulate.html", _shown(checkout), status=502)
    return HttpResponseRedirect(_within_site(checkout["return_url"]))


def _shown(checkout: dict[str, str]) -> dict[str, Any]:
    return {"checkout": checkout, "amount": Decimal(checkout["amount"])}


def _message(checkout: dict[str, str], outcome: str) -> bytes:
    amount = "0.01" if outcome == "wrong_amount" else checkout["amount"]
    return json.dumps(
        {
            "id": f"evt_{uuid.uuid4().hex}",
            "type": "payment.failed" if outcome == "decline" else "payment.succeeded",
            "payment": checkout["payment"],
            "amount": amount,
            "currency": checkout["currency"],
            "created": int(time.time()),
        }
    ).encode()


def _deliver(body: bytes) -> bool:
    url = settings.SITE_BASE_URL + reverse("payments:webhook", args=[DummyProvider.code])
    try:
        answer = requests.post(
            url, data=body, headers=signed_headers(body), timeout=10, allow_redirects=False
        )
    except requests.RequestException:
        return False
    return answer.ok
