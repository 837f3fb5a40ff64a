"""Jobs under an exemption of their cluster are exempt, and judged again when exemptions change."""

from django.db import migrations, models

from core.rules import trigger

RULES = [
    trigger(
        "usage_exemption",
        name="pricing_notices_exemption",
        timing="AFTER INSERT OR UPDATE",
        body="""
            INSERT INTO pricing_recheck (cluster_id, account)
            VALUES (NEW.cluster_id, NEW.account);
            RETURN NULL;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0005_what_is_due"),
    ]

    operations = [
        migrations.AlterField(
            model_name="jobrating",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "–"),
                    ("no_project", "No project has this Slurm account"),
                    ("project_inactive", "The project is not active"),
                    ("no_tier", "The project had no tier when the job ended"),
                    ("no_list", "The tier had no price list when the job ended"),
                    ("no_rate", "The price list has no rate for a resource that the job used"),
                    ("no_usage", "The job used nothing"),
                    ("exempted", "An exemption of the cluster covers it"),
                    ("changed", "The job changed; it is rated anew"),
                ],
                max_length=32,
                verbose_name="reason",
            ),
        ),
        *RULES,
    ]
