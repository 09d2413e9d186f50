"""Rate limits: an exact sliding window per key and per organization, shared by every process.

One script in Valkey looks at both windows and counts in both or in neither; the same round trip notes
who used the key (``governance.operations.key_uses``). When Valkey does not answer, calls go through:
balance, budgets and the licence are in PostgreSQL and still hold (docs/decisions/0030-rate-limits.md).
"""

import logging
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from governance.kernel.errors import DomainError

logger = logging.getLogger(__name__)

WINDOW_S = 60
# A limiter that is slow is worse than none: it gives up soon, and is not asked again at once.
PATIENCE_S = 0.5
REST_S = 1.0
USES, LAST_USES = "licet:key-uses", "licet:key-last-uses"
# Uses are collected every few seconds; beyond this many kinds of use, further kinds are not kept.
MOST_USES = 20_000

# A ring of 61 one-second slots: the second that runs and the 60 before it, so that no 60 seconds,
# wherever they begin, hold more than the limit. Fields 0..60 are the slots, "s" the second of the last
# call, "n" the sum. KEYS: ring of the key, ring of the organization, uses, last uses. ARGV: weight,
# window, limit of the key, limit of the organization, use, time of use, most uses. Gives per ring the sum
# before this call and the seconds to wait (0: admitted).
SCRIPT = """
local now = tonumber(redis.call('TIME')[1])
local weight, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local slots = window + 1
local function turned(key)
  local state = redis.call('HMGET', key, 's', 'n')
  local last, total = tonumber(state[1]), tonumber(state[2])
  if not last then return 0 end
  if now - last >= slots then redis.call('DEL', key) return 0 end
  for second = last + 1, now do
    local gone = redis.call('HGET', key, second % slots)
    if gone then total = total - tonumber(gone) redis.call('HDEL', key, second % slots) end
  end
  if now > last then redis.call('HSET', key, 's', now, 'n', total) end
  return total
end
local function wait(key, total, limit)
  local excess = total + weight - limit
  if limit == 0 or excess <= 0 then return 0 end
  for second = now - window, now do
    excess = excess - tonumber(redis.call('HGET', key, second % slots) or 0)
    if excess <= 0 then return second + slots - now end
  end
  return slots
end
local answer, admitted = {}, true
for i = 1, 2 do
  local total = turned(KEYS[i])
  local seconds = wait(KEYS[i], total, tonumber(ARGV[2 + i]))
  answer[2 * i - 1], answer[2 * i] = total, seconds
  admitted = admitted and seconds == 0
end
if admitted then
  for i = 1, 2 do
    redis.call('HINCRBY', KEYS[i], now % slots, weight)
    redis.call('HINCRBY', KEYS[i], 'n', weight)
    redis.call('HSET', KEYS[i], 's', now)
    redis.call('EXPIRE', KEYS[i], 2 * window)
  end
end
if redis.call('HEXISTS', KEYS[3], ARGV[5]) == 1 or redis.call('HLEN', KEYS[3]) < tonumber(ARGV[7]) then
  redis.call('HINCRBY', KEYS[3], ARGV[5], 1)
  redis.call('HSET', KEYS[4], ARGV[5], ARGV[6])
end
return answer
"""


@dataclass(frozen=True)
class Quota:
    """One window after a call: units allowed, used, and s until the refused call would fit."""

    name: str
    limit: int
    used: int
    wait_s: int
    window_s: int = WINDOW_S

    @property
    def remaining(self) -> int:
        """Units left in the window."""
        return max(self.limit - self.used, 0)


class RateLimited(DomainError):
    """Too many calls in the last minute; the reply says how long to wait. Repeat it then."""

    code = "rate_limit_exceeded"
    title = "Too many requests in a minute"
    status = 429
    retryable = True

    def __init__(self, detail: str, *, quotas: tuple[Quota, ...], **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.quotas = quotas


def count_call(
    *, key_id: UUID, organization_id: UUID, weight: int, use: str, at: str
) -> tuple[Quota, ...]:
    """Count one call of ``weight`` units; the windows after it, none where no limit is set.

    ``use`` names who called (``key_uses.use_of``), ``at`` when. Raises RateLimited.
    """
    limits = {"key": settings.RATE_LIMIT_KEY, "organization": settings.RATE_LIMIT_ORGANIZATION}
    # A call that is larger than the whole limit is let through an empty window, not never.
    weight = min([weight, *(limit for limit in limits.values() if limit)])
    answer = _asked(
        keys=[f"licet:rate:{key_id}", f"licet:rate:{organization_id}", USES, LAST_USES],
        arguments=[weight, WINDOW_S, *limits.values(), use, at, MOST_USES],
    )
    if answer is None:
        return ()
    refused = any(answer[1::2])
    quotas = tuple(
        Quota(name, limit, used + (0 if refused else weight), wait)
        for (name, limit), used, wait in zip(limits.items(), answer[::2], answer[1::2], strict=True)
        if limit
    )
    if refused:
        raise _refusal(quotas, weight)
    return quotas


def _refusal(quotas: tuple[Quota, ...], weight: int) -> RateLimited:
    violated = [quota for quota in quotas if quota.wait_s]
    first = max(violated, key=lambda quota: quota.wait_s)
    whose = "This key" if first.name == "key" else "The organization"
    return RateLimited(
        f"{whose} may use {first.limit} units a minute and has used {first.used}; this request needs "
        f"{weight}. Wait {first.wait_s} s.",
        quotas=quotas,
        retry_after_s=first.wait_s,
        weight=weight,
        **{"violated-policies": [quota.name for quota in violated]},
    )


class Limiter:
    """The connection of this process, with its rest after a failure."""

    def __init__(self) -> None:
        self.client: redis.Redis = redis.Redis.from_url(
            settings.REDIS_URL or "redis://127.0.0.1:6379/0",
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            retry=Retry(NoBackoff(), 0),
        )
        self.script = self.client.register_script(SCRIPT)
        self.resting_until = 0.0

    def ask(self, keys: list[str], arguments: list[Any]) -> list[int] | None:
        """The script's answer, or None where the server does not answer."""
        if time.monotonic() < self.resting_until:
            return None
        try:
            answer: list[int] = self.script(keys=keys, args=arguments)
        except redis.RedisError as error:
            self.resting_until = time.monotonic() + REST_S
            logger.warning("rate limits are not enforced for %s s: %s", REST_S, error)
            return None
        return answer


@cache
def limiter() -> Limiter:
    """One per process."""
    return Limiter()


def _asked(*, keys: list[str], arguments: list[Any]) -> list[int] | None:
    return limiter().ask(keys, arguments)
