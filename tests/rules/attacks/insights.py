"""Attacks on the rules of insights."""

from tests.rules.attacks.making import Attack, change, delete, truncate


def account(**values: str) -> str:
    """An account that begins long after the closed periods, but for what is given."""
    row = {
        "role": "bank",
        "detail": "",
        "account": "1",
        "cost_centre": "",
        "starts_on": "2030-01-01",
    }
    columns = row | values
    shown = ", ".join(f"'{value}'" for value in columns.values())
    return f"INSERT INTO insights_ledgeraccount ({', '.join(columns)}) VALUES ({shown})"


ATTACKS: dict[str, Attack] = {
    "insights_bookscheck_refuse": Attack(change("insights_bookscheck", breaks=1)),
    "insights_bookscheck_no_truncate": truncate("insights_bookscheck"),
    "insights_journalexport_refuse": Attack(delete("insights_journalexport")),
    "insights_journalexport_no_truncate": truncate("insights_journalexport"),
    "journal_export_once": Attack(
        "INSERT INTO insights_journalexport (period_id, closed_at, layout, content, sha256, lines)"
        " SELECT period_id, closed_at, layout, content, sha256, lines FROM insights_journalexport"
    ),
    "ledger_account_known": Attack(account(role="luck")),
    "ledger_account_ends_after_start": Attack(account(detail="a", ends_on="2030-01-01")),
    "ledger_account_of_one": Attack(
        "INSERT INTO insights_ledgeraccount (role, detail, account, cost_centre, starts_on,"
        " project_id, department_id) SELECT 'bank', 'a', '1', '', '2030-01-01', p.id, d.id"
        " FROM accounts_project p, accounts_department d LIMIT 1"
    ),
    "ledger_account_detail": Attack(account(role="receivable", detail="cpu")),
    "ledger_account_no_overlap": Attack(account()),
    "insights_ledger_account_stands": Attack(
        "UPDATE insights_ledgeraccount SET account = '9' WHERE role = 'bank'"
    ),
    "insights_ledgeraccount_no_truncate": truncate("insights_ledgeraccount"),
}
