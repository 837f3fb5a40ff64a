"""The function behind every rule that refuses a change."""

from django.db import migrations


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION core_refuse() RETURNS trigger LANGUAGE plpgsql AS $rule$
            BEGIN
                RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
                    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
            END $rule$
            """,
            "DROP FUNCTION core_refuse()",
        ),
    ]
