"""A cluster whose source is a pretended Slurm."""

from pathlib import Path

import pytest
from pytest_django import Settings

from tests.factories import make_cluster
from tests.hpcbilling.reconciliation.slurm import PretendedSlurm
from usage.models import Cluster, Source


@pytest.fixture
def slurm(tmp_path: Path, settings: Settings) -> PretendedSlurm:
    slurm = PretendedSlurm(tmp_path)
    settings.SLURM_CONNECTIONS = str(slurm.connections)
    settings.SITE_TIME_ZONE = "UTC"
    return slurm


@pytest.fixture
def cluster(slurm: PretendedSlurm) -> Cluster:
    cluster = make_cluster()
    Source.objects.create(cluster=cluster, kind="sacct", place="here")
    return cluster
