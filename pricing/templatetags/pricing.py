"""What pages of jobs ask pricing for."""

from django import template

from pricing import labels
from pricing.estimates import Estimate, estimates
from usage.exemptions import exemption_of
from usage.models import Exemption, Job

register = template.Library()


@register.filter
def resource_name(code: str) -> str:
    """What people call a resource."""
    return labels.resource_name(code)


@register.filter
def unit_name(code: str) -> str:
    """The unit that a resource's unit price is for."""
    return labels.unit_name(code)


@register.filter
def base_unit_name(code: str) -> str:
    """The unit that a resource's quantity is counted in."""
    return labels.base_unit_name(code)


@register.simple_tag
def estimate_of(job: Job) -> Estimate | None:
    """Return what a running job comes to so far, None for one that does not run."""
    return estimates([job]).get(job.pk)


@register.simple_tag
def exemption_of_job(job: Job) -> Exemption | None:
    """Return the exemption that a job falls under, or None."""
    return exemption_of(job)
