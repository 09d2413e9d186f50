"""Addresses of billing that are not pages."""

from django.urls import path

from billing.api.webhooks import stripe_webhook

urlpatterns = [path("billing/stripe/webhook", stripe_webhook, name="stripe-webhook")]
