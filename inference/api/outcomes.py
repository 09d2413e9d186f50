"""What a client is told when a generation did not deliver."""

from typing import Any, ClassVar

from governance.kernel.errors import DomainError
from inference.operations.planning import PromptTooLong
from inference.queries.generations import GenerationDetail


class StillRunning(DomainError):
    """The wait is over and the job is not; it goes on and can be fetched."""

    code = "still_running"
    title = "The generation is still running"
    status = 504
    retryable = True


class GenerationBlocked(DomainError):
    """The gate refused the prompt or every image; nothing was charged."""

    code = "moderation_blocked"
    title = "The request was blocked by the acceptable-use gate"
    status = 400
    openai_type: ClassVar[str] = "image_generation_user_error"


class GenerationHeld(GenerationBlocked):
    """The gate holds it for a person to look at; nothing was charged."""

    code = "moderation_review"
    title = "The request is held for review"


class GenerationCancelled(DomainError):
    """Somebody cancelled it; nothing was charged."""

    code = "generation_cancelled"
    title = "The generation was cancelled"
    status = 409


class GenerationFailed(DomainError):
    """It could not be made; nothing was charged. ``reason`` says why."""

    code = "generation_failed"
    title = "The generation failed"
    status = 500
    retryable = True


def raise_if_not_delivered(detail: GenerationDetail) -> None:
    """Return when images were delivered, else raise what the client is told."""
    summary = detail.summary
    facts: dict[str, Any] = {
        **{name: fact for name, fact in detail.error_facts.items() if name != "error_extra"},
        "generation_id": str(summary.id),
        "charged_microusd": summary.charged_microusd,
    }
    if summary.state == "succeeded":
        return
    if summary.state == "blocked":
        held = summary.error_code == GenerationHeld.code
        raise (GenerationHeld if held else GenerationBlocked)(
            summary.error_detail, **facts, error_extra={"moderation": moderation_facts(facts)}
        )
    if summary.state == "cancelled":
        raise GenerationCancelled(summary.error_detail, **facts)
    if summary.state == "failed":
        if summary.error_code == PromptTooLong.code:
            raise PromptTooLong(summary.error_detail, **facts)
        raise GenerationFailed(summary.error_detail, reason=summary.error_code, **facts)
    raise StillRunning(
        "The generation takes longer than this request may wait. Fetch it at the address in "
        "Location; it is charged once, when it is delivered.",
        generation_id=str(summary.id),
    )


def moderation_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """What OpenAI's clients find in ``error.moderation``."""
    names = ("stage", "aup_items", "decision_id", "appeal_url", "charged_microusd")
    return {name: facts[name] for name in names if name in facts}
