"""What was odd about a pull: kept as a code with its values, and told in the reader's language.

The worker that writes it down reads no language; what comes from Slurm, from a file or from a
source is kept as it was said.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from usage.explanations import REFUSALS, explain_refusal

Remark = dict[str, Any]
"""A ``code`` and its values, as they are kept: texts and numbers."""

NO_FAULTS = frozenset({"file_older", "same_slurm"})
"""Codes of what somebody should know, though the pull did all that it was to do."""


def of_span(code: str, start: datetime, end: datetime, **values: Any) -> Remark:
    """Return a remark on a span of time."""
    span = {"start": f"{start:%Y-%m-%d %H:%M}", "end": f"{end:%Y-%m-%d %H:%M}"}
    return {"code": code, **span, **values}


def has_faults(remarks: Iterable[Mapping[str, Any]]) -> bool:
    """Whether something did not go as it should."""
    return any(remark["code"] not in NO_FAULTS for remark in remarks)


def told(remark: Mapping[str, Any]) -> str:
    """Return a remark as a line, in the current language; an unknown one as it is kept."""
    tell = _TELL.get(str(remark.get("code")))
    return tell(remark) if tell else str(dict(remark))


def _span(remark: Mapping[str, Any], said: str) -> str:
    return f"{remark['start']} – {remark['end']} UTC: {said}"


def _not_read(remark: Mapping[str, Any]) -> str:
    return f"{_span(remark, _('not read'))}. {remark['error']}".strip()


def _empty(remark: Mapping[str, Any]) -> str:
    return _span(remark, _("answered, but without any job"))


def _held(remark: Mapping[str, Any]) -> str:
    return _span(remark, _("incomplete; its jobs wait for a release"))


def _more(remark: Mapping[str, Any]) -> str:
    return _("and %(count)d more windows") % {"count": remark["count"]}


def _text(remark: Mapping[str, Any]) -> str:
    return str(remark["error"])


def _folder(remark: Mapping[str, Any]) -> str:
    return f"{remark['place']}: {remark['error']}"


def _file(remark: Mapping[str, Any]) -> str:
    return f"{remark['name']}: {remark['error']}"


def _refused(remark: Mapping[str, Any]) -> str:
    known = remark["refusal"] in REFUSALS
    return f"{remark['name']}: {explain_refusal(remark['refusal']) if known else remark['error']}"


def _file_held(remark: Mapping[str, Any]) -> str:
    return f"{remark['name']}: {_('incomplete; its jobs wait for a release')}"


def _older(remark: Mapping[str, Any]) -> str:
    said = ngettext(
        "%(jobs)s job is older than what is known, and stays as it is",
        "%(jobs)s jobs are older than what is known, and stay as they are",
        remark["jobs"],
    )
    return f"{remark['name']}: {said % {'jobs': remark['jobs']}}"


def _same_slurm(remark: Mapping[str, Any]) -> str:
    if not remark["jobs"]:
        said = _("The enabled cluster %(other)s reads the same Slurm, “%(slurm)s”: billed twice?")
        return said % {"other": remark["other"], "slurm": remark["slurm"]}
    said = ngettext(
        "%(jobs)s of the latest jobs is a job of the enabled cluster %(other)s too: billed twice?",
        "%(jobs)s of the latest jobs are jobs of the enabled cluster %(other)s too: billed twice?",
        remark["jobs"],
    )
    return said % {"jobs": remark["jobs"], "other": remark["other"]}


_TELL: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "not_read": _not_read,
    "more_windows": _more,
    "empty": _empty,
    "held": _held,
    "text": _text,
    "folder": _folder,
    "file": _file,
    "file_refused": _refused,
    "file_held": _file_held,
    "file_older": _older,
    "same_slurm": _same_slurm,
}
