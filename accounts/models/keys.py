"""Keys of the API, and the answers that it gave."""

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from accounts.models.payers import User
from accounts.scopes import Scope


class JsonType(Func):
    """What a JSON value is: ``array``, ``string`` and so on."""

    function = "jsonb_typeof"
    output_field = models.TextField()


class ApiToken(models.Model):
    """A scoped key for the API. Only the digest of the key is kept; it is shown once.

    Invariants, kept by the database: scopes are a list of known ones; after it is made, a token
    only changes when it is used or revoked, and a revoked one stays so.
    """

    user = models.ForeignKey(
        User, models.CASCADE, related_name="api_tokens", verbose_name=_("user")
    )
    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("-created_at",)
        permissions = (("revoke_apitoken", _("Can revoke anyone's API tokens")),)
        constraints = (
            models.CheckConstraint(
                condition=Exact(JsonType("scopes"), "array")
                & Q(scopes__contained_by=sorted(Scope.values))
                & ~Q(scopes=[]),
                name="api_token_scopes_known",
                violation_error_message=_("Choose at least one scope, and only known ones."),
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="api_token_digest"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="api_token_expires_later"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.name}"


class IdempotentRequest(models.Model):
    """The answer to an API request that carried an ``Idempotency-Key``, to be given again.

    Invariant, kept by the database: one row per person and key, and it never changes. It is
    committed together with what the request did.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("user"))
    key = models.CharField(_("key"), max_length=255)
    method = models.CharField(_("method"), max_length=8)
    path = models.CharField(_("path"), max_length=255)
    body_sha256 = models.CharField(_("SHA-256 of the body"), max_length=64)
    status = models.PositiveSmallIntegerField(_("status of the answer"))
    answer = models.TextField(_("answer"))
    created_at = models.DateTimeField(_("received"), auto_now_add=True)

    class Meta:
        verbose_name = _("answered API request")
        verbose_name_plural = _("answered API requests")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("user", "key"), name="idempotent_request_once"),
            models.CheckConstraint(
                condition=Q(status__gte=200, status__lt=500), name="idempotent_request_status"
            ),
        )
        indexes = (models.Index(fields=("created_at",), name="idempotent_request_age"),)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.key}"
