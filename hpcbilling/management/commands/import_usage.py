"""``manage.py import_usage CLUSTER --path FILE``: read accounting and rate what it brought."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter
from django.db.models import Count
from django.utils import timezone

from core.actor import Actor
from core.errors import DomainError
from core.site import site_zone
from hpcbilling import workflows
from hpcbilling.command_line import (
    FAILED,
    HELD,
    USAGE,
    actor_named,
    import_summary,
    older_line,
    preview_summary,
    rating_line,
    rows_line,
)
from hpcbilling.progress import Counted, Steps, steps
from pricing.batches import Outcome
from usage.belonging import call_in_slurm
from usage.models import Cluster, ImportRun
from usage.previews import Preview, preview_stream
from usage.services import check_time_zone, create_cluster, prepare_import
from usage.sources.columns import SACCT_COMMAND

S = ImportRun.Status
SHOWN_REASONS = 5

EPILOGUE = f"""
exit codes:
  0  imported completely and rated, or nothing new (with --dry-run: it would be)
  1  refused or failed; nothing of it is billed
  2  the command was used wrongly; nothing was done
  3  imported, but rows are in quarantine or the file is cut off: its jobs wait for a complete
     file, or for a named person who releases them (--release REASON --by USER)

a file made like this has everything:
  {SACCT_COMMAND}
"""


class _Help(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of the epilogue."""


