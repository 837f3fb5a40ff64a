"""Charges are listed and summed up by their job's end; sorting does not need the job itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pricing", "0001_prices_and_charges")]

    operations = [
        migrations.AlterModelOptions(
            name="charge",
            options={
                "ordering": ("-job_end", "job_id", "resource"),
                "verbose_name": "charge",
                "verbose_name_plural": "charges",
            },
        ),
        migrations.AlterModelOptions(
            name="jobrating",
            options={
                "ordering": ("-since", "-job_id"),
                "permissions": (("rate_jobs", "Can rate jobs"),),
                "verbose_name": "rating of a job",
                "verbose_name_plural": "ratings of jobs",
            },
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(fields=["job_end"], name="charge_end"),
        ),
    ]
