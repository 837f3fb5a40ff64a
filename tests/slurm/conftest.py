"""One Slurm for all tests of this folder, with a history of jobs of every kind."""

from collections.abc import Iterator

import pytest

from tests.slurm.history import History
from tests.slurm.packages import NoSlurmError
from tests.slurm.stack import Stack, running


@pytest.fixture(scope="session")
def slurm() -> Iterator[Stack]:
    """The running stack."""
    try:
        with running() as stack:
            yield stack
    except NoSlurmError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def history(slurm: Stack) -> History:
    """The jobs that were run there, by what each stands for."""
    history = History(slurm)
    history.make()
    return history
