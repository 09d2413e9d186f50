"""Test keys only: a marker in the prompt forces an outcome, so that clients can rehearse each of them.

``[[test:moderation_blocked:2]]`` refuses the prompt under policy item 2; ``…:2:output]]`` refuses the
image instead. ``[[test:insufficient_balance]]``, ``[[test:project_spend_limit_exceeded]]``,
``[[test:licence_refused]]`` and ``[[test:moderation_unavailable]]`` refuse at the door,
``[[test:generation_failed]]`` in the engine, and ``[[test:slow:20]]`` takes 20 s. A live key's marker is
a prompt like any other.
"""

import re
from dataclasses import dataclass

MARKER = re.compile(r"\[\[test:([a-z_]+)(?::([A-Za-z0-9.]+))?(?::(input|output))?\]\]")
SENTENCE = "This outcome was forced by the marker in the prompt of a test key."
BLOCKS = frozenset({"moderation_blocked", "moderation_review"})
AT_THE_DOOR = frozenset(
    {
        "insufficient_balance",
        "project_spend_limit_exceeded",
        "licence_refused",
        "moderation_unavailable",
    }
)
IN_THE_ENGINE = frozenset({"generation_failed", "slow"})
KNOWN = BLOCKS | AT_THE_DOOR | IN_THE_ENGINE
LONGEST_S = 60


@dataclass(frozen=True)
class Forced:
    """What a marker asks for: an outcome, its argument, and the stage of a refusal."""

    outcome: str
    argument: str = ""
    stage: str = "input"

    @property
    def seconds(self) -> int:
        """How long a slow job takes, s; 0 for every other outcome."""
        slow = self.outcome == "slow" and self.argument.isdecimal()
        return min(int(self.argument), LONGEST_S) if slow else 0

    @property
    def items(self) -> list[str]:
        """The policy item of a refusal."""
        return [self.argument] if self.argument else []

    @property
    def is_at_the_door(self) -> bool:
        """Whether it happens before there is a job to run."""
        blocks_prompt = self.outcome in BLOCKS and self.stage == "input"
        return blocks_prompt or self.outcome in AT_THE_DOOR


def forced_outcome(prompt: str) -> Forced | None:
    """What the first marker in ``prompt`` asks for, known or not; None without a marker."""
    found = MARKER.search(prompt)
    return Forced(found[1], found[2] or "", found[3] or "input") if found else None
