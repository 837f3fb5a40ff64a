"""Addresses of the overview and of usage."""

from django.urls import path

from insights import views

app_name = "insights"
urlpatterns = [
    path("", views.home, name="home"),
    path("projects/<str:code>/", views.project, name="project"),
    path("usage/", views.usage, name="usage"),
    path("usage/usage.csv", views.usage_csv, name="usage.csv"),
    path("usage/jobs/<int:pk>/", views.job, name="job"),
    path("usage/jobs/<int:pk>/why/", views.why, name="why"),
]
