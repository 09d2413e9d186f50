"""Examination of the gate: its text stage judges its own canaries."""

from governance.kernel.diagnosis import probed
from moderation.operations.readiness import probe

EXAMINATIONS = (
    # What the web process needs; the engine makes its own before its first job.
    probed(
        "gate",
        lambda: probe("web"),
        "docs/runbooks/classifier-down.md",
        needs_database=True,
        is_slow=True,
    ),
)
