"""Jobs that Slurm no longer has."""

import django.db.models.deletion
from django.db import migrations, models

from core.rules import no_truncate, refuse


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_quarantine_decisions")]

    operations = [
        migrations.CreateModel(
            name="MissingJob",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("noticed_at", models.DateTimeField(auto_now_add=True, verbose_name="noticed")),
                ("returned_at", models.DateTimeField(null=True, verbose_name="back since")),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="missing",
                        to="usage.job",
                        verbose_name="job",
                    ),
                ),
                (
                    "window",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="missing",
                        to="usage.window",
                        verbose_name="window",
                    ),
                ),
            ],
            options={
                "verbose_name": "job that Slurm no longer has",
                "verbose_name_plural": "jobs that Slurm no longer has",
                "ordering": ("-noticed_at", "job"),
            },
        ),
        migrations.AddConstraint(
            model_name="missingjob",
            constraint=models.UniqueConstraint(fields=("job",), name="missing_job_once"),
        ),
        refuse("usage_missingjob", "DELETE", "what was missed once is never forgotten"),
        no_truncate("usage_missingjob"),
    ]
