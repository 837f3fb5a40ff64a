"""Opening balances are booked, too: on an account of their own."""

from datetime import date

from django.db import migrations, models
from django.db.models import Q

ROLES = [
    ("unbilled", "Earned and not billed yet"),
    ("receivable", "Receivable"),
    ("revenue", "Revenue"),
    ("output_tax", "Output tax"),
    ("withheld", "Tax withheld by buyers"),
    ("bank", "Bank"),
    ("balance", "Balances of projects"),
    ("refund", "Refunds"),
    ("write_off", "Write-offs"),
    ("opening", "Opening balances"),
]


def _known(roles):
    return models.CheckConstraint(
        condition=Q(("role__in", [role for role, _label in roles]), ~Q(("account", ""))),
        name="ledger_account_known",
    )


def seed(apps, schema_editor):
    """From the first open month on, as all accounts of a site that closed some already."""
    using = schema_editor.connection.alias
    closed = apps.get_model("accounts", "Period").objects.using(using).filter(status="closed")
    last = closed.order_by("month").values_list("month", flat=True).last()
    opens = date(last.year + last.month // 12, last.month % 12 + 1, 1) if last else date(2000, 1, 1)
    accounts = apps.get_model("insights", "LedgerAccount").objects.using(using)
    accounts.create(role="opening", account="3900", starts_on=opens)


def unseed(apps, schema_editor):
    accounts = apps.get_model("insights", "LedgerAccount").objects
    accounts.using(schema_editor.connection.alias).filter(role="opening").delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_periods"), ("insights", "0002_ledger")]

    operations = [
        migrations.AlterField(
            "ledgeraccount",
            "role",
            models.CharField(choices=ROLES, max_length=12, verbose_name="role"),
        ),
        migrations.RemoveConstraint("ledgeraccount", "ledger_account_known"),
        migrations.AddConstraint("ledgeraccount", _known(ROLES)),
        migrations.RunPython(seed, unseed),
    ]
