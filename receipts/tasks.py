"""Tasks of receipts. Each is safe to run twice, or twice at once, and carries ids only."""

from celery import shared_task

from core.actor import Actor
from core.queue import after_commit
from receipts.models import Receipt
from receipts.services import outbox, reminders, runs, sending
from receipts.services.files import pdf_file
from receipts.services.runs.steps import ADVANCE_TASK, ISSUE_TASK


@shared_task(name="receipts.send_mail")
def send_mail(mail_id: int) -> None:
    """Send one e-mail; what fails is tried again by the schedule."""
    sending.send_mail(mail_id)


@shared_task(name="receipts.render_document")
def render_document(receipt_id: int) -> None:
    """Make the PDF of an issued document in its own language, before anyone asks for it."""
    pdf_file(receipt=Receipt.objects.select_related("project", "corrects").get(pk=receipt_id))


@shared_task(name="receipts.send_due_mails")
def send_due_mails() -> None:
    """Send what failed before, and what was not sent because the queue was down."""
    sending.send_due_mails()


@shared_task(name="receipts.queue_reminders")
def queue_reminders() -> None:
    """Remind projects of what is due soon or overdue."""
    reminders.queue_reminders()


@shared_task(name="receipts.forget_addresses")
def forget_addresses() -> None:
    """Forget to which addresses e-mails went long ago."""
    outbox.forget_addresses()


RUN_SECONDS = 20
"""After so long a task of a run lets another one go on, so that it keeps no worker from other
work."""


@shared_task(name=ADVANCE_TASK)
def advance_run(run_id: int) -> None:
    """Make drafts of a monthly run."""
    if runs.advance(run_id=run_id, actor=Actor.system("run"), seconds=RUN_SECONDS):
        after_commit(ADVANCE_TASK, run_id)


@shared_task(name=ISSUE_TASK)
def issue_approved(run_id: int) -> None:
    """Issue what was approved in a monthly run."""
    if runs.issue_approved(run_id=run_id, seconds=RUN_SECONDS):
        after_commit(ISSUE_TASK, run_id)


@shared_task(name="receipts.resume_runs")
def resume_runs() -> None:
    """Go on with runs whose worker died."""
    for run_id in runs.unfinished():
        advance_run.delay(run_id)
    for run_id in runs.to_issue():
        issue_approved.delay(run_id)
