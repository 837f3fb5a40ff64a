"""Merging staged rows with the jobs that are known, by PostgreSQL, a whole batch at a time.

What a row does to a job that is stored already:

* An absent field is not a changed one: it is taken from the job before anything is compared.
* The fingerprint decides whether the row says something new. An estimate never replaces a figure
  of record, and a row from while the job ran never replaces one from after its end: both come
  from older or poorer sources, not from a change in Slurm.
* An input that is older than the one that a job was last read from changes nothing of it (see
  ``usage.ages``), and a job that ended never runs again.
* An import says of a job one thing: a further row of it that says something else is left to those
  who look for contradictions (``usage.clashes``).
* A change keeps what the job said before as a revision, and makes the job wait for the run that
  brought the change.
* Of a job that runs only the time grows, and what follows from it: the fingerprint leaves that out,
  so it is kept up to date without a revision.
* A row that says the same as a job that an incomplete run left confirms that job: it belongs to
  the run that confirms it from then on.

Several importers may merge at once, also rows of the same jobs. New jobs are added in the order of
their identity, known ones are locked in the order of their key before they are written: so nobody
waits in a circle, and who comes second compares with what the first one left.
"""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from django.db import connection
from psycopg import sql

from usage.models import ImportRun
from usage.staging import TABLE


class Merged(NamedTuple):
    """What became of the staged rows."""

    new: int
    changed: int
    unchanged: int
    older: int
    """Of the unchanged: what a later input had told otherwise."""


class Unlooked(Exception):
    """Known jobs would change, but nobody looked over the whole input so far."""


_VALUES = {
    "display_id": "s.display_id",
    "user_name": "s.user_name",
    "account": "s.account",
    "partition": "coalesce(s.partition, {partition})",
    "qos": "coalesce(s.qos, {qos})",
    "state": "s.state",
    "name": "coalesce(s.name, {name})",
    "node_list": "coalesce(s.node_list, {node_list})",
    "start": "to_timestamp(s.start)",
    '"end"': 'to_timestamp(s."end")',
    "elapsed_seconds": "s.elapsed",
    "suspended_seconds": "coalesce(s.suspended, {suspended})",
    "tres": "s.tres",
    "cpu_seconds": "s.cpus * s.elapsed",
    "gpu_seconds": "s.gpus * (s.elapsed + coalesce(s.suspended, {suspended}))",
    "mem_mib_seconds": "s.mem_kib * (s.elapsed + coalesce(s.suspended, {suspended})) / 1024",
    "node_seconds": "s.nodes * (s.elapsed + coalesce(s.suspended, {suspended}))",
    "req_tres": "coalesce(s.req_tres, {req_tres})",
    "reservation": "coalesce(s.reservation, {reservation})",
    "used_cpu_seconds": "coalesce(s.used_cpu_seconds, {used_cpu_seconds})",
    "used_mem_mib_seconds": "coalesce(s.used_mem_mib_seconds, {used_mem_mib_seconds})",
    "energy_joules": "coalesce(s.energy_joules, {energy_joules})",
    "estimated": "s.estimated",
    "flags": "s.flags::jsonb",
}
"""What a staged row ``s`` says of a job, besides its identity. The fields in braces are what stands
for absent ones."""

_STANDS = {
    "fingerprint": "{fingerprint}",
    "run_id": "%(run)s",
    "line": "s.line",
    "raw_offset": "s.raw_offset",
    "raw_size": "s.raw_size",
    "raw_digest": "s.raw_digest",
}
"""What the row is known by, and where it stands."""

VALUE_FIELDS = tuple(name.strip('"') for name in _VALUES)
"""What a row says of a job, besides its identity."""

GROWING_FIELDS = (
    "elapsed_seconds", "suspended_seconds", "cpu_seconds", "gpu_seconds", "mem_mib_seconds",
    "node_seconds",
)  # fmt: skip
"""What grows while a job runs."""

_UNKNOWN = {
    "partition": "''",
    "qos": "''",
    "name": "''",
    "node_list": "''",
    "suspended": "0",
    "req_tres": "''",
    "reservation": "''",
    "used_cpu_seconds": "NULL::bigint",
    "used_mem_mib_seconds": "NULL::bigint",
    "energy_joules": "NULL::bigint",
}
_KNOWN = {
    "partition": "j.partition",
    "qos": "j.qos",
    "name": "j.name",
    "node_list": "j.node_list",
    "suspended": "j.suspended_seconds",
    "req_tres": "j.req_tres",
    "reservation": "j.reservation",
    "used_cpu_seconds": "j.used_cpu_seconds",
    "used_mem_mib_seconds": "j.used_mem_mib_seconds",
    "energy_joules": "j.energy_joules",
}

