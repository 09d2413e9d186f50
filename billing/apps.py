"""The billing app."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Registers what billing contributes to the house."""

    name = "billing"
