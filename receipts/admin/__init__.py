"""Receipts in the console; importing the modules registers their pages."""

from receipts.admin import billing, mails, orders, outages, receipts, runs, series

__all__ = ["billing", "mails", "orders", "outages", "receipts", "runs", "series"]
