"""Addresses of the API, its schema and the page to browse it."""

from django.urls import include, path, re_path
from rest_framework.routers import DefaultRouter

from hpcbilling.api_views import NothingHere, SchemaView, SwaggerView
from payments.api import PaymentViewSet
from pricing.api.formula import FormulaView
from pricing.api.quotes import EstimateView
from pricing.api.usage import JobViewSet
from receipts.api.charges import ChargeViewSet
from receipts.api.receipts import ReceiptViewSet

router = DefaultRouter(trailing_slash=False)
router.include_format_suffixes = False
router.register("usage", JobViewSet, basename="api-usage")
router.register("charges", ChargeViewSet, basename="api-charges")
router.register("receipts", ReceiptViewSet, basename="api-receipts")
router.register("payments", PaymentViewSet, basename="api-payments")

urlpatterns = [
    path("v1/formula", FormulaView.as_view(), name="api-formula"),
    path("v1/pricing/estimate", EstimateView.as_view(), name="api-estimate"),
    path("v1/", include(router.urls)),
    path("schema/", SchemaView.as_view(), name="api-schema"),
    path("docs/", SwaggerView.as_view(), name="api-docs"),
    re_path("", NothingHere.as_view()),
]
