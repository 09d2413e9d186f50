"""From a dataset to a queued, paid-for training, or to a refusal that says why."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.operations.holds import HoldRequest, place_hold
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.ids import uuid7
from governance.operations import audit
from governance.operations.authorization import require_startable
from inference.kernel.training_terms import checkpoint_every, sample_every
from inference.models import TrainingDataset, TrainingJob
from inference.operations.admissions import Submitter, frozen_authorization
from inference.operations.idempotency import check_key, claim_key, job_of_key
from inference.operations.training_planning import (
    RightsNotAttested,
    TrainingPlan,
    TrainingRequest,
    plan_training,
)
from inference.queries.training import attestation_of, content_sha256
from moderation.operations.screening import (
    GateRefusal,
    ScreenedPrompt,
    record_prompt_decision,
    screen_prompt,
)
from moderation.operations.standing import require_good_standing
from moderation.queries.standing import PAUSED_BY_POINTS


class TrainingNeedsLiveKey(DomainError):
    """A test key moves no money and loads no model, so it trains nothing."""

    code = "training_needs_live_key"
    title = "Training needs a live key"
    status = 403


class Joined(Exception):
    """An equal request has written the job meanwhile; this one's transaction is rolled back."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(str(job_id))
        self.job_id = job_id


def order_training(
    *,
    request: TrainingRequest,
    submitter: Submitter,
    at: datetime,
    enqueue: Callable[[UUID], None],
    key: str | None = None,
) -> UUID:
    """Check, license, screen, price and hold; freeze the dataset and queue the job in one transaction.

    Returns the job's id; with the same Idempotency-Key (``key``) and request the first one's for 24
    hours. ``enqueue`` is called after the commit. Raises TrainingNeedsLiveKey, ActorSuspended,
    InvalidRequest, PromptTooLong, LicenceRefused, ReleaseNotFound, NotFound, RightsNotAttested,
    PromptBlocked, PromptHeld, GateUnavailable, PriceNotFound, InsufficientBalance, BudgetReached,
    IdempotencyKeyReused; nothing but the gate's decision is written then.
    """
    if key is not None:
        check_key(key)
        earlier = job_of_key(key, submitter.organization_id, request.sha256, at)
        if earlier is not None:
            return earlier
    if submitter.test_mode:
        raise TrainingNeedsLiveKey("Use a live key. A test key trains nothing and pays nothing.")
    if submitter.actor.kind in PAUSED_BY_POINTS:
        require_good_standing(actor=submitter.actor, at=at)
    plan = plan_training(request=request, organization_id=submitter.organization_id, at=at)
    job_id = uuid7()
    prompt = screened(plan, job_id, submitter, at)
    try:
        queue(plan, job_id, prompt, submitter, at, key)
    except Joined as joined:
        return joined.job_id
    transaction.on_commit(lambda: enqueue(job_id))
    return job_id


def screened(
    plan: TrainingPlan, job_id: UUID, submitter: Submitter, at: datetime
) -> ScreenedPrompt:
    """Name and trigger, then the sample's prompt, past the gate. A refusal is on record before it is
    raised."""
    request = plan.request
    try:
        words = ". ".join(filter(None, [request.name.strip(), request.trigger.strip()]))
        about: dict[str, Any] = {
            "subject": job_id,
            "organization_id": submitter.organization_id,
            "at": at,
        }
        screen_prompt(text=words, kind="trigger", **about)
        return screen_prompt(text=plan.sample_prompt, **about)
    except GateRefusal as refusal:
        record_prompt_decision(
            refusal,
            job_id=job_id,
            organization_id=submitter.organization_id,
            actor=submitter.actor,
            at=at,
        )
        raise


def queue(
    plan: TrainingPlan,
    job_id: UUID,
    prompt: ScreenedPrompt,
    submitter: Submitter,
    at: datetime,
    key: str | None,
) -> None:
    """Hold, frozen dataset, job, decision and audit entry in one transaction. Raises Joined."""
    job = new_job(plan, job_id, submitter, at)

    def write_job(hold_id: UUID) -> None:
        if key is not None:
            earlier = claim_key(key, job.organization_id, job.request_sha256, job_id, at)
            if earlier is not None:
                raise Joined(earlier)
        freeze(job, at)
        job.hold_id, job.sample_receipt = hold_id, prompt.receipt
        job.save(force_insert=True)
        record_prompt_decision(
            prompt,
            job_id=job_id,
            organization_id=job.organization_id,
            actor=submitter.actor,
            at=at,
        )
        record(
            job,
            submitter.actor,
            "training.submitted",
            hold_id=str(hold_id),
            dataset=str(job.dataset_id),
            dataset_sha256=job.dataset_sha256,
            attestation=str(job.attestation_id),
            release=plan.authorization.release_slug,
            steps=job.steps,
        )

    place_hold(
        request=HoldRequest(
            organization_id=submitter.organization_id,
            project_id=submitter.project_id,
            api_key_id=submitter.api_key_id,
            member_id=submitter.member_id,
            job_id=job_id,
            quote=plan.quote,
            idempotency_key=f"job:{job_id}",
            request_sha256=job.request_sha256,
            at=at,
        ),
        require=lambda: require_startable(release_id=plan.authorization.release_id, at=at),
        write_job=write_job,
    )


def freeze(job: TrainingJob, at: datetime) -> None:
    """Give the dataset its name for good, under its lock, and the job the attestation that covers it.

    Raises NotFound and RightsNotAttested where it was changed since it was looked at.
    """
    dataset = (
        TrainingDataset.objects.select_for_update()
        .filter(id=job.dataset_id, deleted_at__isnull=True)
        .first()
    )
    if dataset is None:
        raise NotFound("There is no such dataset.")
    attestation = attestation_of(dataset.id)
    if attestation is None:
        raise RightsNotAttested("The dataset was changed meanwhile. Attest it again.")
    if dataset.frozen_at is None:
        dataset.frozen_at, dataset.sha256 = at, content_sha256(dataset.id)
        dataset.save(update_fields=["frozen_at", "sha256"])
    job.dataset_sha256, job.attestation = dataset.sha256, attestation


def new_job(plan: TrainingPlan, job_id: UUID, submitter: Submitter, at: datetime) -> TrainingJob:
    """An unsaved row with everything frozen that the training depends on."""
    request = plan.request
    return TrainingJob(
        id=job_id,
        organization_id=submitter.organization_id,
        project_id=submitter.project_id,
        api_key_id=submitter.api_key_id,
        member_id=submitter.member_id,
        release_id=plan.authorization.release_id,
        dataset_id=request.dataset_id,
        request_id=submitter.actor.request_id,
        request_sha256=request.sha256,
        name=request.name.strip()[:100],
        trigger=request.trigger.strip()[:100],
        sample_prompt=plan.sample_prompt,
        steps=request.steps,
        rank=request.rank,
        learning_rate=request.learning_rate,
        resolution=plan.resolution,
        seed=plan.seed,
        checkpoint_every=checkpoint_every(request.steps),
        sample_every=sample_every(request.steps),
        authorization=frozen_authorization(plan.authorization),
        quote=plan.quote.as_json(),
        quoted_microusd=plan.quote.amount,
        deadline_at=at + timedelta(seconds=settings.TRAINING_DEADLINE_S),
        created_at=at,
    )


def record(job: TrainingJob, actor: Actor, act: str, **facts: Any) -> None:
    """One audit entry about ``job``."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=job.organization_id,
        subject_kind="training",
        subject_id=job.id,
        facts=facts,
    )
