"""What the web processes have counted, for Prometheus."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

import redis
from django.conf import settings

from governance.kernel.registry import Counter, Histogram, Metric

COUNTS = "licet:request-counts"
REQUESTS, ABOUT_REQUESTS = "licet_http_requests_total", "replies by route, status and problem"
DURATION, ABOUT_DURATION = "licet_http_request_duration_seconds", "seconds until a reply began"
MICROSECONDS = 1_000_000


def request_metrics(_at: datetime) -> list[Metric]:
    """Requests by route and end, and their durations; nothing while Redis does not answer."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL or "redis://127.0.0.1:6379/0",
            socket_timeout=2.0,
            decode_responses=True,
        ) as client:
            found = client.hgetall(COUNTS)
    except redis.RedisError:
        return []
    return [*ends(found), *durations(found)]


def ends(found: Mapping[str, str]) -> list[Metric]:
    """One counter for each route, method, status and problem."""
    told: list[Metric] = []
    for name, number in found.items():
        if name.startswith("n "):
            _, method, status, code, route = name.split(" ", 4)
            labels = {"route": route, "method": method, "status": status, "code": code}
            told.append(Counter(REQUESTS, ABOUT_REQUESTS, float(number), labels))
    return told


def durations(found: Mapping[str, str]) -> list[Metric]:
    """One histogram for each route, its buckets summed up as Prometheus wants them."""
    reached: dict[str, dict[str, int]] = defaultdict(dict)
    for name, number in found.items():
        if name.startswith("b "):
            _, bound, route = name.split(" ", 2)
            reached[route][bound] = int(number)
    told: list[Metric] = []
    for route, numbers in reached.items():
        below, buckets = 0, {}
        for bound in sorted({*numbers, "+Inf"}, key=float):
            below += numbers.get(bound, 0)
            buckets[bound] = float(below)
        seconds = int(found.get(f"us {route}", 0)) / MICROSECONDS
        told.append(Histogram(DURATION, ABOUT_DURATION, buckets, seconds, {"route": route}))
    return told
