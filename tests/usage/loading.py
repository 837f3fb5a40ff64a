"""Tables of rows as sacct prints them, and loading them in small batches."""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from unittest import mock

from tests.factories import SYSTEM
from usage import services
from usage.models import Cluster, ImportRun
from usage.services import prepare_import, run_import

BATCHES = (1, 2, 1000)


def table(columns: Sequence[str], rows: Iterable[Mapping[str, str]], name: str = "job") -> bytes:
    """A file of these columns; ``name`` makes it another file for each cluster."""
    lines = ["|".join(columns)]
    lines += ["|".join({**row, "JobName": name}[column] for column in columns) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def load(
    cluster: Cluster, content: bytes, *, batch: int = 1000, as_of: datetime | None = None
) -> ImportRun:
    """Import content in batches of so many rows, without rating it."""
    with mock.patch.object(services, "BATCH_ROWS", batch):
        run = prepare_import(
            cluster=cluster,
            stream=io.BytesIO(content),
            origin="test.psv",
            actor=SYSTEM,
            as_of=as_of,
        )
        return run_import(run_id=run.pk, actor=SYSTEM)
