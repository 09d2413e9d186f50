"""Addresses of the governance API."""

from django.urls import path

from governance.api import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
