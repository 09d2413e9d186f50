"""What every portal page needs."""

from typing import Any

from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 (Django's signature)
    """Template context of every page."""
    return {}
