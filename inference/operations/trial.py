"""A dry run: what a request would cost and whether its prompt would pass, without a job or a GPU."""

from dataclasses import dataclass
from datetime import datetime

from billing.queries.balances import balance_of
from governance.kernel import log_context
from governance.kernel.ids import uuid7
from inference.operations.admissions import Admission, Submitter
from inference.operations.forced import ForcedBlock
from inference.operations.idempotency import Repetition
from inference.operations.planning import GenerationRequest, Plan, plan_generation
from inference.operations.submission import rehearse, screened_words
from moderation.operations.screening import (
    PromptBlocked,
    PromptHeld,
    record_prompt_decision,
)
from moderation.operations.standing import require_good_standing


@dataclass(frozen=True)
class Trial:
    """The plan, its price and what is available now (µUSD), and the gate's refusal, if it refused."""

    plan: Plan
    amount: int
    available: int
    refusal: PromptBlocked | PromptHeld | ForcedBlock | None


def try_generation(*, request: GenerationRequest, submitter: Submitter, at: datetime) -> Trial:
    """Everything that admission does, up to the hold. Writes nothing for a prompt that passes.

    A refused prompt is recorded and counts like one that was sent in earnest: a dry run is no way to
    try the filter out. Raises what ``submit_generation`` raises before the hold.
    """
    log_context.conceal(request.prompt)
    require_good_standing(actor=submitter.actor, at=at)
    plan = plan_generation(request=request, organization_id=submitter.organization_id, at=at)
    admission = Admission(plan, submitter, uuid7(), Repetition(), at)
    return Trial(
        plan=plan,
        amount=0 if submitter.test_mode else plan.quote.amount,
        available=balance_of(submitter.organization_id).available,
        refusal=refusal_of(admission),
    )


def refusal_of(admission: Admission) -> PromptBlocked | PromptHeld | ForcedBlock | None:
    """What the gate says against the prompt. Raises GateUnavailable."""
    try:
        rehearse(admission)
        screened_words(admission)
    except ForcedBlock as refusal:
        return refusal
    except (PromptBlocked, PromptHeld) as refusal:
        record_prompt_decision(
            refusal,
            job_id=admission.generation_id,
            organization_id=admission.submitter.organization_id,
            actor=admission.submitter.actor,
            at=admission.at,
        )
        return refusal
    return None
