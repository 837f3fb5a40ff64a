"""Do the books balance? Every invariant over the whole database, for who does not trust it."""

from hpcbilling.books.found import Break, Check
from hpcbilling.books.running import CHECKS, Result, check_books

__all__ = ["CHECKS", "Break", "Check", "Result", "check_books"]
