"""Official receipts follow what is settled, and are kept as they were printed."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

import receipts.models.files
from core.rules import append_only, function, trigger

_BEFORE = import_module("payments.migrations.0004_settlement_rules").OFFICIAL[0]


_MONTH = """
    SELECT p.status INTO state FROM accounts_period p
     WHERE NEW.MOMENT >= p.starts_at AND NEW.MOMENT < p.ends_at FOR SHARE;
    IF state = 'closed' THEN
        RAISE EXCEPTION 'the month of % is closed: its output tax stays', NEW.MOMENT
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


def _in_open_month(table: str, name: str, moment: str) -> migrations.RunSQL:
    """Let nothing into a closed month; the closing of one waits for what was begun in it."""
    return trigger(
        table,
        name=name,
        timing="BEFORE INSERT",
        declare="state text;",
        body=_MONTH.replace("MOMENT", moment),
    )


def _documented(table: str, name: str, *, receipt: str, when: str = "", event: str = "INSERT",
                ) -> migrations.RunSQL:  # fmt: skip
    """Look at commit whether official receipts say what is settled."""
    return trigger(
        table,
        name=name,
        timing=f"AFTER {event} DEFERRABLE INITIALLY DEFERRED",
        when=when,
        body=f"""
            IF NOT payments_documented({receipt}) THEN
                RAISE EXCEPTION 'official receipts do not say what settles receipt %', {receipt}
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    )


READING = [
    # What of a receipt is tax after its credit notes.
    function(
        "receipts_tax_left(receipt bigint)",
        returns="numeric",
        body="""
            SELECT d.tax_amount + coalesce((
                SELECT sum(n.tax_amount) FROM receipts_receipt n
                 WHERE n.corrects_id = d.id AND n.status = 'issued'), 0)
              FROM receipts_receipt d WHERE d.id = $1;
        """,
    ),
    # Official receipts in force say of each payment and certificate what it settles of a receipt;
    # once nothing is left to pay, their tax is what is left of the receipt's. Where the receipt
    # promised none, there are none.
    function(
        "payments_documented(receipt bigint)",
        returns="boolean",
        body="""
            WITH given AS (
                SELECT o.* FROM payments_officialreceipt o
                 WHERE o.receipt_id = $1 AND NOT EXISTS (
                    SELECT 1 FROM payments_officialcancellation c WHERE c.official_id = o.id)
            )
            SELECT CASE WHEN coalesce(d.particulars ->> 'at_payment', 'none') = 'none'
                     THEN NOT EXISTS (SELECT 1 FROM given)
                     ELSE NOT EXISTS (
                        SELECT 1 FROM (
                            SELECT a.payment_id AS payment, NULL::bigint AS certificate, a.amount
                              FROM payments_allocation a WHERE a.receipt_id = $1
                            UNION ALL
                            SELECT NULL, coalesce(w.reverses_id, w.id), w.amount
                              FROM payments_withholding w WHERE w.receipt_id = $1
                            UNION ALL
                            SELECT a.payment_id, NULL, g.withheld - g.amount
                              FROM given g JOIN payments_allocation a ON a.id = g.allocation_id
                            UNION ALL
                            SELECT NULL, g.withholding_id, -g.withheld
                              FROM given g WHERE g.withholding_id IS NOT NULL
                        ) s GROUP BY s.payment, s.certificate HAVING sum(s.amount) <> 0)
                      AND (payments_settled(d.id) <> receipts_payable(d.id)
                           OR receipts_tax_left(d.id) = (
                                SELECT coalesce(sum(g.tax_amount), 0) FROM given g))
                   END
              FROM receipts_receipt d WHERE d.id = $1;
        """,
    ),
]

RULES = [
    _in_open_month("payments_officialreceipt", "payments_official_in_open_month", "issued_at"),
    _in_open_month(
        "payments_officialcancellation", "payments_cancellation_in_open_month", "cancelled_at"
    ),
    trigger(
        "payments_officialreceipt",
        name="payments_official_fits",
        timing="BEFORE INSERT",
        declare="doc receipts_receipt; before numeric; taxed numeric; money numeric; kept numeric;",
        body="""
            SELECT * INTO doc FROM receipts_receipt WHERE id = NEW.receipt_id FOR NO KEY UPDATE;
            SELECT coalesce(sum(o.amount), 0), coalesce(sum(o.tax_amount), 0)
              INTO before, taxed FROM payments_officialreceipt o
             WHERE o.receipt_id = NEW.receipt_id AND NOT EXISTS (
                SELECT 1 FROM payments_officialcancellation c WHERE c.official_id = o.id);
            SELECT coalesce(sum(a.amount), 0) INTO money FROM payments_allocation a
             WHERE a.id = NEW.allocation_id AND a.receipt_id = NEW.receipt_id AND a.amount > 0;
            SELECT coalesce(sum(w.amount), 0) INTO kept FROM payments_withholding w
             WHERE w.id = NEW.withholding_id AND w.receipt_id = NEW.receipt_id;
            IF NEW.sequence <> 1 + (
                SELECT greatest(s.opened_after, (
                           SELECT max(o.sequence) FROM payments_officialreceipt o
                            WHERE o.series_id = s.id))
                  FROM receipts_series s WHERE s.id = NEW.series_id)
               OR NEW.currency <> doc.currency
               OR NEW.kind IS DISTINCT FROM doc.particulars ->> 'at_payment'
               OR NEW.kind = 'receipt_tax_invoice'
                  AND doc.particulars ->> 'title' IN ('tax_invoice', 'receipt_tax_invoice')
               OR NEW.withheld <> kept OR NEW.amount - kept > money
               OR NEW.amount = kept AND NEW.allocation_id IS NOT NULL
               OR EXISTS (
                    SELECT 1 FROM payments_officialreceipt o
                     WHERE (o.allocation_id = NEW.allocation_id
                            OR o.withholding_id = NEW.withholding_id) AND NOT EXISTS (
                        SELECT 1 FROM payments_officialcancellation c WHERE c.official_id = o.id))
               OR NEW.replaces_id IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM payments_officialcancellation c
                      JOIN payments_officialreceipt o ON o.id = c.official_id
                     WHERE o.id = NEW.replaces_id AND o.receipt_id = NEW.receipt_id)
               OR NEW.tax_amount IS DISTINCT FROM payments_share(
                    before + NEW.amount, receipts_tax_left(doc.id), receipts_payable(doc.id),
                    doc.decimals::integer) - taxed THEN
                RAISE EXCEPTION 'an official receipt says what one act settled, with the next number'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "payments_officialcancellation",
        name="payments_cancellation_fits",
        timing="BEFORE INSERT",
        declare="given payments_officialreceipt;",
        body="""
            SELECT * INTO given FROM payments_officialreceipt WHERE id = NEW.official_id;
            PERFORM 1 FROM receipts_receipt WHERE id = given.receipt_id FOR NO KEY UPDATE;
            IF NEW.cancelled_at < given.issued_at THEN
                RAISE EXCEPTION 'an official receipt is cancelled after it was given'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    _documented("payments_allocation", "payments_allocation_documented", receipt="NEW.receipt_id"),
    _documented(
        "payments_withholding", "payments_withholding_documented", receipt="NEW.receipt_id"
    ),
    _documented(
        "payments_officialreceipt", "payments_official_documented", receipt="NEW.receipt_id"
    ),
    _documented(
        "payments_officialcancellation",
        "payments_cancellation_documented",
        receipt="(SELECT o.receipt_id FROM payments_officialreceipt o WHERE o.id = NEW.official_id)",
    ),
    _documented(
        "receipts_receipt",
        "payments_note_documented",
        event="UPDATE",
        when="NEW.kind = 'credit_note' AND NEW.status = 'issued'",
        receipt="NEW.corrects_id",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0004_settlement_rules"),
        ("receipts", "0012_write_offs"),
    ]

    operations = [
        migrations.CreateModel(
            name="OfficialFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("th", "ไทย"), ("both", "Both")],
                        max_length=4,
                        verbose_name="language",
                    ),
                ),
                ("is_copy", models.BooleanField(default=False, verbose_name="copy")),
                ("content", models.BinaryField(verbose_name="content")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                ("renderer", models.CharField(max_length=64, verbose_name="rendered by")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "official",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="payments.officialreceipt",
                        verbose_name="document",
                    ),
                ),
            ],
            options={
                "verbose_name": "rendered document",
                "verbose_name_plural": "rendered documents",
                "ordering": ("official", "language", "is_copy"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("official", "language", "is_copy"), name="official_file_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("language__in", ("en", "th", "both"))),
                        name="official_file_language",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sha256", receipts.models.files.Digest(models.F("content")))
                        ),
                        name="official_file_digest",
                    ),
                ],
            },
        ),
        *append_only("payments_officialfile"),
        migrations.RunSQL(_BEFORE.reverse_sql, _BEFORE.sql),
        *READING,
        *RULES,
    ]
