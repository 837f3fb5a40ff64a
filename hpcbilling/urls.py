"""Addresses. Each app adds its own pages with include()."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from accounts.views import admin_login
from hpcbilling.console.password import change_password
from hpcbilling.health import healthz, readyz
from hpcbilling.metrics import metrics_view
from receipts.verification import verify

urlpatterns = [
    # Lazy: the name in the manifest is not known before `collectstatic`, which loads this file.
    path("favicon.ico", RedirectView.as_view(url=lazy(static, str)("img/mark.svg"))),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics_view, name="metrics"),
    path("admin/login/", admin_login),
    path("admin/password_change/", change_password),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("insights.urls")),
    path("", include("pricing.urls")),
    path("receipts/", include("receipts.urls")),
    path("verify/<str:token>", verify, name="verify"),
    path("payments/", include("payments.urls")),
    path("api/", include("hpcbilling.api_urls")),
    path("i18n/", include("django.conf.urls.i18n")),
]
