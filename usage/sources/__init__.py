"""Where accounting rows come from. Each source turns what it reads into normalised jobs."""
