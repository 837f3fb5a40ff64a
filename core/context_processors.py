"""What every page shows of the site itself."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(_request: HttpRequest) -> dict[str, Any]:
    """The site's name, whether it is a demonstration, and the languages to choose from."""
    return {
        "brand": settings.SITE_NAME,
        "is_demo": settings.DEMO,
        "site_languages": (("en", "EN", "English"), ("th", "ไทย", "ภาษาไทย")),
    }
