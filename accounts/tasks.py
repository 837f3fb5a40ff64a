"""Tasks about people and their programs."""

from celery import shared_task

from accounts import idempotency


@shared_task(name="accounts.forget_old_answers")
def forget_old_answers() -> None:
    """Delete answers of the API that are no longer given again."""
    idempotency.forget_old_answers()
