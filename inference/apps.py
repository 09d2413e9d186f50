"""The inference app."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """Registers what inference contributes to the house."""

    name = "inference"
