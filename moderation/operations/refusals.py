"""How a refusal of the gate looks to the client: stage, policy items, decision, appeal, charged 0."""

from typing import Any
from uuid import UUID

from django.conf import settings

from governance.kernel.errors import DomainError
from moderation.kernel.bundles import Bundle
from moderation.kernel.verdicts import Verdict
from moderation.operations.stages import StageResult


class GateRefusal(DomainError):
    """What the gate refused or holds. ``verdicts`` are for ``record_…_decisions``."""

    status = 400
    openai_type = "image_generation_user_error"

    def __init__(self, result: StageResult, *, bundle: Bundle, stage: str, text: str = "") -> None:
        # The refused prompt, for the evidence vault alone; it is in no fact and no log.
        self.text = text
        self.verdicts: tuple[Verdict, ...] = result.verdicts
        self.decision_id: UUID = result.decision_id
        items = result.items
        facts = refusal_facts(stage=stage, items=items, decision_id=result.decision_id)
        super().__init__(
            self.sentence(stage, bundle, items), **facts, error_extra={"moderation": facts}
        )

    def sentence(self, stage: str, bundle: Bundle, items: list[str]) -> str:
        """What happened, why, and what the user can do, in plain words."""
        what = "The prompt" if stage == "input" else "The generated image"
        why = bundle.reason(items[0] if items else "")
        named = f" (policy item {', '.join(items)})" if items else ""
        return f"{what} was refused by the acceptable use policy{named}. {why} Nothing was charged."


class PromptBlocked(GateRefusal):
    """The prompt is against the acceptable use policy."""

    code = "moderation_blocked"
    title = "The prompt was refused by the content filter"


class PromptHeld(GateRefusal):
    """The prompt may be against the policy; a person will look at it."""

    code = "moderation_review"
    title = "The prompt is held for review"

    def sentence(self, stage: str, bundle: Bundle, items: list[str]) -> str:
        """As for a refusal, but a person decides."""
        return held_sentence(stage, bundle, items)


class ImageBlocked(GateRefusal):
    """The generated image is against the acceptable use policy; it never left memory."""

    code = "moderation_blocked"
    title = "The generated image was refused by the content filter"


class ImageHeld(ImageBlocked):
    """The generated image may be against the policy; it is withheld."""

    code = "moderation_review"
    title = "The generated image is held by the content filter"

    def sentence(self, stage: str, bundle: Bundle, items: list[str]) -> str:
        """As for a refusal, but a person decides."""
        return held_sentence(stage, bundle, items)


def held_sentence(stage: str, bundle: Bundle, items: list[str]) -> str:
    """What is said of something that is neither allowed nor refused."""
    what = "The prompt" if stage == "input" else "The generated image"
    titles = [bundle.items[item].title for item in items if item in bundle.items]
    named = f" (item {', '.join(items)}: {titles[0]})" if titles else ""
    return (
        f"{what} may be against the acceptable use policy{named}. A person will look at it. "
        "Nothing was charged; you can change the prompt and try again now."
    )


def refusal_facts(*, stage: str, items: list[str], decision_id: UUID) -> dict[str, Any]:
    """The same facts for the problem document and for the OpenAI-style error."""
    return {
        "stage": stage,
        "aup_items": items,
        "decision_id": str(decision_id),
        "appeal_url": f"{settings.PUBLIC_URL}/moderation/decisions/{decision_id}/appeal",
        "charged_microusd": 0,
    }
