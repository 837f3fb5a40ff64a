"""Getting Slurm's own totals of a cluster: from the first of its sources that can give them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from core.intervals import Interval
from usage.connections import (
    Connection,
    ConnectionsInvalid,
    SacctConnection,
    SlurmrestdConnection,
    configured,
)
from usage.models import Cluster, Source
from usage.sources.base import SourceFailed
from usage.statements import commands, rest
from usage.statements.rows import StatedJob

Sums = Counter[tuple[str, str, str]]
"""Seconds by (account, user, resource)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A way to Slurm's totals of one cluster."""

    cluster: Cluster
    connection: Connection

    @property
    def label(self) -> str:
        return f"{self.connection.kind} {self.connection.name}"

    def jobs(self, window: Interval) -> Iterator[StatedJob]:
        """Yield what each job held within a window. Raises SourceFailed, StatementUnreadable."""
        name = self.cluster.known_to_slurm_as
        if isinstance(self.connection, SacctConnection):
            return commands.stated_jobs(self.connection, slurm_name=name, window=window)
        return rest.stated_jobs(self.connection, slurm_name=name, window=window)

    @property
    def has_report(self) -> bool:
        """Whether sreport can be asked, too."""
        connection = self.connection
        return isinstance(connection, SacctConnection) and bool(commands.report_command(connection))

    def report(self, window: Interval) -> Sums:
        """Return sreport's seconds by account, user and resource."""
        if not isinstance(self.connection, SacctConnection):
            raise AssertionError("only sacct has sreport beside it")
        sums: Sums = Counter()
        lines = commands.report_lines(
            self.connection, slurm_name=self.cluster.known_to_slurm_as, window=window
        )
        for line in lines:
            sums[line.account, line.user, line.resource] += line.seconds
        return sums


def statements_of(cluster: Cluster) -> list[Statement]:
    """Return the ways to Slurm's totals, in the order of the cluster's sources. Files give none.

    Raises SourceFailed if the operator's file of connections can't be used.
    """
    try:
        known = configured()
    except ConnectionsInvalid as error:
        raise SourceFailed("connection", str(error)) from error
    sources = cluster.sources.filter(is_enabled=True).exclude(kind=Source.Kind.FOLDER)
    found = ((source.kind, known.get(source.place)) for source in sources.order_by("position"))
    return [
        Statement(cluster, connection)
        for kind, connection in found
        if isinstance(connection, SacctConnection | SlurmrestdConnection)
        and connection.kind == kind
    ]
