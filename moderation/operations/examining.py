"""Examination of the gate: its text stage judges its own canaries."""

from datetime import datetime

from governance.kernel.diagnosis import Diagnosis, Examination, fine
from moderation.operations.readiness import self_test


def look_at_gate(_at: datetime) -> Diagnosis:
    """The self-test of what the web process needs; the engine makes its own before its first job."""
    return fine(self_test("web"))


EXAMINATIONS = (
    Examination(
        "gate", look_at_gate, "docs/runbooks/classifier-down.md", needs_database=True, is_slow=True
    ),
)
