"""What counters price is on a line by its rate; minima, caps and commitments on lines of their own."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

_FIRST = import_module("receipts.migrations.0001_receipts").RULES
(_OLD,) = (rule for rule in _FIRST if "CREATE FUNCTION receipts_receipt_issue()" in str(rule.sql))
_PRICED = "c.resource = l.resource AND c.unit_price = l.unit_price"
_PRICED_OR_NOT = """c.resource = l.resource
    AND c.unit_price IS NOT DISTINCT FROM l.unit_price
    AND l.rate_id IS NOT DISTINCT FROM CASE WHEN c.unit_price IS NULL THEN c.rate_id END"""
if _PRICED not in " ".join(str(_OLD.sql).split()):
    raise AssertionError("the rule is another one")

RULE = migrations.RunSQL(
    " ".join(str(_OLD.sql).split()).replace(_PRICED, _PRICED_OR_NOT), _OLD.reverse_sql
)


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0011_counting"),
        ("receipts", "0003_lines_without_unit_price"),
    ]

    operations = [
        migrations.AddField(
            "line",
            "rate",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="pricing.rate",
                verbose_name="rate",
            ),
        ),
        migrations.RunSQL(_OLD.reverse_sql, _OLD.sql),
        RULE,
    ]