# The same text as in usage.fingerprints, which a test compares: made here only where the source
# leaves out a field that it covers, and the job has it.
_FINGERPRINT = r"""CASE WHEN s.fingerprint IS NOT NULL
    AND (s.req_tres IS NOT NULL OR {req_tres} = '')
    AND (s.reservation IS NOT NULL OR {reservation} = '')
    AND (s.used_cpu_seconds IS NOT NULL OR {used_cpu_seconds} IS NULL)
    AND (s.used_mem_mib_seconds IS NOT NULL OR {used_mem_mib_seconds} IS NULL)
    AND (s.energy_joules IS NOT NULL OR {energy_joules} IS NULL)
    THEN s.fingerprint ELSE encode(sha256(convert_to(concat_ws(E'\x1f',
    s.submit, coalesce(s.start, 0), coalesce(s."end", 0), s.job_id, s.user_name, s.account,
    coalesce(s.partition, {partition}), coalesce(s.qos, {qos}), s.state,
    CASE WHEN s."end" IS NULL THEN 0 ELSE s.elapsed END,
    CASE WHEN s."end" IS NULL THEN 0 ELSE coalesce(s.suspended, {suspended}) END,
    s.tres, CASE WHEN s.estimated THEN 'estimated' ELSE '' END,
    coalesce(s.req_tres, {req_tres}), coalesce(s.reservation, {reservation}),
    coalesce(coalesce(s.used_cpu_seconds, {used_cpu_seconds})::text, ''),
    coalesce(coalesce(s.used_mem_mib_seconds, {used_mem_mib_seconds})::text, ''),
    coalesce(coalesce(s.energy_joules, {energy_joules})::text, '')
    ), 'UTF8')), 'hex') END"""


def _said(instead: Mapping[str, str]) -> dict[str, str]:
    fingerprint = _FINGERPRINT.format(**instead)
    return {
        name: value.format(**instead, fingerprint=fingerprint)
        for name, value in {**_VALUES, **_STANDS}.items()
    }


_SAME = f"{_said(_KNOWN)['fingerprint']} = j.fingerprint"
_DIFFERS = (
    f"NOT {_SAME} AND NOT (s.estimated AND NOT j.estimated)"
    ' AND NOT (s."end" IS NULL AND j."end" IS NOT NULL)'
)
_NOT_OLDER = (
    "coalesce(%(as_of)s::timestamptz"
    " >= (SELECT r.as_of FROM usage_importrun r WHERE r.id = j.run_id), true)"
)
# Whatever the age: the end of a job comes after all that was told while it ran, and what Slurm
# recorded replaces an estimate. The rule usage_job_not_set_back says the same.
_LATER = (
    f'(j."end" IS NULL AND s."end" IS NOT NULL OR j.estimated AND NOT s.estimated OR {_NOT_OLDER})'
)
_CHANGES = f"{_DIFFERS} AND j.run_id <> %(run)s AND {_LATER}"
_OLDER = f"{_DIFFERS} AND j.run_id <> %(run)s AND NOT {_LATER}"
_GROWS = (
    f'j."end" IS NULL AND {_SAME} AND (s.elapsed, coalesce(s.suspended, j.suspended_seconds))'
    " IS DISTINCT FROM (j.elapsed_seconds, j.suspended_seconds)"
)
_UNFINISHED = (
    "SELECT id FROM usage_importrun WHERE cluster_id = %(cluster)s AND status = 'incomplete'"
)
_CONFIRMS = (
    f'({_SAME} AND CASE WHEN j."end" IS NOT NULL THEN j.run_id IN ({_UNFINISHED})'
    f" ELSE ({_GROWS} OR j.run_id IN ({_UNFINISHED})) AND {_NOT_OLDER} END)"
)
_NEW = _said(_UNKNOWN)
_PARTS = {
    "stage": TABLE,
    "job": "j.cluster_id = %(cluster)s AND j.job_id = s.job_id"
    " AND j.submit = to_timestamp(s.submit)",
    "differs": _DIFFERS,
    "changes": _CHANGES,
    "older": _OLDER,
    "grows": _GROWS,
    "confirms": _CONFIRMS,
    "unfinished": _UNFINISHED,
    "columns": ", ".join(_NEW),
    "values": ", ".join(_NEW.values()),
    "assignments": ", ".join(f"{name} = {value}" for name, value in _said(_KNOWN).items()),
    "growth": ", ".join(f"{name} = {_said(_KNOWN)[name]}" for name in GROWING_FIELDS),
}


def _statement(text: LiteralString) -> str:
    parts = {name: sql.SQL(part) for name, part in _PARTS.items()}
    return sql.SQL(text).format(**parts).as_string()


# Each staged row finds its job by the index of identities. Written as a join, PostgreSQL might read
# all jobs instead: it has no statistics of staged rows, nor of jobs that came a moment ago.
_SURVEY = _statement("""
    SELECT count(*), count(*) FILTER (WHERE j.id IS NULL), count(*) FILTER (WHERE {changes}),
           count(*) FILTER (WHERE {confirms}), count(*) FILTER (WHERE {older}),
           count(*) FILTER (WHERE {differs} OR {grows})
      FROM {stage} s LEFT JOIN LATERAL (SELECT * FROM usage_job j WHERE {job} LIMIT 1) j ON true""")

