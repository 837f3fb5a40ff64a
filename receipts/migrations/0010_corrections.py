"""Notes never exceed the receipt in all; what was given back by hand is on its line's note; problems
that keep corrections waiting."""

import django.db.models.deletion
from django.db import migrations, models

from core.rules import trigger

RULES = [
    # What a receipt took off (a discount) counts in what it asks for, so its other lines can't be
    # given back in whole beside it.
    trigger(
        "receipts_receipt",
        name="receipts_receipt_within",
        timing="BEFORE UPDATE",
        when="NEW.kind = 'credit_note' AND OLD.status IN ('draft', 'pending')"
        " AND NEW.status NOT IN ('draft', 'pending')",
        body="""
            PERFORM 1 FROM receipts_receipt WHERE id = NEW.corrects_id FOR NO KEY UPDATE;
            IF NEW.total + (SELECT sum(total) FROM receipts_receipt
                             WHERE id = NEW.corrects_id
                                OR corrects_id = NEW.corrects_id AND id <> NEW.id
                                   AND status NOT IN ('draft', 'pending')) < 0 THEN
                RAISE EXCEPTION 'credit notes give back more than the receipt asked for'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # What an outage gave back goes on with the usage where that is billed again.
    trigger(
        "pricing_charge",
        name="receipts_credit_on_its_line",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="NEW.kind = 'manual' AND NEW.reverses_id IS NULL",
        body="""
            IF EXISTS (
                SELECT 1 FROM pricing_adjustment a
                 WHERE NEW.resource = 'manual:' || a.id AND a.credits_line_id IS NOT NULL
                   AND a.kind <> 'outage'
                   AND NOT EXISTS (
                        SELECT 1 FROM receipts_linecharge k
                          JOIN receipts_line l ON l.id = k.line_id
                         WHERE k.charge_id = NEW.id AND l.corrects_id = a.credits_line_id)
            ) THEN
                RAISE EXCEPTION 'what gives back a part of a line is on a credit note of it'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0014_adjustments"),
        ("receipts", "0009_mails"),
    ]

    operations = [
        migrations.CreateModel(
            name="CorrectionProblem",
            fields=[
                (
                    "receipt",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="correction_problem",
                        serialize=False,
                        to="receipts.receipt",
                        verbose_name="receipt",
                    ),
                ),
                ("problem", models.CharField(max_length=400, verbose_name="problem")),
                ("since", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                ("tried_at", models.DateTimeField(auto_now=True, verbose_name="last tried")),
            ],
            options={
                "verbose_name": "problem of a correction",
                "verbose_name_plural": "problems of corrections",
                "ordering": ("since",),
            },
        ),
        *RULES,
    ]
