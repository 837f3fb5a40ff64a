"""Trying a source before it is relied upon: one hour is asked for, counted and thrown away."""

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import BinaryIO

from django.utils import timezone

from core.intervals import Interval
from usage.models import Source
from usage.reasons import FileRefused
from usage.sources.base import Fetched, SourceFailed, WindowTooLarge
from usage.sources.factory import make_source
from usage.sources.folder import Folder
from usage.sources.formats import open_reader

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a source was found to be: who answered with how many jobs, or why it failed."""

    label: str = ""
    jobs: int = 0
    unreadable: int = 0
    files: int | None = None
    seconds: float = 0
    code: str = ""
    error: str = ""


def try_source(source: Source) -> Trial:
    """Ask a source for the last hour and tell what it gave. Nothing is stored."""
    begun = time.monotonic()
    now = timezone.now().astimezone(UTC)
    try:
        connection = make_source(
            source.kind,
            source.place,
            slurm_name=source.cluster.known_to_slurm_as,
            time_zone=source.cluster.time_zone,
            reads_steps=source.cluster.reads_steps,
            is_trial=True,
        )
        if isinstance(connection, Folder):
            return Trial(label=str(source), files=len(connection.files()))
        with tempfile.TemporaryFile() as answer:
            fetched = connection.fetch(Interval(now - HOUR, now), answer)
            answer.seek(0)
            jobs, bad = (0, 0) if fetched.empty else _counted(fetched, answer, source)
    except WindowTooLarge:
        return Trial(label=str(source), seconds=time.monotonic() - begun)
    except SourceFailed as error:
        return Trial(code=error.code, error=error.message)
    except FileRefused as error:
        return Trial(code=error.code, error=str(error))
    except OSError as error:
        return Trial(code="error", error=str(error))
    return Trial(fetched.label, jobs, bad, seconds=time.monotonic() - begun)


def _counted(fetched: Fetched, answer: BinaryIO, source: Source) -> tuple[int, int]:
    jobs = bad = 0
    names = (source.cluster.known_to_slurm_as,)
    for row in open_reader(
        answer, columns=fetched.columns, now=timezone.now(), cluster_names=names
    ):
        jobs += row.job is not None
        bad += row.kind == "bad"
    return jobs, bad
