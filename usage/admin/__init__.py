"""Usage in the console; importing the modules registers their pages."""

from usage.admin import clusters, imports, jobs, quarantine

__all__ = ["clusters", "imports", "jobs", "quarantine"]
