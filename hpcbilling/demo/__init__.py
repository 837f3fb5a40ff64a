"""The demo: people, projects, three months of usage, and some money matters to work on.

The usage is made of rows that a real Slurm printed (`recorded/`), shifted in time, stretched to
hours and multiplied by a seeded generator. It comes in by the ordinary import, so each job has its
evidence. Everything else happens through the services that the pages use.
"""
