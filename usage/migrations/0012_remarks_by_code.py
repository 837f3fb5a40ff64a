"""What is told of pulls and releases is kept as codes and values, not in a worker's language."""

import django.db.models.deletion
from django.db import migrations, models

# What was kept as text stays as it was said.
_AS_CODES = """
    UPDATE usage_pull SET remarks = (
        SELECT jsonb_agg(jsonb_build_object('code', 'text', 'error', line))
          FROM regexp_split_to_table(error, E'\\n') line
    ) WHERE error <> ''
"""
_AS_TEXT = "UPDATE usage_pull SET error = remarks::text WHERE remarks <> '[]'"


class Migration(migrations.Migration):
    dependencies = [("usage", "0011_second_person_for_exemptions")]

    operations = [
        migrations.AddField(
            model_name="pull",
            name="remarks",
            field=models.JSONField(blank=True, default=list, verbose_name="remarks"),
        ),
        migrations.RunSQL(_AS_CODES, _AS_TEXT),
        migrations.RemoveField(model_name="pull", name="error"),
        migrations.AddField(
            model_name="importrun",
            name="released_by_decision",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="usage.quarantinedecision",
                verbose_name="released by an earlier decision",
            ),
        ),
    ]
