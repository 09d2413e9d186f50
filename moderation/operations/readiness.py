"""Whether the gate can judge at all: the service is not ready while it cannot."""

import threading
import time
from typing import Literal

from moderation.classifiers.deadline import within
from moderation.classifiers.registry import load
from moderation.kernel.bundles import Bundle, Required
from moderation.queries.policies import active_bundle, bundle_at_hand, keep_at_hand

Part = Literal["web", "engine"]
STAGES: dict[Part, str] = {"web": "input", "engine": "output"}
SELF_TEST_LIMIT_S = 60.0
# Canaries take a moment; a probe every few seconds need not run them each time.
FRESH_FOR_S = 30.0
_passed: dict[tuple[str, str], tuple[float, str]] = {}
_lock = threading.Lock()


class GateNotReady(Exception):
    """A required classifier is absent, is another one than the policy pins, or fails its canary."""


def self_test(part: Part) -> str:
    """Load what ``part`` needs, check versions and weights against the active policy, run canaries.

    ``web`` is the text stage, ``engine`` the image stage. Returns a line for people; raises
    GateNotReady with a sentence that names the classifier. The engine calls it before its first job.
    """
    bundle = _bundle(part)
    if part == "web":
        keep_at_hand(bundle, live=True)
    lines = [_test_one(required) for required in bundle.required(STAGES[part])]
    return f"policy {bundle.version} {bundle.hash[:12]}: " + "; ".join(lines)


def probe(part: Part) -> str:
    """``self_test`` for the health page, its success remembered for 30 s under the same policy."""
    key = (part, _bundle(part).hash)
    with _lock:
        at, line = _passed.get(key, (-FRESH_FOR_S, ""))
        if time.monotonic() - at < FRESH_FOR_S:
            return line
        line = self_test(part)
        _passed[key] = (time.monotonic(), line)
    return line


def _test_one(required: Required) -> str:
    try:
        found = within(SELF_TEST_LIMIT_S, lambda: load(required).self_test())
    except Exception as failure:
        raise GateNotReady(
            f"The required classifier {required.name} {required.version} is not ready: {failure}. "
            "Nothing is generated until it is."
        ) from failure
    return f"{required.name} {required.version} ({found})"


def _bundle(part: Part) -> Bundle:
    """Web asks the database; the engine has none and takes what lies on its machine."""
    try:
        return active_bundle() if part == "web" else bundle_at_hand()
    except Exception as failure:
        raise GateNotReady(f"The content policy cannot be read: {failure}") from failure
