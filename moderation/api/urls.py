"""Addresses of moderation's API."""

from django.urls import path

from moderation.api import verify, views

urlpatterns = [
    path("v1/verify", verify.Verify.as_view(), name="verify-image"),
    path("v1/moderation/decisions", views.Decisions.as_view()),
    path("v1/moderation/decisions/<uuid:decision_id>", views.OneDecision.as_view()),
    path("v1/moderation/decisions/<uuid:decision_id>/appeal", views.Appeals.as_view()),
    path("v1/moderation/reports", views.Reports.as_view()),
]
