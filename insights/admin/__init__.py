"""Reports in the console; importing the modules registers their pages."""

from insights.admin import ledger, reports

__all__ = ["ledger", "reports"]
