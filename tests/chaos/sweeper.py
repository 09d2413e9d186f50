"""``python -m tests.chaos.sweeper``: one sweep by this process's clock, which may be wrong."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
django.setup()

from django.utils.timezone import now  # noqa: E402 (Django first)

from inference.operations.sweeping import sweep  # noqa: E402

sweep(at=now())
