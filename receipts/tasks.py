"""Tasks of receipts. Each is safe to run twice, or twice at once, and carries ids only."""

import logging

from celery import shared_task

from receipts import notices
from receipts.models import Receipt
from receipts.services.files import pdf_file

log = logging.getLogger(__name__)


@shared_task(
    name="receipts.send_notice",
    autoretry_for=(notices.NoticesFailed,),
    retry_backoff=30,
    retry_backoff_max=3600,
    max_retries=12,
)
def send_notice(receipt_id: int, kind: str) -> None:
    """Tell a receipt's people that it was issued or paid."""
    notices.send_notice(receipt_id=receipt_id, kind=kind)


@shared_task(name="receipts.send_due_notices")
def send_due_notices() -> None:
    """Send what should have been sent and was not, say because the queue was down."""
    for receipt_id, kind in notices.notices_due():
        try:
            notices.send_notice(receipt_id=receipt_id, kind=kind)
        except notices.NoticesFailed as error:
            log.warning("notice of receipt %s was not sent: %s", receipt_id, error)


@shared_task(name="receipts.render_document")
def render_document(receipt_id: int) -> None:
    """Make the PDF of an issued document in its own language, before anyone asks for it."""
    pdf_file(receipt=Receipt.objects.select_related("project", "corrects").get(pk=receipt_id))
