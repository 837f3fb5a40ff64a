"""A right to revoke other people's API tokens."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_api_tokens_and_answers"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="apitoken",
            options={
                "ordering": ("-created_at",),
                "permissions": (("revoke_apitoken", "Can revoke anyone's API tokens"),),
                "verbose_name": "API token",
                "verbose_name_plural": "API tokens",
            },
        ),
    ]