class Command(BaseCommand):
    """Exit codes: 0 complete, 1 refused or failed, 2 used wrongly, 3 imported but held back."""

    help = (
        "Import what `sacct --parsable2` or `sacct --json` printed for a cluster, or a saved answer"
        " of slurmrestd; plain, gzip or zstd; and rate the jobs in it."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=EPILOGUE, formatter_class=_Help, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("cluster", metavar="CLUSTER")
        parser.add_argument(
            "--path", required=True, metavar="FILE", help="the file to read; - is standard input"
        )
        parser.add_argument(
            "--columns",
            default="",
            metavar="A,B,C",
            help="the columns of a file that has no header row, as given to sacct --format",
        )
        parser.add_argument(
            "--timezone",
            default="",
            metavar="ZONE",
            help="zone of times that carry none, such as Asia/Bangkok (default: the cluster's)",
        )
        parser.add_argument(
            "--as-of",
            default=None,
            type=_moment,
            metavar="TIME",
            help="when the file was made, such as 2026-11-30T08:00+07:00, or now (default: the"
            " latest moment in it); an older file does not change what a newer one told",
        )
        parser.add_argument(
            "--create-cluster", action="store_true", help="add the cluster if it is not there"
        )
        parser.add_argument(
            "--slurm-name",
            default="",
            metavar="NAME",
            help="what Slurm calls the cluster, if there is no job of it yet (default: the name"
            " here, or the one that its first file tells)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="tell what would change, no more"
        )
        parser.add_argument(
            "--release", metavar="REASON", help="rate an incomplete file all the same"
        )
        parser.add_argument(
            "--by", metavar="USER", help="who imports, and who answers for --release"
        )
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["release"] is not None and not (options["release"].strip() and options["by"]):
            raise CommandError(
                "--release needs a reason, and --by the name of the person who answers for it.",
                returncode=USAGE,
            )
        permission = "usage.release_importrun" if options["release"] else "usage.import_usage"
        actor = actor_named(options["by"], permission)
        self._check_time_zone(options["timezone"])
        path = options["path"]
        try:
            with _opened(path) as stream, steps() as bars:
                size = None if path == "-" else Path(path).stat().st_size
                counted = Counted(stream, bars.step("Reading", lambda: size))
                if options["dry_run"]:
                    self._preview(counted, **options)
                else:
                    self._import(counted, bars, actor, **options)
        except DomainError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted. Nothing is lost or counted twice: give the same command again.",
                returncode=130,
            ) from None

    @staticmethod
    def _check_time_zone(name: str) -> None:
        try:
            check_time_zone(name or "UTC")
        except DomainError as error:
            raise CommandError(str(error), returncode=USAGE) from error

    def _import(self, stream: Counted, bars: Steps, actor: Actor, **options: Any) -> None:
        written = bars.step("Writing jobs", lambda: stream.rows)
        cluster = self._cluster(actor, **options)
        if options["slurm_name"]:
            self._call_in_slurm(cluster, options["slurm_name"], actor)
        prepared = prepare_import(
            cluster=cluster,
            stream=stream,
            origin="standard input" if options["path"] == "-" else Path(options["path"]).name,
            actor=actor,
            columns=_columns(options["columns"]),
            time_zone=options["timezone"],
            as_of=options["as_of"],
            confirmed=True,
        )
        imported = workflows.finish_import(
            run_id=prepared.pk,
            actor=actor,
            progress=lambda run: written(run.rows_read),
            rated=bars.step("Rating jobs"),
        )
        run, rating = imported.run, imported.rating
        if options["release"] and run.status == S.INCOMPLETE:
            rating.add(
                workflows.release_and_rate(run_id=run.pk, actor=actor, reason=options["release"])
            )
            run.refresh_from_db()
        self._tell(run, rating, repeated=imported.repeated, as_json=options["json"])

    @staticmethod
    def _call_in_slurm(cluster: Cluster, name: str, actor: Actor) -> None:
        try:
            call_in_slurm(cluster, name, actor=actor)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=USAGE) from error

    def _cluster(self, actor: Actor, **options: Any) -> Cluster:
        name = options["cluster"]
        found = Cluster.objects.filter(name=name).first()
        if found is not None:
            return found
        if options["create_cluster"]:
            return create_cluster(name=name, time_zone=options["timezone"] or "UTC", actor=actor)
        known = ", ".join(Cluster.objects.values_list("name", flat=True)) or "none yet"
        raise CommandError(
            f"There is no cluster “{name}” (known: {known}). Add it here with --create-cluster and"
            " --timezone ZONE, the zone of its sacct output, or in the administration.",
            returncode=USAGE,
        )

    def _tell(self, run: ImportRun, rating: Outcome, *, repeated: bool, as_json: bool) -> None:
        if as_json:
            summary = import_summary(run, rating, repeated=repeated)
            self.stdout.write(json.dumps(summary, ensure_ascii=False))
        elif run.status != S.FAILED:
            if repeated:
                when = timezone.localtime(run.created_at).strftime("%Y-%m-%d %H:%M")
                self.stdout.write(f"Nothing changed: this input was imported at {when}.")
            self.stdout.write(rows_line(run))
            if run.jobs_older:
                self.stdout.write(older_line(run))
            self.stdout.write(rating_line(rating))
        if run.status == S.FAILED:
            raise CommandError(f"Refused: {run.error}", returncode=FAILED)
        if run.status == S.INCOMPLETE:
            raise CommandError(_why_held(run), returncode=HELD)

    def _preview(self, stream: Counted, **options: Any) -> None:
        cluster = Cluster.objects.filter(name=options["cluster"]).first() or Cluster(
            name=options["cluster"], time_zone=options["timezone"] or "UTC"
        )
        found = preview_stream(
            cluster=cluster,
            stream=stream,
            columns=_columns(options["columns"]),
            time_zone=options["timezone"],
        )
        self._tell_preview(found, as_json=options["json"])

    def _tell_preview(self, found: Preview, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(preview_summary(found), ensure_ascii=False))
        else:
            self.stdout.write("Nothing is written. An import would find:")
            self.stdout.write(rows_line(found.tally))
            for row in found.bad:
                self.stdout.write(f"  line {row.line}: {row.reason}: {row.detail}")
        if found.error and not found.tally.as_counts()["rows_read"]:
            raise CommandError(f"It would be refused: {found.error}", returncode=FAILED)
        if not found.whole:
            raise CommandError("Its jobs would wait for a release.", returncode=HELD)


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open a file, or standard input for ``-``."""
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below; only opening it may be refused
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.", returncode=USAGE) from error
    with stream:
        yield stream


def _moment(text: str) -> datetime:
    """Return the moment that an argument names; one without an offset is in the site's zone."""
    try:
        moment = timezone.now() if text == "now" else datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=site_zone())
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is no moment: write 2026-11-30T08:00+07:00.") from error


def _columns(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


def _why_quarantined(run: ImportRun) -> str:
    """The reasons with their number of rows, the most frequent ones first."""
    counted = run.quarantine.values("reason").annotate(rows=Count("pk"))
    found = [f"{row['rows']:,} × {row['reason']}" for row in counted.order_by("-rows", "reason")]
    return ", ".join(found[:SHOWN_REASONS]) + (", …" if len(found) > SHOWN_REASONS else "")


def _why_held(run: ImportRun) -> str:
    reasons = []
    if run.quarantined:
        rows = "row is" if run.quarantined == 1 else "rows are"
        reasons.append(f"{run.quarantined:,} {rows} in quarantine ({_why_quarantined(run)})")
    if run.error:
        reasons.append(run.error.rstrip("."))
    elif run.truncated:
        reasons.append("the file is cut off within its last row")
    return (
        f"Held back: {'; '.join(reasons)}. The good rows are imported and will be rated once a"
        " complete file arrives, or with --release REASON --by USER."
    )
