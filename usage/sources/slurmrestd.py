"""A window of accounting from slurmrestd, by the newest version of its API that we understand.

What its versions do differently, as observed:

* from v0.0.39 on, any flag turns the defaults of the others off, so all that is wanted is sent;
  v0.0.38 knows only skip_steps, and neither truncates times nor hides duplicates of a window;
* errors come with status 200 (22.05: a bad token, slurmdbd down, too wide a range), with a list of
  jobs beside them that is wrong;
* a window for a cluster that doesn't exist is answered like one in which nothing ran.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from random import SystemRandom
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, urlencode

from core.intervals import Interval
from usage.connections import SlurmrestdConnection
from usage.reasons import FileRefused
from usage.sources import json_records
from usage.sources.base import (
    MAX_ANSWER_BYTES,
    Copied,
    Fetched,
    SourceFailed,
    WindowTooLarge,
    over,
)
from usage.sources.http import Answer, TimedOut, Transient, get, tls_context
from usage.sources.json_records import NOTHING_FOUND, describe_error, error_number
from usage.sources.tokens import current_token
from usage.sources.versions import API_VERSIONS, WITH_FLAGS, Versions

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 1.0
MAX_SMALL_BYTES = 4 << 20
SMALL_SECONDS = 60.0
OPERATORS = frozenset({"operator", "administrator"})
ALWAYS_OPERATORS = frozenset({"root", "slurm"})
_NOT_ALLOWED = frozenset({1007, 2002})  # protocol authentication error, access denied
_NO_DATABASE = frozenset({7000, 7008})  # slurmdbd is down or was just restarted
_TOO_LARGE = frozenset({7006, 7007})  # result too large, range of dates too wide


Result = TypeVar("Result")


class Slurmrestd:
    """Reads one cluster's jobs, and their steps where what they used is wanted. ``pause`` waits
    between tries; tests give one that doesn't. ``versions`` are shared by readers that follow one
    another; without, the server is asked once by this one."""

    kind = "slurmrestd"

    def __init__(
        self,
        connection: SlurmrestdConnection,
        *,
        cluster: str,
        reads_steps: bool = False,
        pause: Callable[[float], None] = time.sleep,
        max_bytes: int = MAX_ANSWER_BYTES,
        versions: Versions | None = None,
    ) -> None:
        self._versions = versions or Versions()
        self._server = (connection, cluster)
        self._connection = connection
        self._cluster = cluster
        self._with_steps = reads_steps
        self._pause = pause
        self._max_bytes = max_bytes
        self._api = ""

    def fetch(self, window: Interval, into: BinaryIO) -> Fetched:
        """See Source.fetch. What is written is the answer's body."""
        try:
            records = self._records(window, into)
        except WindowTooLarge:
            raise
        except SourceFailed:
            self._versions.forget(self._server)
            raise
        label = f"slurmrestd {self._api} ({self._connection.name})"
        return Fetched(label=label, empty=records == 0)

    def _records(self, window: Interval, into: BinaryIO) -> int:
        self._api = self._versions.of(self._server) or self._retrying(self._newest_version)
        try:
            return self._retrying(lambda: self._jobs(window, into))
        except NotThere:
            # slurmrestd was replaced by one that speaks other versions.
            self._api = self._retrying(self._newest_version)
            return self._retrying(lambda: self._jobs(window, into))

    def _retrying(self, act: Callable[[], Result]) -> Result:
        """Try again, later and later, what may be gone at the next try."""
        for attempt in range(ATTEMPTS - 1):
            try:
                return act()
            except Transient:
                # Apart from each other, lest all workers come back at the same moment.
                self._pause(FIRST_PAUSE_SECONDS * 2**attempt * SystemRandom().uniform(0.5, 1.5))
        return act()

    def _newest_version(self) -> str:
        """Find the newest version that both sides speak, and whether it shows us everything."""
        pinned = self._connection.api
        for api in (pinned,) if pinned else API_VERSIONS:
            try:
                answer = self._small(f"/slurmdb/{api}/clusters")
            except NotThere:
                continue
            self._refuse_unknown_cluster(answer)
            self._refuse_other_than_operator(api)
            self._versions.keep(self._server, api)
            return api
        raise SourceFailed(
            "no_api",
            f"It speaks no version of the API that is understood here ({pinned or API_VERSIONS[-1]}"
            f"{'' if pinned else f' to {API_VERSIONS[0]}'}). Does it load the slurmdbd plugin?",
        )

    def _refuse_unknown_cluster(self, answer: Mapping[str, Any]) -> None:
        clusters = answer.get("clusters")
        named = clusters if isinstance(clusters, list) else []
        names = [str(each.get("name")) for each in named if isinstance(each, dict)]
        if self._cluster not in names:
            raise SourceFailed(
                "unknown_cluster",
                f"Slurm's accounting knows no cluster {self._cluster!r}, only"
                f" {', '.join(sorted(names)[:20]) or 'none'}.",
            )

    def _refuse_other_than_operator(self, api: str) -> None:
        """Under PrivateData=jobs others are shown part of the jobs, and nothing tells them so."""
        user = self._connection.user
        if not user or user in ALWAYS_OPERATORS:
            return
        try:
            answer = self._small(f"/slurmdb/{api}/user/{quote(user, safe='')}")
        except NotThere:
            answer = {}
        found = answer.get("users")
        first = found[0] if isinstance(found, list) and found else {}
        level = first.get("administrator_level") if isinstance(first, dict) else None
        levels = {str(each).lower() for each in (level if isinstance(level, list) else [level])}
        if not levels & OPERATORS:
            raise SourceFailed(
                "role",
                f"{user} is no operator of Slurm and may be shown only some of the jobs. Use"
                f" `sacctmgr modify user {user} set adminlevel=Operator`.",
            )

    def _small(self, target: str) -> Mapping[str, Any]:
        """Ask for something small; returns the JSON object. An entry not found is an empty one."""
        try:
            seconds = min(SMALL_SECONDS, self._connection.timeout_seconds)
            with self._get(target, seconds) as answer:
                raw = b"".join(_limited(answer, MAX_SMALL_BYTES))
                status = answer.status
        except TimedOut as late:
            raise Transient(late.code, late.message) from None
        found = _json_object(raw)
        self._refuse_status(status, found, raw)
        return found

    def _jobs(self, window: Interval, into: BinaryIO) -> int:
        """Write the answer for a window; returns how many jobs are in it."""
        into.seek(0)
        into.truncate()
        try:
            with self._get(self._target(window), self._connection.timeout_seconds) as answer:
                if answer.status != HTTPStatus.OK:
                    raw = b"".join(_limited(answer, MAX_SMALL_BYTES))
                    self._refuse_status(answer.status, _json_object(raw), raw)
                    raise SourceFailed("error_answer", f"It answered with status {answer.status}.")
                if answer.length is not None and answer.length > self._max_bytes:
                    raise over(self._max_bytes)
                envelope = json_records.scan(Copied(answer, into, self._max_bytes))
        except TimedOut as late:
            self._refuse_dead()
            raise WindowTooLarge(late.code, late.message) from None
        except FileRefused as refusal:
            if refusal.code == "json_cut":
                raise Transient("cut_off", str(refusal)) from None
            raise SourceFailed("not_json", str(refusal)) from None
        _refuse_errors(envelope.failures)
        into.flush()
        return envelope.records

    def _refuse_dead(self) -> None:
        """Raise SourceFailed if it answers nothing at all: smaller windows would not help."""
        try:
            self._small(f"/slurmdb/{self._api}/clusters")
        except Transient as failure:
            raise SourceFailed(failure.code, f"It hangs: {failure.message}") from None

    def _target(self, window: Interval) -> str:
        query = {
            "cluster": self._cluster,
            "start_time": f"uts{int(window.start.timestamp())}",
            # A part of a second is rounded up: rather too many jobs than too few.
            "end_time": f"uts{-int(-window.end.timestamp() // 1)}",
        }
        if not self._with_steps:
            query["skip_steps"] = "true"
        if self._api in WITH_FLAGS:
            query |= {"show_duplicates": "true", "disable_truncate_usage_time": "true"}
        return f"/slurmdb/{self._api}/jobs?{urlencode(query)}"

    @contextmanager
    def _get(self, target: str, seconds: float) -> Iterator[Answer]:
        headers = {"Accept": "application/json", "Connection": "close"}
        token = current_token(self._connection)
        if self._connection.user:
            headers["X-SLURM-USER-NAME"] = self._connection.user
        if token:
            headers["X-SLURM-USER-TOKEN"] = token
        address = self._connection.address
        with get(address, target, headers, seconds=seconds, context=self._tls) as answer:
            _refuse_outright(answer.status)
            yield answer

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        connection = self._connection
        if not connection.address.secure:
            return None
        return tls_context(connection.ca_file, connection.client_certificate, connection.client_key)

    def _refuse_status(self, status: int, found: Mapping[str, Any], raw: bytes) -> None:
        """Raise what an answer that is no success means; one that found nothing is a success."""
        errors = found.get("errors")
        listed = errors if isinstance(errors, list) else []
        bad = [error for error in listed if error_number(error) != NOTHING_FOUND]
        _refuse_errors(bad)
        if status == HTTPStatus.OK or (listed and not bad):
            return
        if status == HTTPStatus.GATEWAY_TIMEOUT:
            raise TimedOut("timeout", "The proxy before slurmrestd waited in vain.")
        told = raw[:200].decode("utf-8", "replace").strip()
        told = "a web page" if told.startswith("<") else told
        kind = Transient if status >= HTTPStatus.INTERNAL_SERVER_ERROR else SourceFailed
        raise kind("error_answer", f"It answered with status {status}: {told}")


