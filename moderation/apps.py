"""The moderation app."""

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    """Registers what moderation contributes to the house."""

    name = "moderation"
