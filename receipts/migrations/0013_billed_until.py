"""How far each project is billed for good, so that nobody looks through years for what is not."""

import django.db.models.deletion
from django.db import migrations, models

from core.rules import trigger

RULES = [
    # True for ever: a closed period takes no charge, and an issued document loses none. Charges that
    # an earlier row told of are not looked at again.
    trigger(
        "receipts_billeduntil",
        name="receipts_billeduntil_true",
        timing="BEFORE INSERT OR UPDATE",
        declare="since date := '-infinity';",
        body="""
            IF TG_OP = 'UPDATE' AND NEW.project_id = OLD.project_id THEN
                since := OLD.month;
            END IF;
            PERFORM 1 FROM accounts_period
              WHERE month = NEW.month AND status = 'closed' FOR SHARE;
            IF NOT FOUND AND NEW.month > since OR EXISTS (
                SELECT 1 FROM pricing_charge c
                 WHERE c.project_id = NEW.project_id
                   AND c.period_id > since AND c.period_id <= NEW.month
                   AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
                   AND NOT EXISTS (
                    SELECT 1 FROM receipts_linecharge k
                      JOIN receipts_line l ON l.id = k.line_id
                      JOIN receipts_receipt d ON d.id = l.receipt_id
                     WHERE k.charge_id = c.id AND d.status NOT IN ('draft', 'pending'))
            ) THEN
                RAISE EXCEPTION 'a charge of these months is on no issued document'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # What is booked into a period that opens again is looked for again.
    trigger(
        "accounts_period",
        name="receipts_billeduntil_goes_back",
        timing="AFTER UPDATE",
        when="OLD.status = 'closed' AND NEW.status = 'open'",
        body="""
            UPDATE receipts_billeduntil SET month = NEW.month - interval '1 month'
             WHERE month >= NEW.month;
            RETURN NULL;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0014_adjustments"),
        ("receipts", "0012_write_offs"),
    ]

    operations = [
        migrations.CreateModel(
            name="BilledUntil",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="billed_until",
                        serialize=False,
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
                ("month", models.DateField(verbose_name="month")),
            ],
            options={
                "verbose_name": "project billed in full",
                "verbose_name_plural": "projects billed in full",
                "ordering": ("project",),
            },
        ),
        *RULES,
    ]
