"""Whether the books balance, for Prometheus."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily

from hpcbilling.books.results import breaks_by_check, last_checked


def collect() -> Iterable[GaugeMetricFamily]:
    """Yield how many breaks the last check found, and when it was."""
    breaks = GaugeMetricFamily(
        "hpcbilling_books_breaks",
        "What broke an invariant of the books by their last check.",
        labels=["check"],
    )
    for name, count in breaks_by_check().items():
        breaks.add_metric([name], count)
    yield breaks
    checked = GaugeMetricFamily(
        "hpcbilling_last_books_check_timestamp_seconds",
        "When the books were last checked (or begun), as Unix time.",
    )
    moment = last_checked()
    if moment is not None:
        checked.add_metric([], moment.timestamp())
    yield checked
