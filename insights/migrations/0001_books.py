"""Results of checking whether the books balance."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("core", "0001_refusal"),
        ("accounts", "0006_periods"),
    ]

    operations = [
        migrations.CreateModel(
            "BooksCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("started_at", models.DateTimeField(verbose_name="started")),
                (
                    "finished_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="finished",
                    ),
                ),
                ("breaks", models.PositiveIntegerField(verbose_name="breaks")),
                ("results", models.JSONField(verbose_name="results")),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
            ],
            options={
                "verbose_name": "check of the books",
                "verbose_name_plural": "checks of the books",
                "ordering": ("-id",),
                "permissions": (("check_books", "Can have the books checked"),),
            },
        ),
        *append_only("insights_bookscheck"),
    ]
