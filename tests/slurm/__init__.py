"""A real Slurm on loopback, and the tests that read its accounting in every way we know.

`make test-slurm` runs them; `python -m tests.slurm` starts the same Slurm for a person's own use.
"""
