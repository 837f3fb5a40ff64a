"""What Slurm itself says a cluster was used for: read apart from imports, to compare with them."""
