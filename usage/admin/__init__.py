"""Usage in the console; importing the modules registers their pages."""

from usage.admin import clusters, exemptions, imports, jobs, quarantine

__all__ = ["clusters", "exemptions", "imports", "jobs", "quarantine"]
