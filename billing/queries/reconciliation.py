"""Reconciliation for the operator: the last runs, what does not agree, and corrections by people."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.models import Adjustment, AdjustmentState, Difference, ReconciliationRun

SHOWN = 30
AGES = ((timedelta(days=1), "under a day"), (timedelta(days=3), "1 to 3 days"))
OLDEST = "over 3 days"


@dataclass(frozen=True)
class AgedDifference:
    """A difference, how old it is, and the bucket of its age."""

    row: Difference
    age: timedelta
    bucket: str

    @property
    def is_late(self) -> bool:
        """Money that a provider books late is there after three days."""
        return self.bucket == OLDEST


def ages_of(differences: list[AgedDifference]) -> list[tuple[str, int]]:
    """How many differences are how old, the oldest bucket first."""
    words = [OLDEST, *(bucket for _, bucket in reversed(AGES))]
    counted = [(bucket, sum(each.bucket == bucket for each in differences)) for bucket in words]
    return [(bucket, number) for bucket, number in counted if number]


def open_differences(at: datetime) -> list[AgedDifference]:
    """What does not agree now, the oldest first."""
    rows = Difference.objects.filter(gone_at=None).order_by("first_seen_at", "id")
    return [aged(row, at) for row in rows]


def aged(row: Difference, at: datetime) -> AgedDifference:
    """The difference with its age at ``at``."""
    age = at - row.first_seen_at
    bucket = next((words for least, words in AGES if age < least), OLDEST)
    return AgedDifference(row, age, bucket)


def gone_differences() -> list[Difference]:
    """What agreed again, the latest first."""
    return list(Difference.objects.exclude(gone_at=None).order_by("-gone_at")[:SHOWN])


def last_runs() -> list[ReconciliationRun]:
    """The last comparisons, newest first."""
    return list(ReconciliationRun.objects.order_by("-started_at")[:SHOWN])


def adjustments(*, waiting: bool) -> list[Adjustment]:
    """Corrections that wait for a second person, or the last decided ones."""
    rows = Adjustment.objects.select_related("organization")
    if waiting:
        return list(rows.filter(state=AdjustmentState.WAITING).order_by("asked_at"))
    return list(rows.exclude(state=AdjustmentState.WAITING).order_by("-decided_at")[:SHOWN])
