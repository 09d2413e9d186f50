"""Rate limits on a real Valkey: a sliding window that no minute exceeds, shared, fail-open."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from governance.kernel.ids import uuid7
from governance.operations import rate_limits
from governance.operations.api_keys import CreatedKey
from governance.operations.rate_limits import RateLimited, count_call, limiter
from inference.api.weights import image_weight


class Clock:
    """Stands in for the server's clock inside the script: Valkey's own cannot be turned."""

    def __init__(self) -> None:
        self.second = 1_800_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    told = rate_limits.SCRIPT.replace("tonumber(redis.call('TIME')[1])", "tonumber(ARGV[8])")
    assert told != rate_limits.SCRIPT
    script = limiter().client.register_script(told)
    monkeypatch.setattr(
        limiter(), "script", lambda keys, args: script(keys=keys, args=[*args, made.second])
    )
    return made


def call(key: UUID, organization: UUID, weight: int = 1) -> tuple[rate_limits.Quota, ...]:
    return count_call(
        key_id=key, organization_id=organization, weight=weight, use="test", at="2026-11-01T12:00Z"
    )


@pytest.fixture
def limits(settings: Any) -> Any:
    settings.RATE_LIMIT_KEY, settings.RATE_LIMIT_ORGANIZATION = 10, 15
    return settings


class TestWindow:
    def test_refuses_what_does_not_fit_and_says_how_long_to_wait(
        self, clock: Clock, limits: Any
    ) -> None:
        key, organization = uuid4(), uuid4()
        call(key, organization, 6)
        clock.second += 20
        call(key, organization, 4)

        with pytest.raises(RateLimited) as refused:
            call(key, organization, 5)

        # The first six units leave 61 s after they came, 20 of which are over.
        assert refused.value.facts["retry_after_s"] == 41
        assert refused.value.facts["violated-policies"] == ["key"]

    def test_a_refused_call_counts_nowhere(self, clock: Clock, limits: Any) -> None:
        first, second, organization = uuid4(), uuid4(), uuid4()
        call(first, organization, 10)
        with pytest.raises(RateLimited):
            call(first, organization, 5)

        quotas = call(second, organization, 5)

        assert {quota.name: quota.remaining for quota in quotas} == {"key": 5, "organization": 0}

    def test_the_organization_is_counted_over_its_keys(self, clock: Clock, limits: Any) -> None:
        organization = uuid4()
        call(uuid4(), organization, 9)
        with pytest.raises(RateLimited) as refused:
            call(uuid4(), organization, 9)

        assert refused.value.facts["violated-policies"] == ["organization"]

    def test_waiting_as_told_is_enough(self, clock: Clock, limits: Any) -> None:
        key, organization = uuid4(), uuid4()
        call(key, organization, 10)
        with pytest.raises(RateLimited) as refused:
            call(key, organization, 10)
        clock.second += refused.value.facts["retry_after_s"]

        assert call(key, organization, 10)[0].remaining == 0

    def test_a_call_larger_than_the_limit_needs_an_empty_window(
        self, clock: Clock, limits: Any
    ) -> None:
        key, organization = uuid4(), uuid4()

        assert call(key, organization, 500)[0].remaining == 0

    def test_no_limit_is_no_header_and_no_refusal(self, clock: Clock, limits: Any) -> None:
        limits.RATE_LIMIT_KEY = limits.RATE_LIMIT_ORGANIZATION = 0

        assert call(uuid4(), uuid4(), 1000) == ()

    @hypothesis_settings(
        deadline=None,
        max_examples=40,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.lists(st.tuples(st.integers(0, 70), st.integers(1, 6)), max_size=40))
    def test_no_sixty_seconds_hold_more_than_the_limit(
        self, clock: Clock, limits: Any, calls: list[tuple[int, int]]
    ) -> None:
        key, organization = uuid7(), uuid7()
        admitted: list[tuple[int, int]] = []
        for pause, weight in calls:
            clock.second += pause
            # A model beside the script: what fits is admitted, and nothing else.
            used = sum(w for at, w in admitted if at >= clock.second - 60)
            if used + weight <= 10:
                call(key, organization, weight)
                admitted.append((clock.second, weight))
            else:
                with pytest.raises(RateLimited):
                    call(key, organization, weight)

        for at, _ in admitted:
            assert sum(w for other, w in admitted if at - 60 <= other <= at) <= 10


@pytest.mark.django_db
class TestReplies:
    def get(self, key: CreatedKey) -> Any:
        return Client().get("/v1/models", headers={"Authorization": f"Bearer {key.secret}"})

    def test_say_what_is_left(self, api_key: CreatedKey, limits: Any) -> None:
        answer = self.get(api_key)

        assert answer.headers["RateLimit-Policy"] == '"key";q=10;w=60, "organization";q=15;w=60'
        assert answer.headers["RateLimit"] == '"key";r=9;t=60, "organization";r=14;t=60'
        assert answer.headers["x-ratelimit-limit-requests"] == "10"
        assert answer.headers["x-ratelimit-remaining-requests"] == "9"

    def test_refuse_with_a_problem_and_when_to_come_back(
        self, api_key: CreatedKey, limits: Any
    ) -> None:
        for _ in range(10):
            self.get(api_key)
        answer = self.get(api_key)
        problem = answer.json()

        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 61
        assert answer.headers["x-should-retry"] == "true"
        assert '"key";r=0' in answer.headers["RateLimit"]
        assert problem["error"]["code"] == "rate_limit_exceeded"
        assert problem["violated-policies"] == ["key"]

    def test_go_through_when_valkey_does_not_answer(
        self,
        api_key: CreatedKey,
        limits: Any,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        nobody = rate_limits.Limiter()
        monkeypatch.setattr(rate_limits, "limiter", lambda: nobody)

        answer = self.get(api_key)

        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers
        assert "rate limits are not enforced" in caplog.text


@pytest.mark.parametrize(
    ("body", "weight"),
    [
        ({"prompt": "x"}, 10),
        ({"n": 4, "size": "1024x1024"}, 40),
        ({"n": 2, "size": "2048x1024"}, 40),
        ({"input": {"width": 1280, "height": 1024, "num_outputs": 3}}, 60),
        ({"inputs": "x", "parameters": {"width": 512, "height": 512}}, 10),
        ({"n": "many", "size": ["?"]}, 10),
        ({"n": 10**9, "size": "99999x99999"}, 1600),
    ],
)
def test_a_request_for_images_weighs_by_number_and_size(body: dict[str, Any], weight: int) -> None:
    assert image_weight(body) == weight


def test_uses_beyond_the_bound_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    client = limiter().client
    client.delete(rate_limits.USES, rate_limits.LAST_USES)
    monkeypatch.setattr(rate_limits, "MOST_USES", 2)
    make: Callable[[str], Any] = lambda use: count_call(  # noqa: E731
        key_id=uuid4(), organization_id=uuid4(), weight=1, use=use, at="t"
    )

    for use in ("one", "two", "three", "one"):
        make(use)

    assert client.hgetall(rate_limits.USES) == {b"one": b"2", b"two": b"1"}
    client.delete(rate_limits.USES, rate_limits.LAST_USES)
