"""The acceptable-use gate's records."""

from moderation.models.decisions import Decision, VerdictRow

__all__ = ["Decision", "VerdictRow"]
