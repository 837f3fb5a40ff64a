"""Attacks on the rules of insights."""

from tests.rules.attacks.making import Attack, change, truncate

ATTACKS: dict[str, Attack] = {
    "insights_bookscheck_refuse": Attack(change("insights_bookscheck", breaks=1)),
    "insights_bookscheck_no_truncate": truncate("insights_bookscheck"),
}
