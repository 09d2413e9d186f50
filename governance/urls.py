"""Every address of the service. Apps are named as strings, so no import edge arises."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("governance.api.urls")),
    path("", include("billing.api.urls")),
    path("", include("inference.api.urls")),
    path("", include("governance.portal.urls")),
    path("", include("governance.portal.licence.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("billing.portal.urls")),
    path("", include("inference.portal.urls")),
    path("", include("moderation.portal.urls")),
]
