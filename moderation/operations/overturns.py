"""What people allowed after all: the same bytes in the same organization pass, and say why."""

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from moderation.kernel.outcomes import Outcome
from moderation.kernel.verdicts import Verdict
from moderation.models import Overturn
from moderation.operations.stages import StageResult

logger = logging.getLogger(__name__)
# The gate's own proof and child safety are nobody's to allow.
NEVER = frozenset({"1", "canary"})
MOST_PICTURES = 100


def allowed_after_all(*, sha256: str, organization_id: UUID, kind: str, at: datetime) -> bool:
    """Whether a person overturned a refusal of exactly this, here, and it still holds.

    An allowance that cannot be read is none: a database that is away never opens the gate.
    """
    return sha256 in _overturned(organization_id, kind, at, sha256)


def allowed_pictures(*, organization_id: UUID, at: datetime) -> list[str]:
    """Pixel hashes that a person allowed here; the prompt's receipt carries them to the engine."""
    return _overturned(organization_id, "image", at, None)


def with_allowance(result: StageResult, *, allowed: Collection[str]) -> StageResult:
    """``result`` with its refusals turned into labels, where its subject is among ``allowed``.

    A classifier that gave no answer stays unanswered, and items 1 and canary stay refused.
    """
    if result.outcome.passes or not {each.subject_sha256 for each in result.verdicts} <= set(
        allowed
    ):
        return result
    if any(each.status != "done" or each.item in NEVER for each in result.verdicts):
        return result
    return StageResult(result.decision_id, tuple(_labelled(each) for each in result.verdicts))


def _labelled(verdict: Verdict) -> Verdict:
    if verdict.outcome.passes:
        return verdict
    facts = {**verdict.facts, "before_review": str(verdict.outcome), "item": verdict.item}
    return replace(
        verdict, outcome=Outcome.LABEL, item="", reason="A reviewer allowed this.", facts=facts
    )


def _overturned(organization_id: UUID, kind: str, at: datetime, sha256: str | None) -> list[str]:
    try:
        found = Overturn.objects.filter(
            organization_id=organization_id, subject_kind=kind, at__lte=at, expires_at__gt=at
        )
        if sha256 is not None:
            found = found.filter(subject_sha256=sha256)
        return list(found.order_by("-at").values_list("subject_sha256", flat=True)[:MOST_PICTURES])
    except Exception as failure:  # noqa: BLE001 (whatever keeps us from reading: nothing is allowed)
        logger.warning("gate: allowances cannot be read: %r", failure)
        return []