_INSERT = _statement("""
    INSERT INTO usage_job (cluster_id, job_id, submit, revision, first_seen_at, {columns})
    SELECT %(cluster)s, s.job_id, to_timestamp(s.submit), 1, now(), {values}
      FROM {stage} s
     WHERE (%(all_new)s OR (SELECT j.id FROM usage_job j WHERE {job} LIMIT 1) IS NULL)
     ORDER BY s.job_id, s.submit
        ON CONFLICT (cluster_id, job_id, submit) DO NOTHING""")

# A run that is being released is waited for: its jobs are free then, and stay with it.
_LOCK_RUNS = _statement("{unfinished} ORDER BY id FOR SHARE")

_TOUCHED = _statement("""
    CREATE TEMPORARY TABLE usage_touched ON COMMIT DROP AS
    SELECT j.id, {changes} AS changes, s.*
      FROM (SELECT s.*, (SELECT j.id FROM usage_job j WHERE {job} LIMIT 1) AS known
              FROM {stage} s OFFSET 0) s
      JOIN usage_job j ON j.id = s.known
     WHERE {changes} OR {confirms}
     ORDER BY j.id FOR NO KEY UPDATE OF j""")

_KEEP = """
    INSERT INTO usage_jobrevision
           (job_id, revision, "values", run_id, line, raw_offset, raw_size, replaced_at)
    SELECT j.id, j.revision, to_jsonb(j) - ARRAY['id', 'cluster_id', 'job_id', 'submit', 'run_id',
           'line', 'raw_offset', 'raw_size', 'raw_digest', 'revision', 'first_seen_at'],
           j.run_id, j.line, j.raw_offset, j.raw_size, now()
      FROM usage_touched s JOIN usage_job j ON j.id = s.id
     WHERE s.changes"""

_CHANGE = _statement("""
    UPDATE usage_job j
       SET revision = j.revision + 1, {assignments}
      FROM usage_touched s
     WHERE j.id = s.id AND s.changes""")

_CONFIRM = _statement("""
    UPDATE usage_job j
       SET run_id = %(run)s, line = s.line, raw_offset = s.raw_offset, raw_size = s.raw_size,
           raw_digest = s.raw_digest, {growth}
      FROM usage_touched s
     WHERE j.id = s.id AND NOT s.changes""")

_BY_KEY = """
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
    SET LOCAL enable_material = off; SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_seqscan = off"""


def survey(run: ImportRun) -> Merged:
    """Tell what merging the staged rows would do, without writing anything; ``run`` may be one that
    is not stored."""
    arguments = {"cluster": run.cluster_id, "run": run.pk or 0, "as_of": run.as_of}
    with connection.cursor() as cursor:
        rows, new, changes, _confirms, older, _differs = _look(cursor, arguments)
    return Merged(new, changes, rows - new - changes, older)


def merge(run: ImportRun, rows: int, *, looked: bool) -> Merged:
    """Merge the staged rows, so many and each of another job, within the caller's transaction.

    Unless the whole input was ``looked`` over, so that its age is known and no row contradicts
    another one, nothing of known jobs may change: Unlooked is raised instead, to be tried again.
    """
    arguments = {"cluster": run.cluster_id, "run": run.pk, "as_of": run.as_of}
    with connection.cursor() as cursor:
        new = 0
        if run.jobs_new and not (run.jobs_changed or run.jobs_unchanged):
            # A first import: nothing was known so far, so don't look before adding.
            new = _add(cursor, arguments, all_new=True)
            if new == rows:
                return Merged(new, 0, 0, 0)
        _rows, missing, changes, confirms, older, differs = _look(cursor, arguments)
        if differs and not looked:
            raise Unlooked
        if missing:
            new += _add(cursor, arguments, all_new=missing == rows)
            if new < missing and not looked:
                raise Unlooked
        changed = 0
        # Fewer added than were missing: another importer had some of them first, so look again.
        if changes or confirms or new < missing:
            changed = _write_known(cursor, arguments)
    return Merged(new, changed, rows - new - changed, older)


def _add(cursor: Any, arguments: Mapping[str, Any], *, all_new: bool) -> int:
    # What is added is put in order in memory.
    cursor.execute("SET LOCAL work_mem = '32MB'")
    cursor.execute(_INSERT, {**arguments, "all_new": all_new})
    added: int = cursor.rowcount
    return added


def _look(cursor: Any, arguments: Mapping[str, Any]) -> Sequence[int]:
    cursor.execute(_SURVEY, arguments)
    found: Sequence[int] = cursor.fetchone()
    return found


def _write_known(cursor: Any, arguments: Mapping[str, Any]) -> int:
    """Lock the jobs that are changed or confirmed, and write them; returns the changed."""
    cursor.execute(_BY_KEY)
    cursor.execute(_LOCK_RUNS, arguments)
    cursor.execute(_TOUCHED, arguments)
    cursor.execute(_KEEP)
    cursor.execute(_CHANGE, arguments)
    changed: int = cursor.rowcount
    cursor.execute(_CONFIRM, arguments)
    cursor.execute("DROP TABLE usage_touched")
    return changed
