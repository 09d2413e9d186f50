"""From a request to a queued, paid-for job, or to a refusal that says why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.operations.admission import admit_hold
from governance.kernel import log_context, tracing
from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.operations import audit
from governance.operations.authorization import require_startable
from governance.operations.end_users import claim_end_user_seat
from inference.models import Generation, State
from inference.operations.admissions import Admission, Submitter, hold_request, new_generation
from inference.operations.announcing import announce_ended
from inference.operations.forced import ForcedBlock, rehearse_refusal
from inference.operations.idempotency import Repetition, job_to_join
from inference.operations.planning import GenerationRequest, Plan, plan_generation
from inference.operations.prompts import ScreenedWords, screen_words
from moderation.operations.screening import (
    PromptBlocked,
    PromptHeld,
    record_prompt_decision,
)
from moderation.operations.standing import require_good_standing
from moderation.queries.standing import PAUSED_BY_POINTS


@dataclass(frozen=True)
class Submission:
    """The job that answers the request; ``joined`` when an earlier equal request already made it.

    ``generation`` is the row as this call wrote it, None for a joined one; ``model`` its release.
    """

    generation_id: UUID
    joined: bool
    generation: Generation | None = None
    model: str = ""


def submit_generation(
    *,
    request: GenerationRequest,
    submitter: Submitter,
    at: datetime,
    enqueue: Callable[[UUID], None],
    repetition: Repetition | None = None,
) -> Submission:
    """Authorize, screen, price and hold; then queue the job in the same transaction.

    ``enqueue`` is called after the commit. A request that repeats an earlier one (``repetition``)
    joins its job and never pays twice.

    Raises ActorSuspended, InvalidRequest, PromptTooLong, LicenceRefused, ReleaseNotFound,
    PromptBlocked, PromptHeld, GateUnavailable, EndUserHasNoSeat, InsufficientBalance, BudgetReached,
    IdempotencyKeyReused. A blocked prompt is kept as a generation with state blocked and charge 0; the
    other refusals write nothing.
    """
    log_context.conceal(request.prompt)
    with tracing.span("admission", organization=str(submitter.organization_id)):
        submission = admitted(request, submitter, at, enqueue, repetition or Repetition())
    # That of an earlier request where this one joined it.
    log_context.note(generation=str(submission.generation_id))
    return submission


def admitted(
    request: GenerationRequest,
    submitter: Submitter,
    at: datetime,
    enqueue: Callable[[UUID], None],
    repetition: Repetition,
) -> Submission:
    """The steps of ``submit_generation``, each a span of its own. Raises what it raises."""
    earlier = job_to_join(
        repetition=repetition,
        organization_id=submitter.organization_id,
        api_key_id=submitter.api_key_id,
        request_sha256=request.sha256,
        at=at,
    )
    if earlier is not None:
        return Submission(earlier, joined=True)
    if submitter.actor.kind in PAUSED_BY_POINTS:
        require_good_standing(actor=submitter.actor, at=at)
    with tracing.span("admission.authorize"):
        plan = plan_generation(request=request, organization_id=submitter.organization_id, at=at)
    admission = Admission(plan, submitter, uuid7(), repetition, at)
    log_context.note(generation=str(admission.generation_id))
    try:
        words = screened(admission)
    except (PromptBlocked, PromptHeld, ForcedBlock) as refusal:
        keep_blocked(admission, refusal)
        raise
    seat_end_user(plan, submitter, at)
    return queue(admission, words, enqueue)


def screened(admission: Admission) -> ScreenedWords:
    """The words through the gate. Raises PromptBlocked, PromptHeld, ForcedBlock, GateUnavailable."""
    with tracing.span("admission.screen"):
        rehearse(admission)
        return screened_words(admission)


def seat_end_user(plan: Plan, submitter: Submitter, at: datetime) -> None:
    """The named end user's seat, where the organization counts them. Raises EndUserHasNoSeat."""
    if plan.authorization.counts_end_users and plan.request.client_user:
        claim_end_user_seat(
            organization_id=submitter.organization_id,
            end_user=plan.request.client_user,
            actor=submitter.actor,
            at=at,
        )


