"""What is kept of looking at the books as a whole, and how they go to the site's ledger."""

from insights.models.books import BooksCheck
from insights.models.ledger import ACCOUNT, JournalExport, LedgerAccount, LedgerRole

__all__ = ["ACCOUNT", "BooksCheck", "JournalExport", "LedgerAccount", "LedgerRole"]
