"""Addresses of paying."""

from django.urls import path

from payments import views

app_name = "payments"
urlpatterns = [
    path("start/<uuid:receipt_id>/", views.start, name="start"),
    path("thanks/<uuid:payment_id>/", views.thanks, name="thanks"),
    path("official/<int:key>/", views.official, name="official"),
    path("simulate", views.simulate, name="simulate"),
    path("webhook/<slug:provider_code>", views.webhook, name="webhook"),
]
