"""Which engines are there, and what they hold."""

from datetime import datetime, timedelta

from inference.models import EngineStatus

SEEN_WITHIN = timedelta(seconds=60)
GONE = frozenset({"stopped", "failed", "unloaded"})


def is_served(slug: str, *, at: datetime) -> bool:
    """Whether an engine holds the release, or none has reported yet so that one may come.

    Where engines are there and none of them holds it, a job would wait for nothing.
    """
    seen = EngineStatus.objects.filter(seen_at__gt=at - SEEN_WITHIN).exclude(state__in=GONE)
    slugs = set(seen.exclude(release_slug="").values_list("release_slug", flat=True))
    return not slugs or slug in slugs
