"""Receipts in the console; importing the modules registers their pages."""

from receipts.admin import adjustments, billing, mails, orders, outages, receipts, runs, series

__all__ = [
    "adjustments", "billing", "mails", "orders", "outages", "receipts", "runs", "series",
]  # fmt: skip
