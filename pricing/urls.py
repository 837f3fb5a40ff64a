"""Addresses of what everybody may know about prices."""

from django.urls import path

from pricing import views

app_name = "pricing"
urlpatterns = [path("estimate/", views.estimate, name="estimate")]
