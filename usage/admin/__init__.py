"""Usage in the console; importing the modules registers their pages."""

from usage.admin import clusters, evidence, exemptions, imports, jobs, pulls, quarantine

__all__ = ["clusters", "evidence", "exemptions", "imports", "jobs", "pulls", "quarantine"]
