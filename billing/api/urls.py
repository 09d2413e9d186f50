"""Addresses of billing that are not pages."""

from django.urls import path

from billing.api.spend import SpendAlertDetail, SpendAlerts, SpendLimit
from billing.api.usage import Costs, ImageUsage
from billing.api.webhooks import stripe_webhook

urlpatterns = [
    path("billing/stripe/webhook", stripe_webhook, name="stripe-webhook"),
    path("v1/organization/usage/images", ImageUsage.as_view(), name="org-usage-images"),
    path("v1/organization/costs", Costs.as_view(), name="org-costs"),
    path("v1/organization/spend_limit", SpendLimit.as_view(), name="org-spend-limit"),
    path("v1/organization/spend_alerts", SpendAlerts.as_view(), name="org-spend-alerts"),
    path(
        "v1/organization/spend_alerts/<uuid:alert_id>",
        SpendAlertDetail.as_view(),
        name="org-spend-alert",
    ),
]
