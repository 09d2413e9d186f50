"""How somebody stands with the gate: points, signs of abuse, and until when they are paused."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import models
from django.db.models import Count, Q, Sum

from moderation.kernel.similarity import NEAR, distance
from moderation.models import Decision, Strike

WARNED_AT, SUSPENDED_AT = 3, 10
# Points pause a person. A key speaks for a whole product with many end users: one of them must not be
# able to stop all the others, so a key's points warn and are shown, and a person decides about it.
PAUSED_BY_POINTS = frozenset({"user"})
WINDOW = timedelta(hours=1)
EVASION_WINDOW = timedelta(minutes=30)
FEWEST_ATTEMPTS = 3
MOST_COMPARED = 200
HIGH_SHARE, FEWEST_PROMPTS = 0.3, 10


@dataclass(frozen=True)
class Standing:
    """Points that have not expired; ``until`` is set while suspended."""

    points: int
    warned: bool
    until: datetime | None


@dataclass(frozen=True)
class AbuseSigns:
    """What an actor did in the last hour. ``evasions`` counts attempts that repeat a refused prompt
    in other words."""

    prompts: int
    refused: int
    evasions: int

    @property
    def share(self) -> float:
        """Refused of all, 0 to 1."""
        return self.refused / self.prompts if self.prompts else 0.0

    @property
    def suspicious(self) -> bool:
        """Whether a person should look."""
        often = self.prompts >= FEWEST_PROMPTS and self.share >= HIGH_SHARE
        return often or self.evasions >= FEWEST_ATTEMPTS


def standing_of(*, actor_kind: str, actor_id: str, at: datetime) -> Standing:
    """The standing of one key or person; one query."""
    valid = Strike.objects.filter(
        actor_kind=actor_kind, actor_id=actor_id, pardoned_at__isnull=True, expires_at__gt=at
    )
    strikes = list(valid.order_by("expires_at").values_list("weight", "expires_at"))
    points = sum(weight for weight, _ in strikes)
    until, left = None, points if actor_kind in PAUSED_BY_POINTS else 0
    for weight, expires_at in strikes:
        if left < SUSPENDED_AT:
            break
        left, until = left - weight, expires_at
    return Standing(points, points >= WARNED_AT, until)


def organization_points(organization_id: UUID, *, at: datetime) -> int:
    """The points of all of an organization's people and keys that have not expired."""
    found = Strike.objects.filter(
        organization_id=organization_id, pardoned_at__isnull=True, expires_at__gt=at
    ).aggregate(points=Sum("weight"))
    return int(found["points"] or 0)


def abuse_signs(*, actor_kind: str, actor_id: str, at: datetime) -> AbuseSigns:
    """Rates and near-duplicates of refused prompts in the last hour; two queries, bounded."""
    recent = Decision.objects.filter(
        actor_kind=actor_kind, actor_id=actor_id, stage="input", at__gt=at - WINDOW, at__lte=at
    )
    counts = recent.aggregate(
        prompts=Count("id"), refused=Count("id", filter=~Q(outcome__in=("allow", "label")))
    )
    return AbuseSigns(counts["prompts"], counts["refused"], _evasions(recent, at))


def _evasions(recent: "models.QuerySet[Decision]", at: datetime) -> int:
    rows = list(
        recent.filter(at__gt=at - EVASION_WINDOW, simhash__isnull=False)
        .order_by("-at")
        .values_list("simhash", "outcome", "subject_sha256")[:MOST_COMPARED]
    )[::-1]
    refused: list[int] = []
    seen: set[str] = set()
    evasions = 0
    for value, outcome, sha256 in rows:
        if value is None or sha256 in seen:
            continue
        seen.add(sha256)
        evasions += any(distance(value, earlier) <= NEAR for earlier in refused)
        if outcome not in {"allow", "label"}:
            refused.append(value)
    return evasions
