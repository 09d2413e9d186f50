"""Outcomes that a test key rehearses at the door: the errors of ``inference.kernel.forced``."""

from typing import ClassVar
from uuid import UUID

from billing.operations.holds import BudgetReached, InsufficientBalance
from governance.kernel.errors import DomainError, InvalidRequest
from governance.operations.authorization import LicenceRefused
from inference.kernel.forced import BLOCKS, KNOWN, SENTENCE, Forced, forced_outcome
from moderation.operations.refusals import refusal_facts
from moderation.operations.screening import GateUnavailable


class ForcedBlock(DomainError):
    """A rehearsed refusal of the gate."""

    code = "moderation_blocked"
    title = "The request was blocked by the acceptable-use gate"
    openai_type: ClassVar[str] = "image_generation_user_error"


class ForcedReview(ForcedBlock):
    """A rehearsed hold for review."""

    code = "moderation_review"


REFUSALS: dict[str, type[DomainError]] = {
    "insufficient_balance": InsufficientBalance,
    "project_spend_limit_exceeded": BudgetReached,
    "licence_refused": LicenceRefused,
}


def rehearse_refusal(prompt: str, *, generation_id: UUID) -> None:
    """Raise what the marker in a test key's prompt asks for, if it comes at the door.

    Raises InvalidRequest for an outcome that does not exist.
    """
    forced = forced_outcome(prompt)
    if forced is None:
        return
    if forced.outcome not in KNOWN:
        raise InvalidRequest(
            f"There is no test outcome {forced.outcome!r}. Outcomes: {', '.join(sorted(KNOWN))}.",
            param="prompt",
        )
    if forced.is_at_the_door:
        raise refusal_at_the_door(forced, generation_id)


def refusal_at_the_door(forced: Forced, generation_id: UUID) -> DomainError:
    """The error that is rehearsed; ``forced`` among its facts says that it was."""
    if forced.outcome in BLOCKS:
        kind = ForcedReview if forced.outcome == ForcedReview.code else ForcedBlock
        facts = refusal_facts(stage="input", items=forced.items, decision_id=generation_id)
        extra = {"moderation": facts}
        return kind(f"{SENTENCE} Nothing was charged.", forced=True, error_extra=extra, **facts)
    if forced.outcome == GateUnavailable.code:
        return GateUnavailable(SENTENCE, forced=True)
    return REFUSALS[forced.outcome](SENTENCE, forced=True, charged_microusd=0)