class Joined(Exception):
    """An equal request has written the job meanwhile; this one's transaction is rolled back."""

    def __init__(self, generation_id: UUID) -> None:
        super().__init__(str(generation_id))
        self.generation_id = generation_id


def rehearse(admission: Admission) -> None:
    """For a test key: raise the refusal that the prompt's marker asks for, if it comes at the door."""
    if admission.submitter.test_mode:
        rehearse_refusal(admission.plan.request.prompt, generation_id=admission.generation_id)


def screened_words(admission: Admission) -> ScreenedWords:
    """The request's words through the gate. Raises PromptBlocked, PromptHeld, GateUnavailable."""
    return screen_words(
        prompt=admission.plan.request.prompt,
        expand=admission.plan.request.expand_prompt,
        test_mode=admission.submitter.test_mode,
        subject=admission.generation_id,
        organization_id=admission.submitter.organization_id,
        at=admission.at,
    )


def queue(
    admission: Admission, words: ScreenedWords, enqueue: Callable[[UUID], None]
) -> Submission:
    """Hold, job, decision and audit entry in one transaction; the doorbell after it."""
    plan, submitter, job_id = admission.plan, admission.submitter, admission.generation_id
    generation, prompt = new_generation(admission), words.drawn

    def write_job(hold_id: UUID) -> None:
        earlier = admission.claim()
        if earlier is not None:
            raise Joined(earlier)
        generation.hold_id = hold_id
        generation.prompt_receipt = prompt.receipt
        generation.revised_prompt = words.revised
        generation.save(force_insert=True)
        words.record(
            job_id=job_id,
            organization_id=submitter.organization_id,
            actor=submitter.actor,
            at=admission.at,
        )
        ignored = {"ignored": plan.request.ignored} if plan.request.ignored else {}
        hashes = [each["sha256"] for each in plan.style_references]
        styles = {"style_references": hashes} if hashes else {}
        record(
            generation,
            submitter.actor,
            "generation.submitted",
            hold_id=str(hold_id),
            decision=str(prompt.decision_id),
            policy=prompt.policy.hash,
            release=plan.authorization.release_slug,
            images=generation.images,
            **ignored,
            **styles,
        )

    try:
        with tracing.span("admission.hold", generation=str(job_id)):
            admit_hold(
                request=hold_request(admission),
                require=lambda: require_startable(
                    release_id=plan.authorization.release_id, at=admission.at
                ),
                write_job=write_job,
            )
    except Joined as joined:
        return Submission(joined.generation_id, joined=True)
    transaction.on_commit(lambda: enqueue(job_id))
    return Submission(
        job_id, joined=False, generation=generation, model=plan.authorization.release_slug
    )


def keep_blocked(admission: Admission, refusal: PromptBlocked | PromptHeld | ForcedBlock) -> None:
    """Keep a refused request where its sender can find it: state blocked, charge 0.

    An equal request that was refused meanwhile stands for both.
    """
    submitter, at = admission.submitter, admission.at
    with transaction.atomic():
        if admission.claim() is not None:
            return
        generation = new_generation(admission)
        generation.state = State.BLOCKED
        generation.finished_at = at
        generation.error_code = refusal.code
        generation.error_detail = refusal.detail
        generation.error_facts = refusal.facts
        generation.save(force_insert=True)
        if not isinstance(refusal, ForcedBlock):
            record_prompt_decision(
                refusal,
                job_id=admission.generation_id,
                organization_id=submitter.organization_id,
                actor=submitter.actor,
                at=at,
            )
        record(
            generation,
            submitter.actor,
            "generation.blocked",
            stage="input",
            code=refusal.code,
            decision=str(refusal.facts["decision_id"]),
        )
        announce_ended(generation, at)


def record(generation: Generation, actor: Actor, act: str, **facts: Any) -> None:
    """One audit entry about ``generation``."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=generation.organization_id,
        subject_kind="generation",
        subject_id=generation.id,
        facts=facts,
    )
