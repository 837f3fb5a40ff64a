"""What is kept of looking at the books as a whole."""

from insights.models.books import BooksCheck

__all__ = ["BooksCheck"]