class NotThere(SourceFailed):
    """Status 404: this version of the API, or this path, is not there."""


def _limited(answer: Answer, limit: int) -> Iterator[bytes]:
    size = 0
    while block := answer.read():
        size += len(block)
        if size > limit:
            raise SourceFailed("not_json", f"It answered with more than {limit} bytes.")
        yield block


def _json_object(raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_outright(status: int) -> None:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise SourceFailed(
            "redirect",
            "It sent us to another address, which is not followed: the operator names the address.",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise SourceFailed("refused", f"It refused the user or the token (status {status}).")
    if status == HTTPStatus.NOT_FOUND:
        raise NotThere("no_api", "It has no such version of the API, or no such path.")


def _refuse_errors(bad: list[Any]) -> None:
    """Raise what the entries of ``errors`` mean; an empty list means nothing."""
    if not bad:
        return
    numbers = {error_number(error) for error in bad}
    told = describe_error(bad[0])
    if numbers & _TOO_LARGE:
        raise WindowTooLarge("too_large", f"Slurm refused the window: {told}")
    if numbers & _NOT_ALLOWED or "authentication" in told.lower():
        raise SourceFailed("refused", f"Slurm refused the user or the token: {told}")
    kind = Transient if numbers & _NO_DATABASE else SourceFailed
    raise kind("error_answer", f"Slurm reported an error: {told}")
