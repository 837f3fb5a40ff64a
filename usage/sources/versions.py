"""The versions of slurmrestd's API that we understand."""

API_VERSIONS = tuple(f"v0.0.{number}" for number in range(44, 37, -1))
"""Newest first: v0.0.44 of Slurm 25.11 down to v0.0.38 of 22.05."""

WITH_FLAGS = frozenset(API_VERSIONS) - {"v0.0.38"}
"""Those that know show_duplicates and disable_truncate_usage_time."""
