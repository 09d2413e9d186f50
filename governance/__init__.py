"""The tenant and what governs it, and the project package."""

from governance.celery import app as celery_app

__all__ = ["celery_app"]
