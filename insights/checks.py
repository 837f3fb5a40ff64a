"""Settings that the journal rests on are checked when the program starts."""

from typing import Any

from django.conf import settings
from django.core import checks

from insights.journal.entries import BadLayout, layouts_of


@checks.register()
def layouts_can_be_written(**_options: Any) -> list[checks.CheckMessage]:
    """Each layout of the settings has columns and marks that can be written."""
    try:
        layouts_of(settings.JOURNAL_LAYOUTS)
    except BadLayout as error:
        hint = "Mend JOURNAL_LAYOUTS in the environment or .env; docs/books.md shows a layout."
        return [checks.Error(f"JOURNAL_LAYOUTS: {error}", hint=hint, id="insights.E001")]
    return []
