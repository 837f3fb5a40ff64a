"""API tokens have known scopes and never widen; answers to API requests are kept."""

import django.db.models.deletion
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import accounts.models
from core.rules import no_truncate, refuse

RULES = [
    refuse(
        "accounts_apitoken",
        "UPDATE",
        "a token can only be used and revoked",
        when=(
            "(OLD.user_id, OLD.name, OLD.digest, OLD.scopes, OLD.created_at, OLD.expires_at)"
            " IS DISTINCT FROM"
            " (NEW.user_id, NEW.name, NEW.digest, NEW.scopes, NEW.created_at, NEW.expires_at)"
            " OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)"
        ),
    ),
    no_truncate("accounts_apitoken"),
    refuse("accounts_idempotentrequest", "UPDATE", "an answer that was given never changes"),
]


class Migration(migrations.Migration):
    dependencies = [("core", "0001_refusal"), ("accounts", "0001_accounts")]

    operations = [
        migrations.CreateModel(
            name="IdempotentRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=255, verbose_name="key")),
                ("method", models.CharField(max_length=8, verbose_name="method")),
                ("path", models.CharField(max_length=255, verbose_name="path")),
                (
                    "body_sha256",
                    models.CharField(max_length=64, verbose_name="SHA-256 of the body"),
                ),
                ("status", models.PositiveSmallIntegerField(verbose_name="status of the answer")),
                ("answer", models.TextField(verbose_name="answer")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="received")),
            ],
            options={
                "verbose_name": "answered API request",
                "verbose_name_plural": "answered API requests",
                "ordering": ("-id",),
            },
        ),
        migrations.AddConstraint(
            model_name="apitoken",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(accounts.models.JsonType("scopes"), "array"),
                    models.Q(
                        (
                            "scopes__contained_by",
                            [
                                "*",
                                "charges:read",
                                "payments:read",
                                "prices:read",
                                "prices:write",
                                "receipts:read",
                                "receipts:write",
                                "usage:read",
                            ],
                        )
                    ),
                    models.Q(("scopes", []), _negated=True),
                ),
                name="api_token_scopes_known",
                violation_error_message="Choose at least one scope, and only known ones.",
            ),
        ),
        migrations.AddConstraint(
            model_name="apitoken",
            constraint=models.CheckConstraint(
                condition=models.Q(("digest__regex", "^[0-9a-f]{64}$")), name="api_token_digest"
            ),
        ),
        migrations.AddConstraint(
            model_name="apitoken",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))),
                name="api_token_expires_later",
            ),
        ),
        migrations.AddField(
            model_name="idempotentrequest",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddIndex(
            model_name="idempotentrequest",
            index=models.Index(fields=["created_at"], name="idempotent_request_age"),
        ),
        migrations.AddConstraint(
            model_name="idempotentrequest",
            constraint=models.UniqueConstraint(
                fields=("user", "key"), name="idempotent_request_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="idempotentrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__gte", 200), ("status__lt", 500)),
                name="idempotent_request_status",
            ),
        ),
        *RULES,
    ]
