"""Expanding a job's prompt by the engine's model, before it is drawn: gated after, as it was before."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from governance.kernel.actors import Actor
from inference.engine.attempts import Engine
from inference.models import Generation
from inference.operations.finishing import Refusal
from inference.operations.leases import Lease, holder_of
from inference.operations.prompts import EXPANDED, within_limit
from moderation.operations.screening import (
    GateRefusal,
    GateUnavailable,
    ScreenedPrompt,
    record_prompt_decision,
    screen_prompt,
)

# Below the engine's own limit for a step (running.STUCK_AFTER_S): an expander that hangs is given up
# before the engine is taken for stuck.
MOST_S = 30.0


def expand_if_wanted(
    *,
    generation: Generation,
    lease: Lease,
    engine: Engine,
    actor: Actor,
    clock: Callable[[], datetime],
) -> Refusal | None:
    """Bring a waiting expansion onto the row, or say why the job ends.

    Does nothing where none is wanted or it was made before, so that an attempt may be repeated. Raises
    EngineLost and LeaseLost.
    """
    if not generation.expand_prompt or generation.revised_prompt:
        return None
    ticket = f"{lease.generation_id}/{lease.attempt}"
    text = within_limit(
        generation.prompt, engine.expand(ticket, generation.prompt, stuck_after_s=MOST_S)
    )
    at = clock()
    try:
        screened = screen_prompt(
            text=text,
            kind=EXPANDED,
            subject=lease.generation_id,
            organization_id=lease.organization_id,
            at=at,
        )
    except GateRefusal as refused:
        record_prompt_decision(
            refused,
            job_id=lease.generation_id,
            organization_id=lease.organization_id,
            actor=actor,
            at=at,
        )
        return Refusal(None, refused.code, refused.detail, refused.facts, ())
    except GateUnavailable as unavailable:
        return Refusal(None, unavailable.code, unavailable.detail, unavailable.facts, ())
    keep(generation, screened, lease, actor, at)
    return None


@transaction.atomic
def keep(
    generation: Generation, screened: ScreenedPrompt, lease: Lease, actor: Actor, at: datetime
) -> None:
    """The expanded prompt, its receipt and its decision, if the lease still holds. Raises LeaseLost."""
    holder_of(lease)
    generation.revised_prompt = screened.text
    generation.prompt_receipt = screened.receipt
    generation.save(update_fields=["revised_prompt", "prompt_receipt"])
    record_prompt_decision(
        screened,
        job_id=lease.generation_id,
        organization_id=lease.organization_id,
        actor=actor,
        at=at,
    )
