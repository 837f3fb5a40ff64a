"""Where a source reads leads nowhere else, through whatever door it was entered."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("usage", "0009_ages_of_inputs")]

    operations = [
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=Q(place__regex=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
                & ~Q(place__contains=".."),
                name="source_place_leads_nowhere_else",
            ),
        ),
    ]
