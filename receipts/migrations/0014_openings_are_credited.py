"""Credit notes correct opening balances, too: what was asked for elsewhere may be wrong."""

from importlib import import_module

from django.db import migrations

_BEFORE = import_module("receipts.migrations.0007_document_rules").ISSUE
_ONLY, _BOTH = "original.kind <> 'receipt'", "original.kind = 'credit_note'"


def _replaced(sql: str) -> str:
    if _ONLY not in sql:
        raise ValueError("the rule of issue is not the one that is known here")
    return sql.replace(_ONLY, _BOTH)


class Migration(migrations.Migration):
    dependencies = [("receipts", "0013_billed_until")]

    operations = [
        migrations.RunSQL(_BEFORE.reverse_sql, _BEFORE.sql),
        migrations.RunSQL(_replaced(str(_BEFORE.sql)), _BEFORE.reverse_sql),
    ]
