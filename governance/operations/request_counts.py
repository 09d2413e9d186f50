"""How many requests each address got, with which end, and how long they took.

Each web process counts in memory and adds what is new to one hash in Redis every few seconds, on a thread
of its own: requests wait for nothing, and one `manage.py metrics` tells of all web processes together.
What a killed process had not added yet is lost; a Redis that was emptied begins at 0, as counters may.
"""

import atexit
import logging
import threading
from bisect import bisect_left
from collections import Counter

import redis
from django.conf import settings

from governance.queries.request_counts import COUNTS

logger = logging.getLogger(__name__)

FLUSH_EVERY_S = 5.0
# Upper bounds in s; a request may wait for its image for minutes.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
REACHES = (*map(str, BUCKETS), "+Inf")


class Counts:
    """What this process has counted and not yet added."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.new: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None

    def count(self, route: str, method: str, status: int, code: str, seconds: float) -> None:
        """One request. The fields of the hash end with the route, which may hold anything."""
        reach = REACHES[bisect_left(BUCKETS, seconds)]
        with self.lock:
            self.new[f"n {method} {status} {code or '-'} {route}"] += 1
            self.new[f"b {reach} {route}"] += 1
            self.new[f"us {route}"] += round(seconds * 1_000_000)
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="request-counts", daemon=True)
                self.thread.start()

    def run(self) -> None:
        """Until the process ends."""
        while not self.ended.wait(FLUSH_EVERY_S):
            self.flush()

    def flush(self) -> None:
        """Add what is new. A Redis that does not answer gets it the next time, and perhaps twice."""
        with self.lock:
            adding, self.new = self.new, Counter()
        if not adding:
            return
        try:
            pipeline = self.client.pipeline(transaction=True)
            for name, number in adding.items():
                pipeline.hincrby(COUNTS, name, number)
            pipeline.execute()
        except redis.RedisError as error:
            logger.info("the counts of requests wait: %s", error)
            with self.lock:
                self.new.update(adding)


_counts: Counts | None = None
_making = threading.Lock()


def count_request(route: str, method: str, status: int, code: str, seconds: float) -> None:
    """Note one request that has been answered; ``seconds`` until its reply began."""
    counts().count(route, method, status, code, seconds)


def counts() -> Counts:
    """This process's, made with its first request."""
    global _counts  # noqa: PLW0603 (one per process)
    if _counts is None:
        with _making:
            if _counts is None:
                address = settings.REDIS_URL or "redis://127.0.0.1:6379/0"
                _counts = Counts(redis.Redis.from_url(address, socket_timeout=2.0))
                atexit.register(_counts.flush)
    return _counts
