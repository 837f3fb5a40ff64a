"""What pages of jobs ask pricing for."""

from django import template

from pricing.estimates import Estimate, estimates
from usage.exemptions import exemption_of
from usage.models import Exemption, Job

register = template.Library()


@register.simple_tag
def estimate_of(job: Job) -> Estimate | None:
    """Return what a running job comes to so far, None for one that does not run."""
    return estimates([job]).get(job.pk)


@register.simple_tag
def exemption_of_job(job: Job) -> Exemption | None:
    """Return the exemption that a job falls under, or None."""
    return exemption_of(job)
