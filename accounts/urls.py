"""Addresses of signing in and out; their names have no namespace, as Django expects them."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts.token_pages import revoke, tokens
from accounts.views import Login

urlpatterns = [
    path("login/", Login.as_view(), name="login"),
    path("account/tokens/", tokens, name="tokens"),
    path("account/tokens/<int:token_id>/revoke/", revoke, name="token-revoke"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
