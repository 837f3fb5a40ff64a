"""Tasks about prices."""

from celery import shared_task

from pricing.study.services import run_study, unfinished


@shared_task(name="pricing.run_study")
def run_price_study(study_id: int) -> None:
    """Compute a study of a price list."""
    run_study(study_id=study_id)


@shared_task(name="pricing.resume_studies")
def resume_studies() -> None:
    """Go on with studies that nobody began, or whose worker died."""
    for study_id in unfinished().values_list("pk", flat=True):
        run_study(study_id=study_id)
