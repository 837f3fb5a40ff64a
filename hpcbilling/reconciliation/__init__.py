"""Comparing what Slurm says was used with what we have, by bucket and job."""
