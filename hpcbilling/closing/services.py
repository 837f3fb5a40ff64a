"""Closing a month: nothing stands against it, its true-ups are made, and it is frozen."""

from datetime import date

from django.utils.translation import ngettext

from accounts import services
from accounts.models import Period
from accounts.periods import period_of
from accounts.services import Override
from core.actor import Actor
from core.errors import Conflict
from hpcbilling.closing.findings import Code, Finding, unexplained
from hpcbilling.closing.seal import seal_of
from hpcbilling.closing.true_ups import Progress, true_up_all
from hpcbilling.workflows import rate_pending
from insights.journal import keep_journal

MUST_BE_MENDED = frozenset({Code.UNMAPPED})
"""What no reason overrides: a closed month takes no account, so its journal could never leave."""


class Unexplained(Conflict):
    """Something of the month is unexplained, and nobody overrides that."""

    def __init__(self, findings: list[Finding]) -> None:
        text = ngettext(
            "%(count)s thing stands against closing this period: %(first)s",
            "%(count)s things stand against closing this period, first of all: %(first)s",
            len(findings),
        )
        super().__init__("unexplained", text % {"count": len(findings), "first": findings[0].text})
        self.findings = findings


def check(*, month: date, actor: Actor, reason: str = "") -> Override | None:
    """Return what a named person overrides by closing a month, None if nothing stands against it.

    Raises Unexplained where something does and no reason is given, or none is taken for it, Invalid
    for a reason without a person or with nothing to override.
    """
    findings = unexplained(period_of(month))
    if must := [finding for finding in findings if finding.code in MUST_BE_MENDED]:
        raise Unexplained(must)
    if findings and not reason.strip():
        raise Unexplained(findings)
    if not reason.strip():
        return None
    override = Override(reason.strip(), [finding.as_data() for finding in findings])
    services.check_override(override, actor)
    return override


def close_period(
    *,
    month: date,
    actor: Actor,
    reason: str = "",
    progress: Progress = lambda done, total: None,
) -> Period:
    """Rate what is due, see that nothing stands against closing a month (or that a named person
    overrides it with a reason), make its true-ups, freeze it, and keep the lines of its journal.

    Each part commits by itself and may be done again, so after a crash it is called again; of a
    closed month it changes nothing. Raises Unexplained, and what ``accounts.services.close`` does.
    """
    period = period_of(month)
    if period.is_closed:
        keep_journal(month=month, actor=actor)
        return period
    services.check_closable(period)
    rate_pending(actor=actor)
    check(month=month, actor=actor, reason=reason)
    true_up_all(month=month, actor=actor, progress=progress)
    # Once more: what true-ups are booked to has an account, too, and nothing came meanwhile.
    override = check(month=month, actor=actor, reason=reason)
    closed = services.close(month=month, seal=seal_of, actor=actor, override=override)
    keep_journal(month=month, actor=actor)
    return closed
