"""Outages: one act, seen whole before, which a second person lets happen."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from audit.services import record
from core.actor import Actor
from core.bulk import insert_many
from core.errors import Changed, Conflict, Invalid
from core.locks import lock_rows
from core.money import round_money, total
from pricing import reviewing
from pricing.models import Adjustment, AdjustmentKind, OutageCredit, OutageItem
from pricing.outages import Credit, Figures, credits_of, figures_of
from pricing.services.adjustments import make_approved
from usage.models import Cluster


class DocumentLine(NamedTuple):
    """The line of an issued document that a charge is on."""

    receipt_id: int
    line_id: int


Lines = Callable[[Collection[int]], Mapping[int, DocumentLine]]
"""Given keys of charges, tells which of them are on an issued document, and on which line."""


class _Group(NamedTuple):
    """What is given back by one adjustment."""

    project_id: int
    currency: str
    receipt_id: int | None = None
    line_id: int | None = None


def draft_outage(
    *,
    cluster: Cluster,
    starts_at: datetime,
    ends_at: datetime,
    percent: Decimal,
    text: str,
    reason: str,
    actor: Actor,
) -> OutageCredit:
    """Write an outage down, to see what it would give back. Raises Invalid, Conflict."""
    reviewing.check_filled(text=text, reason=reason)
    author = reviewing.person_of(actor)
    if ends_at <= starts_at:
        raise Invalid("ends_at", _("It must end after it begins."))
    if ends_at > timezone.now():
        raise Invalid("ends_at", _("It can't end later than now."))
    if not (percent.is_finite() and 0 < percent <= 100 and percent == round(percent, 2)):
        raise Invalid("percent", _("Give more than 0 and at most 100."))
    with transaction.atomic():
        row = OutageCredit.objects.create(
            cluster=cluster, starts_at=starts_at, ends_at=ends_at, percent=percent,
            text=text.strip(), reason=reason.strip(), author_id=author,
        )  # fmt: skip
        record("outage.drafted", actor=actor, target=row, data=told(row))
    return row


def submit_outage(*, outage_id: int, actor: Actor, seen: str | None = None) -> OutageCredit:
    """Keep what it gives back as of now, and ask a second person. Raises Conflict if it is nothing,
    Changed if it is not what was seen: ``seen`` is the digest of figures."""
    with transaction.atomic():
        row = _locked(outage_id)
        reviewing.person_of(actor)
        figures = figures_of(credits_of(row))
        if not figures.sums:
            raise Conflict("nothing", _("No job that is charged ran on the cluster then."))
        if seen not in (None, figures.digest):
            raise Changed
        reviewing.submit(row, figures=figures.as_json())
        record("outage.submitted", actor=actor, target=row, data=told(row))
    return row


def approve_outage(
    *, outage_id: int, lines_of: Lines, actor: Actor, seen: str | None = None
) -> list[Adjustment]:
    """Give back what was submitted: an adjustment for each project and currency, and for each line
    of an issued document that its charges are on.

    Raises Conflict if it does not wait, to its author, and if it would give back something else
    by now: jobs came or were rated anew. Raises Changed if that is not what was seen.
    """
    with transaction.atomic():
        row = _locked(outage_id)
        by = reviewing.second_person(row, actor)
        before = credits_of(row)
        if row.status == row.Status.SUBMITTED and not _as_submitted(row, before):
            # The caller locked projects for what it saw: others are not locked out of order.
            raise _changed()
        projects = {one.project_id for one in before}
        lock_rows(Project.objects.all(), *projects)
        found = credits_of(row)
        if not projects.issuperset(one.project_id for one in found):
            raise _changed()
        reviewing.approve(row, by=by)
        if not _as_submitted(row, found):
            raise _changed()
        if seen not in (None, figures_of(found).digest):
            raise Changed
        made = _give_back(row, found, lines_of, by=by, actor=actor)
        data = {**told(row), "adjustments": [one.pk for one in made]}
        record("outage.approved", actor=actor, target=row, data=data)
    return made


def _as_submitted(row: OutageCredit, found: Sequence[Credit]) -> bool:
    return row.figures is not None and figures_of(found).digest == row.figures["digest"]


def _changed() -> Conflict:
    return Conflict(
        "changed",
        _(
            "Jobs came or were rated anew since this was submitted, so it would give back something"
            " else now. Withdraw it and enter it anew."
        ),
    )


def _give_back(
    row: OutageCredit, found: Sequence[Credit], lines_of: Lines, *, by: int, actor: Actor
) -> list[Adjustment]:
    on_lines = lines_of([one.charge_id for one in found])
    groups: dict[_Group, list[Credit]] = defaultdict(list)
    for one in found:
        line = on_lines.get(one.charge_id, (None, None))
        groups[_Group(one.project_id, one.currency, *line)].append(one)
    made = []
    for group, rows in groups.items():
        amount = round_money(total(one.amount for one in rows), group.currency)
        if amount:  # less than half of the smallest coin is nothing
            made.append(_adjust(row, group, rows, amount, by=by, actor=actor))
    return made


def _adjust(
    row: OutageCredit,
    group: _Group,
    rows: Sequence[Credit],
    amount: Decimal,
    *,
    by: int,
    actor: Actor,
) -> Adjustment:
    made = Adjustment.objects.create(
        project_id=group.project_id, kind=AdjustmentKind.OUTAGE, at=row.starts_at, amount=amount,
        currency=group.currency, outage=row, credits_receipt_id=group.receipt_id,
        credits_line_id=group.line_id, text=row.text, reason=row.reason, author_id=row.author_id,
    )  # fmt: skip
    insert_many(
        [
            OutageItem(
                outage=row,
                adjustment=made,
                job_id=one.job_id,
                charge_id=one.charge_id,
                seconds=one.seconds,
                amount=one.amount,
            )
            for one in rows
        ]
    )
    make_approved(made, by=by, actor=actor)
    return made


def reject_outage(*, outage_id: int, reason: str, actor: Actor) -> OutageCredit:
    """Say no, for good; the author sees the reason. Raises Invalid, Conflict."""
    with transaction.atomic():
        row = _locked(outage_id)
        reviewing.reject(row, actor=actor, reason=reason)
        data = {**told(row), "answer": row.answer}
        record("outage.rejected", actor=actor, target=row, data=data)
    return row


def withdraw_outage(*, outage_id: int, actor: Actor) -> OutageCredit:
    """Take back what was not decided about yet. Raises Conflict if it was."""
    with transaction.atomic():
        row = _locked(outage_id)
        reviewing.withdraw(row)
        record("outage.withdrawn", actor=actor, target=row, data=told(row))
    return row


def preview(row: OutageCredit) -> Figures:
    """Return what an outage would give back now. Reads only."""
    return figures_of(credits_of(row))


def _locked(outage_id: int) -> OutageCredit:
    return reviewing.locked(OutageCredit.objects.all(), outage_id)


def told(row: OutageCredit) -> dict[str, object]:
    """Return an outage as the audit log shows it."""
    return {
        "cluster": row.cluster.name,
        "from": row.starts_at,
        "until": row.ends_at,
        "percent": row.percent,
        "text": row.text,
        "reason": row.reason,
        "author": row.author.get_username(),
        **({"figures": row.figures} if row.figures else {}),
    }
