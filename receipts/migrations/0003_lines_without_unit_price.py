"""What a counter prices has no single unit price."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("receipts", "0002_notices"),
    ]

    operations = [
        migrations.AlterField(
            model_name="line",
            name="resource",
            field=models.CharField(max_length=64, verbose_name="resource"),
        ),
        migrations.AlterField(
            model_name="line",
            name="unit_price",
            field=models.DecimalField(
                decimal_places=6, max_digits=18, null=True, verbose_name="unit price"
            ),
        ),
    ]
