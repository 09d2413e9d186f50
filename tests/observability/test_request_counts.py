"""Web processes count their requests; one hash in Redis holds the sum of all of them."""

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.utils.timezone import now

from governance.kernel.registry import Counter, Histogram
from governance.operations.request_counts import Counts, counts
from governance.queries.request_counts import COUNTS, request_metrics


@pytest.fixture
def valkey():
    """The tests' server, with nothing counted."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        counts().flush()
        client.delete(COUNTS)
        yield client
        client.delete(COUNTS)


def ends() -> dict[tuple[str, ...], float]:
    return {
        tuple(metric.labels.values()): metric.value
        for metric in request_metrics(now())
        if isinstance(metric, Counter)
    }


def durations() -> dict[str, Histogram]:
    return {
        metric.labels["route"]: metric
        for metric in request_metrics(now())
        if isinstance(metric, Histogram)
    }


def test_two_processes_count_into_one_sum(valkey):
    first, second = Counts(valkey), Counts(valkey)
    first.count("v1/models", "GET", 200, "", 0.02)
    second.count("v1/models", "GET", 200, "", 0.3)
    second.count("v1/models", "GET", 401, "invalid_api_key", 0.001)

    first.flush()
    second.flush()

    assert ends() == {
        ("v1/models", "GET", "200", "-"): 2,
        ("v1/models", "GET", "401", "invalid_api_key"): 1,
    }


def test_a_duration_is_in_every_bucket_that_it_does_not_exceed(valkey):
    counted = Counts(valkey)
    for seconds in (0.001, 0.1, 7.0, 1000.0):
        counted.count("r|with spaces", "GET", 200, "", seconds)

    counted.flush()

    told = durations()["r|with spaces"]
    assert dict(told.buckets) == {"0.005": 1, "0.1": 2, "10.0": 3, "+Inf": 4}
    assert told.total == pytest.approx(1007.101)


def test_what_was_added_is_not_added_again(valkey):
    counted = Counts(valkey)
    counted.count("v1/models", "GET", 200, "", 0.02)

    counted.flush()
    counted.flush()

    assert ends() == {("v1/models", "GET", "200", "-"): 1}


def test_counts_wait_for_a_server_that_does_not_answer(valkey):
    with redis.Redis(host="127.0.0.1", port=9) as silent:
        counted = Counts(silent)
        counted.count("v1/models", "GET", 200, "", 0.02)
        counted.flush()
        counted.client = valkey

        counted.flush()

    assert ends() == {("v1/models", "GET", "200", "-"): 1}


def test_a_request_is_counted_under_its_route_with_its_problem(valkey, client: Client, db):
    client.get("/v1/images/content/forged-token")
    client.get("/v1/nowhere")

    counts().flush()

    assert ends() == {
        ("/v1/images/content/<str:token>", "GET", "403", "address_invalid"): 1,
        ("unmatched", "GET", "404", "not_found"): 1,
    }
