"""For each rule of the database, SQL that breaks this rule and no other."""

from tests.rules.attacks import (
    accounts,
    audit,
    billing,
    insights,
    mails,
    payments,
    pricing,
    receipts,
    usage,
)
from tests.rules.attacks.making import Attack

ATTACKS: dict[str, Attack] = {
    **accounts.ATTACKS,
    **audit.ATTACKS,
    **usage.ATTACKS,
    **pricing.ATTACKS,
    **billing.ATTACKS,
    **mails.ATTACKS,
    **receipts.ATTACKS,
    **payments.ATTACKS,
    **insights.ATTACKS,
}
