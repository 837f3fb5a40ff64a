"""Which account and cost centre a posting goes to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts.models import Project
from core.errors import Conflict
from insights.journal.entries import Entry, Line, Posting
from insights.models import LedgerAccount, LedgerRole


class Missing(NamedTuple):
    """A role that has no account on a day, for a project."""

    role: str
    detail: str
    project: str
    day: date

    @property
    def text(self) -> str:
        """What to map, in one line."""
        what = str(LedgerRole(self.role).label)
        detail = f" ({self.detail})" if self.detail else ""
        return f"{what}{detail}, {self.project}, {self.day.isoformat()}"


class Unmapped(Conflict):
    """Something of the journal has no account; ``missing`` says what."""

    def __init__(self, missing: list[Missing]) -> None:
        text = _("These have no ledger account: %(missing)s")
        said = "; ".join(one.text for one in missing[:10])
        super().__init__("unmapped", text % {"missing": said})
        self.missing = missing


class Accounts:
    """The mapping as it is stored, read once."""

    def __init__(self) -> None:
        self._rows: dict[str, list[LedgerAccount]] = defaultdict(list)
        for row in LedgerAccount.objects.all():
            self._rows[row.role].append(row)
        self._projects: dict[int, tuple[str, int | None, str]] = {
            row.pk: (row.code, row.department_id, row.cost_centre)
            for row in Project.objects.only("code", "department_id", "cost_centre")
        }
        self._found: dict[tuple[str, str, int, date], LedgerAccount | None] = {}

    def has_all(self, first: date, until: date) -> bool:
        """Tell whether each role has an account for whatever is booked on days ``[first, until)``:
        then nothing of them can be missing."""
        general = {
            row.role
            for rows in self._rows.values()
            for row in rows
            if row.project_id is None
            and row.department_id is None
            and not row.detail
            and row.starts_on <= first
            and (row.ends_on is None or until <= row.ends_on)
        }
        return general.issuperset(LedgerRole.values)

    def booked(self, entries: Iterable[Entry]) -> list[Line]:
        """Return the lines of entries in their order. Raises Unmapped, with all that is missing."""
        missing: dict[Missing, None] = {}
        lines = [line for entry in entries for line in self._lines(entry, missing)]
        if missing:
            raise Unmapped(list(missing))
        return lines

    def _lines(self, entry: Entry, missing: dict[Missing, None]) -> Iterator[Line]:
        for number, posting in enumerate(entry.postings, start=1):
            code, _department, centre = self._projects[posting.project_id]
            row = self._account(posting, entry.day)
            if row is None:
                missing[Missing(posting.role, posting.detail, code, entry.day)] = None
                continue
            yield Line(
                entry=entry.key,
                line=number,
                day=entry.day.isoformat(),
                kind=entry.kind,
                account=row.account,
                cost_centre=row.cost_centre or centre,
                project=code,
                document=entry.document,
                amount=posting.amount,
                currency=entry.currency,
            )

    def _account(self, posting: Posting, day: date) -> LedgerAccount | None:
        key = (str(posting.role), posting.detail, posting.project_id, day)
        if key not in self._found:
            fitting = [row for row in self._rows[key[0]] if self._fits(row, posting, day)]
            self._found[key] = max(fitting, key=_weight, default=None)
        return self._found[key]

    def _fits(self, row: LedgerAccount, posting: Posting, day: date) -> bool:
        _code, department, _centre = self._projects[posting.project_id]
        return (
            row.project_id in {None, posting.project_id}
            and row.department_id in {None, department}
            and row.detail in {"", posting.detail, posting.detail.partition(":")[0]}
            and row.starts_on <= day
            and (row.ends_on is None or day < row.ends_on)
        )


def _weight(row: LedgerAccount) -> tuple[bool, bool, int]:
    return row.project_id is not None, row.department_id is not None, len(row.detail)
