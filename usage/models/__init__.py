"""Clusters, the evidence that came from them, and the jobs read from it."""

from usage.models.clusters import AccountMapping, Cluster, Source
from usage.models.exemptions import Exemption
from usage.models.imports import Evidence, EvidenceChunk, ImportRun
from usage.models.jobs import Job, JobRevision
from usage.models.quarantine import QuarantineDecision, QuarantinedRow
from usage.models.reconciliations import Reconciliation
from usage.models.windows import MissingJob, Pull, Window

__all__ = [
    "AccountMapping",
    "Cluster",
    "Evidence",
    "EvidenceChunk",
    "Exemption",
    "ImportRun",
    "Job",
    "JobRevision",
    "MissingJob",
    "Pull",
    "QuarantineDecision",
    "QuarantinedRow",
    "Reconciliation",
    "Source",
    "Window",
]
