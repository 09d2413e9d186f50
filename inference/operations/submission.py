"""From a request to a queued, paid-for job, or to a refusal that says why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.operations.admission import admit_hold
from billing.operations.holds import HoldRequest
from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.operations import audit
from governance.operations.authorization import Authorization, require_startable
from governance.operations.end_users import claim_end_user_seat
from inference.models import Generation, State
from inference.operations.planning import GenerationRequest, Plan, plan_generation
from moderation.operations.screening import (
    PromptBlocked,
    PromptHeld,
    ScreenedPrompt,
    record_prompt_decision,
    screen_prompt,
)
from moderation.operations.standing import require_good_standing

RETRY_WINDOW = timedelta(minutes=15)


@dataclass(frozen=True)
class Submitter:
    """Who pays and who acts."""

    organization_id: UUID
    project_id: UUID
    api_key_id: UUID | None
    actor: Actor
    member_id: UUID | None = None
    test_mode: bool = False


@dataclass(frozen=True)
class Submission:
    """The job that answers the request; ``joined`` when an earlier equal request already made it."""

    generation_id: UUID
    joined: bool


def submit_generation(
    *,
    request: GenerationRequest,
    submitter: Submitter,
    idempotency_key: str | None,
    is_marked_retry: bool,
    at: datetime,
    enqueue: Callable[[UUID], None],
) -> Submission:
    """Authorize, screen, price and hold; then queue the job in the same transaction.

    ``enqueue`` is called after the commit. A repeated ``idempotency_key`` with an equal request, and
    a retry that an SDK marked as such, join the first job and never pay twice.

    Raises ActorSuspended, InvalidRequest, LicenceRefused, ReleaseNotFound, PromptBlocked,
    PromptHeld, GateUnavailable, EndUserHasNoSeat, InsufficientBalance, BudgetReached,
    IdempotencyKeyReused. A blocked prompt is kept as a generation with state blocked and charge 0;
    the other refusals write nothing.
    """
    if is_marked_retry and idempotency_key is None:
        earlier = job_to_join(submitter=submitter, request=request, at=at)
        if earlier is not None:
            return Submission(earlier, joined=True)
    require_good_standing(actor=submitter.actor, at=at)
    plan = plan_generation(request=request, organization_id=submitter.organization_id, at=at)
    generation_id = uuid7()
    try:
        prompt = screen_prompt(
            text=request.prompt,
            subject=generation_id,
            organization_id=submitter.organization_id,
            at=at,
        )
    except (PromptBlocked, PromptHeld) as refusal:
        keep_blocked(plan, submitter, generation_id, refusal, at)
        raise
    seat_end_user(plan, submitter, at)
    return queue(plan, submitter, generation_id, prompt, idempotency_key, at, enqueue)


def seat_end_user(plan: Plan, submitter: Submitter, at: datetime) -> None:
    """The named end user's seat, where the organization counts them. Raises EndUserHasNoSeat."""
    if plan.authorization.counts_end_users and plan.request.client_user:
        claim_end_user_seat(
            organization_id=submitter.organization_id,
            end_user=plan.request.client_user,
            actor=submitter.actor,
            at=at,
        )


def job_to_join(*, submitter: Submitter, request: GenerationRequest, at: datetime) -> UUID | None:
    """The job of an equal request of this key in the last 15 minutes, if it did not fail."""
    return (
        Generation.objects.filter(
            api_key_id=submitter.api_key_id,
            request_sha256=request.sha256,
            created_at__gte=at - RETRY_WINDOW,
            state__in=(State.QUEUED, State.RUNNING, State.SUCCEEDED),
        )
        .order_by("-id")
        .values_list("id", flat=True)
        .first()
    )


def queue(
    plan: Plan,
    submitter: Submitter,
    generation_id: UUID,
    prompt: ScreenedPrompt,
    idempotency_key: str | None,
    at: datetime,
    enqueue: Callable[[UUID], None],
) -> Submission:
    """Hold, job, decision and audit entry in one transaction; the doorbell after it."""

    def write_job(hold_id: UUID) -> None:
        generation = new_generation(plan, submitter, generation_id, at)
        generation.hold_id = hold_id
        generation.prompt_receipt = prompt.receipt
        generation.save(force_insert=True)
        record_prompt_decision(
            prompt,
            job_id=generation_id,
            organization_id=submitter.organization_id,
            actor=submitter.actor,
            at=at,
        )
        record(
            generation,
            submitter.actor,
            "generation.submitted",
            hold_id=str(hold_id),
            decision=str(prompt.decision_id),
            policy=prompt.policy.hash,
            release=plan.authorization.release_slug,
            images=generation.images,
        )

    result = admit_hold(
        request=HoldRequest(
            organization_id=submitter.organization_id,
            project_id=submitter.project_id,
            api_key_id=submitter.api_key_id,
            member_id=submitter.member_id,
            job_id=generation_id,
            quote=plan.quote,
            idempotency_key=idempotency_key or f"job:{generation_id}",
            request_sha256=plan.request.sha256,
            at=at,
            test_mode=submitter.test_mode,
        ),
        require=lambda: require_startable(release_id=plan.authorization.release_id, at=at),
        write_job=write_job,
    )
    if result.created:
        transaction.on_commit(lambda: enqueue(generation_id))
    return Submission(result.job_id, joined=not result.created)


def keep_blocked(
    plan: Plan,
    submitter: Submitter,
    generation_id: UUID,
    refusal: PromptBlocked | PromptHeld,
    at: datetime,
) -> None:
    """Keep a refused request where its sender can find it: state blocked, charge 0."""
    with transaction.atomic():
        generation = new_generation(plan, submitter, generation_id, at)
        generation.state = State.BLOCKED
        generation.finished_at = at
        generation.error_code = refusal.code
        generation.error_detail = refusal.detail
        generation.error_facts = refusal.facts
        generation.save(force_insert=True)
        record_prompt_decision(
            refusal,
            job_id=generation_id,
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


def new_generation(
    plan: Plan, submitter: Submitter, generation_id: UUID, at: datetime
) -> Generation:
    """An unsaved row with everything frozen that the job depends on."""
    request = plan.request
    return Generation(
        id=generation_id,
        organization_id=submitter.organization_id,
        project_id=submitter.project_id,
        api_key_id=submitter.api_key_id,
        member_id=submitter.member_id,
        release_id=plan.authorization.release_id,
        dialect=request.dialect,
        request_id=submitter.actor.request_id,
        request_sha256=request.sha256,
        client_user=request.client_user[:200],
        test_mode=submitter.test_mode,
        prompt=request.prompt,
        width=plan.size.width,
        height=plan.size.height,
        steps=plan.steps,
        guidance_milli=plan.authorization.guidance_milli,
        seed=plan.seed,
        images=request.images,
        output_format=request.output_format,
        adapters=plan.adapters,
        deadline_at=at + timedelta(seconds=request.deadline_s or settings.JOB_DEADLINE_S),
        authorization=frozen_authorization(plan.authorization),
        quote=plan.quote.as_json(),
        quoted_microusd=plan.quote.amount,
        work_gflop=plan.work,
        created_at=at,
    )


def frozen_authorization(authorization: Authorization) -> dict[str, Any]:
    """What the job's row keeps of the licence engine's permission."""
    return {
        "standing": authorization.standing,
        "terms_version": str(authorization.terms_version_id),
        "terms_sha256": authorization.terms_sha256,
        "release": authorization.release_slug,
        "weights_sha256": authorization.weights_sha256,
        "decided_at": authorization.decided_at.isoformat(),
    }


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
