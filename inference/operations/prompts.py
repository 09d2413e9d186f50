"""A request's words on their way to the encoder: the gate, the expander, and the gate again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from governance.kernel.actors import Actor
from inference.kernel.expansion import expanded
from inference.queries.prompt_tokens import MAX_PROMPT_TOKENS, prompt_tokens
from moderation.operations.screening import (
    ScreenedPrompt,
    record_prompt_decision,
    screen_prompt,
)

EXPANDED = "expanded"


@dataclass(frozen=True)
class ScreenedWords:
    """What the gate allowed: the user's prompt, and the expanded one where there is one already."""

    original: ScreenedPrompt
    expanded: ScreenedPrompt | None = None

    @property
    def drawn(self) -> ScreenedPrompt:
        """The one that the picture is drawn from."""
        return self.expanded or self.original

    @property
    def revised(self) -> str:
        """The expanded prompt's text; empty while there is none."""
        return self.expanded.text if self.expanded else ""

    def record(self, *, job_id: UUID, organization_id: UUID, actor: Actor, at: datetime) -> None:
        """Both decisions, in the caller's transaction."""
        for each in filter(None, (self.original, self.expanded)):
            record_prompt_decision(
                each, job_id=job_id, organization_id=organization_id, actor=actor, at=at
            )


def screen_words(
    *,
    prompt: str,
    expand: bool,
    test_mode: bool,
    subject: UUID,
    organization_id: UUID,
    at: datetime,
    expander: Callable[[str], str] = expanded,
) -> ScreenedWords:
    """The prompt through the gate; where it is to be expanded here, what comes of it as well.

    A prompt that is refused is never expanded, and an expanded one that is refused is not drawn.
    Raises what ``screen_prompt`` raises. Writes nothing.
    """
    original = screen_prompt(text=prompt, subject=subject, organization_id=organization_id, at=at)
    if not expand or not expands_here(test_mode=test_mode):
        return ScreenedWords(original)
    revised = screen_prompt(
        text=within_limit(prompt, expander(prompt)),
        kind=EXPANDED,
        subject=subject,
        organization_id=organization_id,
        at=at,
    )
    return ScreenedWords(original, revised)


def expands_here(*, test_mode: bool) -> bool:
    """Whether the small expander does it at admission; else the engine's, before the job is drawn."""
    return test_mode or not settings.PROMPT_EXPANDER


def within_limit(prompt: str, revised: str) -> str:
    """The expanded prompt, unless it has more tokens than the model reads: then the prompt."""
    tokens = prompt_tokens(revised)
    return prompt if tokens is not None and tokens > MAX_PROMPT_TOKENS else revised
